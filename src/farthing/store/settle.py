"""Settling: days that have ended, and days that changed, are rated; then their idle cost is shared out.

What is to be done is in the table `dirty`, and leaves it in the transaction that does it, so that a crash at any point
leaves no more than work to be done. Days of archived months wait: what they were rated by has left.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, and_, delete, func, select, tuple_

from farthing.ledger.entry import Entry, IdleRule, device_subject, entry_of, share_idle
from farthing.ledger.interval import DAY
from farthing.ledger.period import last_day
from farthing.ledger.price import Prices, UnpricedError
from farthing.ledger.rate_many import Device, rate_many
from farthing.store.archived import archived_months, last_archived_day
from farthing.store.books import Writer
from farthing.store.epochs import epochs
from farthing.store.meters import IDLE, known_of, mark, mark_cluster, settled_day
from farthing.store.schema import daily, dirty, idle_rules, progress, settled, supplies
from farthing.store.upsert import put

CHUNK: Final = 500
"""Devices that are rated in one transaction."""

DAYS_AT_ONCE: Final = 4
"""Days of them, where several wait."""

Place = tuple[str, int, str]
"""A cluster, a day and a device: how far a walk through what is dirty has come."""

START: Final[Place] = ("", -1, "")


@dataclass(frozen=True, slots=True)
class Settled:
    """`rated` days of devices were looked at, `corrected` of them had been written otherwise before.

    `waiting` are sentences about devices that wait for a price, and days that wait for their archived month.
    """

    rated: int = 0
    corrected: int = 0
    waiting: tuple[str, ...] = ()

    def __add__(self, other: "Settled") -> "Settled":
        waiting = tuple(sorted({*self.waiting, *other.waiting}))
        return Settled(self.rated + other.rated, self.corrected + other.corrected, waiting)


def mark_ended_days(connection: Connection) -> None:
    """Mark the days that every cluster's meter has passed since the last time, of a retired one all of them."""
    for cluster in connection.scalars(select(progress.c.cluster).distinct().order_by(progress.c.cluster)).all():
        last = epochs(connection, cluster).last_ended_day
        done = settled_day(connection, cluster)
        if last <= done:
            continue
        first = connection.scalar(select(func.min(supplies.c.start)).where(supplies.c.cluster == cluster))
        if first is not None:
            mark_cluster(connection, cluster, max(done + 1, first // DAY), last)
        put(connection, settled, [{"cluster": cluster, "day": last}])


def settle_some(connection: Connection, prices: Prices, after: Place) -> tuple[Settled, Place | None]:
    """Rate the next dirty devices, on one day or a few; what was done, and the place reached, None at the end."""
    place = tuple_(dirty.c.cluster, dirty.c.day, dirty.c.device)
    here = and_(dirty.c.device != IDLE, dirty.c.day > last_archived_day(connection), place > after)
    rows = connection.execute(select(dirty).where(here).order_by(*place.clauses).limit(CHUNK)).all()
    if not rows:
        return Settled(), None
    cluster, first = rows[0].cluster, rows[0].day
    devices = [row.device for row in rows if (row.cluster, row.day) == (cluster, first)]
    days = _days(connection, cluster, first, devices)
    done = Settled()
    writer = Writer(connection)
    for day, found, unpriced in _rate(connection, prices, cluster, days):
        corrected = writer.post({device_subject(cluster, device, day): entry for device, entry in found.items()})
        gone = and_(dirty.c.cluster == cluster, dirty.c.day == day, dirty.c.device.in_(list(found)))
        connection.execute(delete(dirty).where(gone))
        done += Settled(len(found), corrected, unpriced)
    writer.flush()
    mark(connection, [(cluster, day, IDLE) for day in days])
    return done, (cluster, first, devices[-1])


def _days(connection: Connection, cluster: str, first: int, devices: list[str]) -> dict[int, list[str]]:
    """The dirty days of some devices, a few from `first` on: what is known of a device is read once for all of them."""
    here = and_(dirty.c.cluster == cluster, dirty.c.day >= first, dirty.c.day < first + DAYS_AT_ONCE)
    days: dict[int, list[str]] = {}
    for row in connection.execute(select(dirty.c.day, dirty.c.device).where(here, dirty.c.device.in_(devices))):
        days.setdefault(row.day, []).append(row.device)
    return {day: sorted(days[day]) for day in sorted(days)}


def _rate(
    connection: Connection, prices: Prices, cluster: str, days: dict[int, list[str]]
) -> Iterator[tuple[int, dict[str, Entry | None], tuple[str, ...]]]:
    """For each day the entries of its devices, and what is said of those that have no price."""
    devices = sorted({device for some in days.values() for device in some})
    known = dict(known_of(connection, cluster, devices, min(days) * DAY, (max(days) + 1) * DAY))
    for day, some in days.items():
        asked = [Device(device, known[device].supplies, known[device].intervals) for device in some]
        found: dict[str, Entry | None] = {}
        unpriced = set()
        for device, rated in zip(some, rate_many(day * DAY, (day + 1) * DAY, asked, prices), strict=True):
            if isinstance(rated, UnpricedError):
                unpriced.add(str(rated))
            else:
                found[device] = entry_of(rated) if rated else None
        yield day, found, tuple(sorted(unpriced))


def settle_idle(connection: Connection) -> None:
    """Share out the idle cost of the days on which it changed, by the rule that holds on each."""
    rules = _rules(connection)
    here = and_(dirty.c.device == IDLE, dirty.c.day > last_archived_day(connection))
    days = connection.execute(select(dirty).where(here).order_by(dirty.c.cluster, dirty.c.day)).all()
    writer = Writer(connection)
    for row in days:
        idle, used = _idle_and_used(connection, row.cluster, row.day)
        rule = next((rule for day, rule in reversed(rules) if day <= row.day), IdleRule())
        subject = f"idle/{row.cluster}/{row.day}"
        writer.post({subject: share_idle(row.cluster, row.day, idle, used, rule)})
    writer.flush()
    connection.execute(delete(dirty).where(here))


def waiting_for_archives(connection: Connection) -> tuple[str, ...]:
    """Sentences about days that changed after their month was archived."""
    here = and_(dirty.c.device != IDLE, dirty.c.day <= last_archived_day(connection))
    count, first = connection.execute(select(func.count(), func.min(dirty.c.day)).where(here)).one()
    if not count:
        return ()
    back = [one.period for one in archived_months(connection) if last_day(one.period) >= first]
    months = ", ".join(reversed(back))
    what = f"{count:,} days of devices changed after their months were archived"
    return (f"{what}; restore {months} (`farthing ledger restore`), settle, and archive again",)


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
