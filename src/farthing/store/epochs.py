"""The lives of a cluster's meter, and whether the cluster is gone for good.

Records that are still open last to the watermark of the meter that reported them: of the newest epoch of a cluster
that is later than all days that are rated; of an earlier one, a share ended when that meter was last heard, since
nobody has seen it after, and a device stayed until the next meter began, since hardware does not come and go unseen.
Of a cluster that is retired everything that is open ends at the instant from which on nothing is expected of it.
"""

from bisect import bisect_right
from dataclasses import dataclass

from sqlalchemy import Connection, select

from farthing.ledger.interval import DAY
from farthing.store.rows import Row
from farthing.store.schema import progress, retirements


@dataclass(frozen=True, slots=True)
class Epochs:
    """The lives of one cluster's meter: when each began, and how far it was heard without a gap.

    `retired` is the instant from which on nothing is expected of the cluster; what it held counts up to there.
    """

    starts: tuple[int, ...]
    watermarks: tuple[int, ...]
    retired: int | None = None

    @property
    def newest(self) -> int:
        return self.starts[-1] if self.starts else 0

    @property
    def watermark(self) -> int:
        """Everything of the cluster up to here has been said."""
        return self.watermarks[-1] if self.watermarks else 0

    @property
    def last_ended_day(self) -> int:
        """The last day about which nothing more is expected, counted since 1970; -1 where there is none."""
        return self.watermark // DAY - 1 if self.retired is None else (self.retired - 1) // DAY

    def heard(self, epoch: int) -> int:
        return self.watermarks[self.starts.index(epoch)]

    def goes_on(self, epoch: int) -> bool:
        """Whether what this life of the meter left open is still so."""
        return epoch == self.newest and self.retired is None

    def share_end(self, row: Row) -> int | None:
        end: int | None = row["end"]
        return self.open_share_end(row["start"], row["epoch"]) if end is None else end

    def open_share_end(self, start: int, epoch: int) -> int | None:
        return None if self.goes_on(epoch) else max(start, self.heard(epoch))

    def supply_end(self, row: Row) -> int | None:
        end: int | None = row["end"]
        if end is not None or self.goes_on(row["epoch"]):
            return end
        following = [*self.starts, self.watermark][bisect_right(self.starts, row["epoch"])]
        return max(int(row["start"]), following)


def epochs(connection: Connection, cluster: str) -> Epochs:
    rows = connection.execute(
        select(progress.c.epoch, progress.c.watermark).where(progress.c.cluster == cluster).order_by(progress.c.epoch)
    ).all()
    starts, watermarks = tuple(row.epoch for row in rows), tuple(row.watermark for row in rows)
    retired = retired_since(connection, cluster)
    return Epochs(starts, watermarks if retired is None else (*watermarks[:-1], retired), retired)


def retired_since(connection: Connection, cluster: str) -> int | None:
    """From when on nothing is expected of a cluster; None where it is not retired."""
    here = retirements.c.cluster == cluster
    return connection.scalar(select(retirements.c.since).where(here).order_by(retirements.c.number.desc()).limit(1))
