"""Settling: days that have ended, and days that changed, are rated; then their idle cost is shared out.

What is to be done is in the table `dirty`, and leaves it in the transaction that does it, so that a crash at any point
leaves no more than work to be done.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, and_, delete, func, select, tuple_

from farthing.ledger.entry import Entry, IdleRule, device_subject, entry_of, share_idle
from farthing.ledger.interval import DAY
from farthing.ledger.price import Prices, UnpricedError
from farthing.ledger.rate import rate
from farthing.store.books import Writer
from farthing.store.meters import IDLE, epochs, known_of, mark, mark_cluster, settled_day
from farthing.store.schema import daily, dirty, idle_rules, progress, settled, supplies
from farthing.store.upsert import put

CHUNK: Final = 500
"""Devices that are rated in one transaction."""

Place = tuple[str, int, str]
"""A cluster, a day and a device: how far a walk through what is dirty has come."""

START: Final[Place] = ("", -1, "")


@dataclass(frozen=True, slots=True)
class Settled:
    """`rated` days of devices were looked at, `corrected` of them had been written otherwise before.

    `unpriced` are sentences about devices that wait for a price.
    """

    rated: int = 0
    corrected: int = 0
    unpriced: tuple[str, ...] = ()

    def __add__(self, other: "Settled") -> "Settled":
        unpriced = tuple(sorted({*self.unpriced, *other.unpriced}))
        return Settled(self.rated + other.rated, self.corrected + other.corrected, unpriced)


def mark_ended_days(connection: Connection) -> None:
    """Mark the days that every cluster's meter has passed since the last time."""
    for cluster in connection.scalars(select(progress.c.cluster).distinct().order_by(progress.c.cluster)).all():
        last = epochs(connection, cluster).watermark // DAY - 1
        done = settled_day(connection, cluster)
        first = connection.scalar(select(func.min(supplies.c.start)).where(supplies.c.cluster == cluster))
        if first is None or last <= done:
            continue
        mark_cluster(connection, cluster, max(done + 1, first // DAY), last)
        put(connection, settled, [{"cluster": cluster, "day": last}])


def settle_some(connection: Connection, prices: Prices, after: Place) -> tuple[Settled, Place | None]:
    """Rate the next dirty devices of one day; what was done, and the place reached, None at the end."""
    place = tuple_(dirty.c.cluster, dirty.c.day, dirty.c.device)
    rows = connection.execute(
        select(dirty).where(dirty.c.device != IDLE, place > after).order_by(*place.clauses).limit(CHUNK)
    ).all()
    if not rows:
        return Settled(), None
    cluster, day = rows[0].cluster, rows[0].day
    devices = [row.device for row in rows if (row.cluster, row.day) == (cluster, day)]
    found, unpriced = _rate(connection, prices, cluster, day, devices)
    writer = Writer(connection)
    corrected = writer.post(found)
    writer.flush()
    done = [device for device in devices if device_subject(cluster, device, day) in found]
    connection.execute(delete(dirty).where(dirty.c.cluster == cluster, dirty.c.day == day, dirty.c.device.in_(done)))
    mark(connection, [(cluster, day, IDLE)])
    return Settled(len(done), corrected, unpriced), (cluster, day, devices[-1])


def _rate(
    connection: Connection, prices: Prices, cluster: str, day: int, devices: list[str]
) -> tuple[dict[str, Entry | None], tuple[str, ...]]:
    start, end = day * DAY, (day + 1) * DAY
    found: dict[str, Entry | None] = {}
    unpriced = set()
    for device, known in known_of(connection, cluster, devices, start, end):
        try:
            rated = rate(start, end, known.supplies, known.intervals, prices)
        except UnpricedError as error:
            unpriced.add(str(error))
            continue
        found[device_subject(cluster, device, day)] = entry_of(rated) if rated else None
    return found, tuple(sorted(unpriced))


def settle_idle(connection: Connection) -> None:
    """Share out the idle cost of the days on which it changed, by the rule that holds on each."""
    rules = _rules(connection)
    days = connection.execute(select(dirty).where(dirty.c.device == IDLE).order_by(dirty.c.cluster, dirty.c.day)).all()
    writer = Writer(connection)
    for row in days:
        idle, used = _idle_and_used(connection, row.cluster, row.day)
        rule = next((rule for day, rule in reversed(rules) if day <= row.day), IdleRule())
        subject = f"idle/{row.cluster}/{row.day}"
        writer.post({subject: share_idle(row.cluster, row.day, idle, used, rule)})
    writer.flush()
    connection.execute(delete(dirty).where(dirty.c.device == IDLE))


def _rules(connection: Connection) -> list[tuple[int, IdleRule]]:
    rows = connection.execute(select(idle_rules).order_by(idle_rules.c.day)).all()
    return [(row.day, msgspec.json.decode(row.content, type=IdleRule)) for row in rows]


def _idle_and_used(connection: Connection, cluster: str, day: int) -> tuple[int, dict[str, int]]:
    """What a day's idle capacity cost before it was shared out, and what each team was charged for its shares."""
    query = (
        select(daily.c.kind, daily.c.team, func.sum(daily.c.amount))
        .where(and_(daily.c.day == day, daily.c.cluster == cluster))
        .group_by(daily.c.kind, daily.c.team)
    )
    idle = 0
    used: dict[str, int] = defaultdict(int)
    for kind, team, amount in connection.execute(query):
        if kind in ("idle", "idle-share"):
            idle += int(amount)
        elif kind == "share":
            used[team] += int(amount)
    return idle, dict(used)
