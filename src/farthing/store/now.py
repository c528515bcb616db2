"""What is held at this moment, and what the next hour costs if nothing changes."""

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, select

from farthing.ledger.entry import charged
from farthing.ledger.interval import Interval, Supply
from farthing.ledger.money import HOUR
from farthing.ledger.price import Prices, UnpricedError
from farthing.ledger.rate import rate
from farthing.store.epochs import epochs
from farthing.store.meters import plain
from farthing.store.rows import interval_of, supply_of
from farthing.store.schema import intervals, supplies


@dataclass(slots=True)
class Held:
    """What one team holds of one model in one cluster. Capacity of no team has its kind in brackets: (idle).

    `cost` is micro-units an hour, `milli_gpus` counts a whole device as 1000.
    """

    cost: int = 0
    milli_gpus: int = 0
    mib: int = 0
    shares: int = 0


@dataclass(frozen=True, slots=True)
class Now:
    """One cluster: by team and model what is held; devices that have no price."""

    held: dict[tuple[str, str], Held]
    unpriced: int


def look(connection: Connection, prices: Prices, cluster: str) -> Now:
    """What is held where the meter was last heard."""
    known = epochs(connection, cluster)
    at = known.watermark
    held: dict[tuple[str, str], Held] = defaultdict(Held)
    unpriced = 0
    by_device = _open_shares(connection, cluster, known.newest)
    for device, there in _open_supplies(connection, cluster).items():
        try:
            rated = rate(at, at + HOUR, there, by_device.get(device, ()), prices)
        except UnpricedError:
            unpriced += 1
            continue
        for moved in charged(rated):
            found = held[moved.team or f"({moved.kind})", rated.model if rated else ""]
            found.cost += moved.amount
            found.milli_gpus += moved.milli_gpu_seconds // HOUR
            found.mib += moved.mib_seconds // HOUR
            found.shares += moved.kind == "share"
    return Now(dict(held), unpriced)


def _open_shares(connection: Connection, cluster: str, epoch: int) -> dict[str, list[Interval]]:
    """By device; what an earlier life of the meter left open has ended."""
    found: dict[str, list[Interval]] = defaultdict(list)
    query = select(intervals).where(
        intervals.c.end.is_(None), plain(intervals.c.cluster) == cluster, intervals.c.epoch == epoch
    )
    for row in connection.execute(query).mappings():
        found[row["device"]].append(interval_of(row, None))
    return found


def _open_supplies(connection: Connection, cluster: str) -> dict[str, list[Supply]]:
    found: dict[str, list[Supply]] = defaultdict(list)
    query = select(supplies).where(supplies.c.end.is_(None), supplies.c.cluster == cluster)
    known = epochs(connection, cluster)
    for row in connection.execute(query).mappings():
        if known.supply_end(row) is None:
            found[row["device"]].append(supply_of(row, None))
    return found
