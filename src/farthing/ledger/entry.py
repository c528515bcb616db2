"""What is written into the books: entries of postings, and their reversals.

A posting moves an amount from one account (`credit`) to another (`debit`), so it cannot be out of balance; an entry
says in addition how much came out of its capacity account, and the database checks that. Nothing is ever changed: an
entry that turns out wrong is reversed by an entry of its own, and followed by a right one.

    capacity:CLUSTER -> team:TEAM, reserved:TEAM, stranded:CLUSTER, idle:CLUSTER     what devices cost
    adjustment:CLUSTER <-> team:TEAM                                                 factors for isolation
    idle:CLUSTER -> team:TEAM                                                        idle shared out
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from farthing.ledger.interval import DAY, Interval
from farthing.ledger.money import apportion
from farthing.ledger.rate import Charge, Rated

PostingKind = Literal["share", "reserved", "stranded", "idle", "adjustment", "idle-share"]
EntryKind = Literal["device", "idle"]
RuleKind = Literal["none", "quota", "use"]

OUTSIDE: Final = ("capacity", "adjustment")
"""Accounts that money comes out of, or goes back to; what the others hold is what was charged."""


class Posting(NamedTuple):
    """`amount` micro-units, never negative, from `credit` to `debit`; quantities are negative in reversals.

    Its cause is the interval that `claim`, `share` and `start` name on the entry's device, where there is one; `tags`
    are the interval's, as a JSON object, or empty.
    """

    debit: str
    credit: str
    amount: int
    kind: PostingKind
    team: str = ""
    namespace: str = ""
    workload: str = ""
    isolation: str = ""
    claim: str = ""
    share: str = ""
    start: int = 0
    seconds: int = 0
    milli_gpu_seconds: int = 0
    mib_seconds: int = 0
    tags: str = ""


class Movement(NamedTuple):
    """What a posting does to what was charged, by kind; what comes out of the `OUTSIDE` accounts is not counted."""

    kind: PostingKind
    team: str
    namespace: str
    workload: str
    isolation: str
    amount: int
    seconds: int
    milli_gpu_seconds: int
    mib_seconds: int


def movements(posting: Posting) -> tuple[Movement, ...]:
    """One posting's movements: idle that is shared out moves from idle to a team, everything else is one.

    Months have millions of postings, so this is written to be quick.
    """
    debit, _, amount, kind, team, namespace, workload, isolation, *_, seconds, milli, mib, _ = posting
    quantities = seconds, milli, mib
    if kind == "idle-share":
        back = debit.startswith("idle:")
        shared = -amount if back else amount
        moved = Movement(kind, team, namespace, workload, isolation, shared, *quantities)
        idle = Movement("idle", "", "", "", "", -shared, 0, 0, 0)
        return (idle, moved) if back else (moved, idle)
    if debit.startswith(OUTSIDE):
        amount = -amount
    return (Movement(kind, team, namespace, workload, isolation, amount, *quantities),)


@dataclass(frozen=True, slots=True)
class Entry:
    """Postings with one cause. `subject` is what they are about: of its entries the last that stands counts.

    `capacity` is what came out of the capacity account, `day` the day that it is about, counted since 1970.
    """

    kind: EntryKind
    subject: str
    cluster: str
    device: str
    model: str
    day: int
    capacity: int
    cause: str
    postings: tuple[Posting, ...]

    @property
    def digest(self) -> str:
        """Equal for entries that say the same."""
        return hashlib.blake2b(repr(self).encode(), digest_size=16).hexdigest()


def device_subject(cluster: str, device: str, day: int) -> str:
    return f"device/{cluster}/{device}/{day}"


def entry_of(rated: Rated, cause: str = "") -> Entry:
    """What is written for one device and day."""
    books = ", ".join(map(str, rated.books))
    return Entry(
        kind="device",
        subject=device_subject(rated.cluster, rated.device, rated.start // DAY),
        cluster=rated.cluster,
        device=rated.device,
        model=rated.model,
        day=rated.start // DAY,
        capacity=rated.cost,
        cause=cause or f"rated by price book {books}",
        postings=tuple(posting for charge in rated.charges for posting in _postings(rated.cluster, charge)),
    )


def charged(rated: Rated | None) -> Iterator[Movement]:
    """What would be charged by what is written for it; nothing where the device was not there."""
    postings = entry_of(rated).postings if rated else ()
    return (moved for posting in postings for moved in movements(posting))


def _postings(cluster: str, charge: Charge) -> Iterator[Posting]:
    interval = charge.interval
    if interval is None:
        if charge.amount or charge.milli_gpu_seconds:
            yield _of_nobody("idle", cluster, charge)
        return
    base = _of_interval(cluster, charge, interval)
    yield base
    if charge.adjustment:
        ends = (base.debit, f"adjustment:{cluster}")
        debit, credit = ends if charge.adjustment > 0 else reversed(ends)
        yield base._replace(
            debit=debit,
            credit=credit,
            amount=abs(charge.adjustment),
            kind="adjustment",
            seconds=0,
            milli_gpu_seconds=0,
            mib_seconds=0,
        )


def _of_nobody(kind: Literal["idle", "stranded"], cluster: str, charge: Charge) -> Posting:
    return Posting(
        debit=f"{kind}:{cluster}",
        credit=f"capacity:{cluster}",
        amount=charge.amount,
        kind=kind,
        seconds=charge.seconds,
        milli_gpu_seconds=charge.milli_gpu_seconds,
        mib_seconds=charge.mib_seconds,
    )


def _of_interval(cluster: str, charge: Charge, interval: Interval) -> Posting:
    use, team = interval.use, interval.team
    account = f"team:{team}" if use == "share" else f"reserved:{team}" if use == "reserved" else f"stranded:{cluster}"
    return Posting(  # by place, which takes half the time
        account,
        f"capacity:{cluster}",
        charge.amount,
        use,
        team,
        interval.namespace,
        interval.workload,
        interval.isolation,
        interval.claim,
        interval.share,
        interval.start,
        charge.seconds,
        charge.milli_gpu_seconds,
        charge.mib_seconds,
        _tags(interval.tags) if interval.tags else "",
    )


@lru_cache(maxsize=10_000)
def _tags(tags: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(dict(tags), separators=(",", ":")) if tags else ""


def reversal(entry: Entry, cause: str) -> Entry:
    """The entry that takes another back, posting by posting."""
    return replace(
        entry,
        capacity=-entry.capacity,
        cause=cause,
        postings=tuple(
            posting._replace(
                debit=posting.credit,
                credit=posting.debit,
                seconds=-posting.seconds,
                milli_gpu_seconds=-posting.milli_gpu_seconds,
                mib_seconds=-posting.mib_seconds,
            )
            for posting in entry.postings
        ),
    )


# Idle -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IdleRule:
    """How the cost of idle capacity is shared out among teams: not at all, by their quota, or by what they used."""

    kind: RuleKind = "none"
    quotas: tuple[tuple[str, int], ...] = ()


def share_idle(cluster: str, day: int, idle: int, used: Mapping[str, int], rule: IdleRule) -> Entry | None:
    """One day's idle cost of a cluster shared out; None where the rule or nobody's weight gives nothing to share.

    `used` is what each team was charged for shares that day.
    """
    weights = {"none": {}, "quota": dict(rule.quotas), "use": used}[rule.kind]
    teams = sorted(team for team, weight in weights.items() if weight > 0)
    if not teams or idle <= 0:
        return None
    parts = apportion(idle, [weights[team] for team in teams])
    return Entry(
        kind="idle",
        subject=f"idle/{cluster}/{day}",
        cluster=cluster,
        device="",
        model="",
        day=day,
        capacity=0,
        cause=f"idle shared out by {rule.kind}",
        postings=tuple(
            Posting(f"team:{team}", f"idle:{cluster}", part, "idle-share", team)
            for team, part in zip(teams, parts, strict=True)
            if part
        ),
    )
