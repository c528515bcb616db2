"""What was there and what was used: supplies of devices, intervals of shares, and the batches they come in.

Times are whole seconds since 1970, rounded down everywhere, so that what did not overlap does not overlap here.
An interval is one thing however often it is reported: its identity is cluster, device, start, claim and share, and the
report of the latest batch counts. An `end` of None means: still so at the batch's watermark.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

from farthing.model.errors import InvalidError
from farthing.model.quantity import LARGEST

Use = Literal["share", "reserved", "stranded"]
"""Why capacity is not idle: somebody holds it, somebody reserved it and holds nothing there, or nobody can use it."""

USES: Final[tuple[Use, ...]] = get_args(Use)

DAY: Final = 86_400
"""Seconds; the books are kept by days of UTC, and those never have another length."""

LONGEST_TEXT: Final = 253
"""Bytes of a name, Kubernetes' own limit; of a device or an owner, which are several names, twice as many."""

MOST_OWNERS: Final = 16
MOST_TAGS: Final = 50
MOST_RECORDS: Final = 100_000
LATEST: Final = 253_402_300_800
"""The end of the year 9999; an instant beyond it is in another unit."""


class IntervalId(NamedTuple):
    """What makes an interval the same interval. `claim` is the claim's uid."""

    cluster: str
    device: str
    start: int
    claim: str
    share: str


@dataclass(frozen=True, slots=True)
class Interval:
    """Somebody had part of a device for some time: `compute` in the device's own unit, `memory` in bytes.

    `device` is driver/pool/name. `owners` are Kind/name from the nearest controller of the pod up to the root, as far
    as they are known. `isolation` is the level in force, empty where another than Farthing gave the share. `tags` are
    labels of the pod, by name.
    """

    cluster: str
    device: str
    claim: str
    share: str
    start: int
    end: int | None
    team: str
    namespace: str
    node: str
    model: str
    compute: int
    memory: int
    isolation: str = ""
    pod: str = ""
    owners: tuple[str, ...] = ()
    use: Use = "share"
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> IntervalId:
        return IntervalId(self.cluster, self.device, self.start, self.claim, self.share)

    @property
    def workload(self) -> str:
        """What is billed as one thing: the root owner, else the pod itself."""
        return self.owners[-1] if self.owners else self.pod and f"Pod/{self.pod}"


@dataclass(frozen=True, slots=True)
class Supply:
    """A device was there: what it has in its own unit and in bytes, and what its price depends on."""

    cluster: str
    device: str
    start: int
    end: int | None
    node: str
    model: str
    compute: int
    memory: int
    commitment: str = ""
    spot: bool = False


@dataclass(frozen=True, slots=True)
class Used:
    """How much more of what a workload was granted was measured to be in use, on a `day` since 1970.

    `busy` of `granted` are thousandths of a device times seconds, `used_mib` of `granted_mib` MiB times seconds; only
    that is granted here of which use was measured. The rest counts what a server of models did.
    """

    cluster: str
    day: int
    team: str
    namespace: str
    workload: str
    busy: int = 0
    granted: int = 0
    used_mib: int = 0
    granted_mib: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    requests: int = 0


USED_NUMBERS: Final = (
    "busy",
    "granted",
    "used_mib",
    "granted_mib",
    "prompt_tokens",
    "generated_tokens",
    "requests",
)
"""The fields of Used that add up."""

LARGEST_USED: Final = 10**16
"""Of one such number in one batch: sums of a hundred batches still fit the database, and no real one is near it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a meter says at once. `watermark`: everything of this cluster up to that instant has been said.

    An `epoch` is one life of a meter, named by the instant of its start; `seq` counts its batches from 1.
    A batch that came before is no news, whatever came in between.
    """

    cluster: str
    epoch: int
    seq: int
    watermark: int
    intervals: tuple[Interval, ...] = ()
    supplies: tuple[Supply, ...] = ()
    used: tuple[Used, ...] = ()


def days(start: int, end: int) -> range:
    """The days, counted since 1970, that an interval touches."""
    return range(start // DAY, -(-end // DAY))


# Checking ---------------------------------------------------------------------------------------------------------


def check_batch(batch: Batch) -> None:
    """Refuse what no meter says; InvalidError names the field."""
    check_text("cluster", batch.cluster)
    _instant("epoch", batch.epoch)
    if batch.seq < 1:
        raise InvalidError("seq", f"{batch.seq} is not the number of a batch; expected 1 or more")
    _instant("watermark", batch.watermark)
    if len(batch.intervals) + len(batch.supplies) + len(batch.used) > MOST_RECORDS:
        raise InvalidError("intervals", f"a batch holds at most {MOST_RECORDS:,} records; send several")
    for i, interval in enumerate(batch.intervals):
        _check_interval(f"intervals[{i}]", interval, batch)
    for i, supply in enumerate(batch.supplies):
        _check_times(f"supplies[{i}]", supply, batch)
        _texts(f"supplies[{i}]", supply, ("node", "model", "commitment"), empty=True)
    for i, used in enumerate(batch.used):
        _check_used(f"used[{i}]", used, batch)
    _once("intervals", [interval.id for interval in batch.intervals])
    _once("supplies", [(supply.device, supply.start) for supply in batch.supplies])


def _check_interval(path: str, interval: Interval, batch: Batch) -> None:
    _check_times(path, interval, batch)
    if interval.use not in USES:
        raise InvalidError(f"{path}.use", f"{interval.use!r} is no use of a device; expected one of {', '.join(USES)}")
    _texts(path, interval, ("claim", "team"), empty=interval.use == "stranded")
    _texts(path, interval, ("share", "namespace", "node", "model", "isolation", "pod"), empty=True)
    if len(interval.owners) > MOST_OWNERS:
        raise InvalidError(f"{path}.owners", f"{len(interval.owners):,} owners; expected at most {MOST_OWNERS}")
    for i, owner in enumerate(interval.owners):
        check_text(f"{path}.owners[{i}]", owner, longest=2 * LONGEST_TEXT)
    if interval.tags:
        _check_tags(f"{path}.tags", interval.tags)


def _check_tags(path: str, tags: tuple[tuple[str, str], ...]) -> None:
    if len(tags) > MOST_TAGS:
        raise InvalidError(path, f"{len(tags):,} tags; expected at most {MOST_TAGS}")
    for i, (name, value) in enumerate(tags):
        check_text(f"{path}[{i}].name", name, longest=2 * LONGEST_TEXT)
        check_text(f"{path}[{i}].value", value, empty=True)
    _once(path, [name for name, _ in tags])


def _check_used(path: str, used: Used, batch: Batch) -> None:
    if used.cluster != batch.cluster:
        raise InvalidError(f"{path}.cluster", f"{used.cluster!r} in a batch of {batch.cluster!r}")
    _instant(f"{path}.day", used.day * DAY)
    check_text(f"{path}.team", used.team)
    check_text(f"{path}.namespace", used.namespace, empty=True)
    check_text(f"{path}.workload", used.workload, empty=True, longest=2 * LONGEST_TEXT)
    for name in USED_NUMBERS:
        if not 0 <= (number := getattr(used, name)) <= LARGEST_USED:
            raise InvalidError(f"{path}.{name}", f"{number} is no amount; expected 0 to {LARGEST_USED:,}")


def _check_times(path: str, found: Interval | Supply, batch: Batch) -> None:
    if found.cluster != batch.cluster:
        raise InvalidError(f"{path}.cluster", f"{found.cluster!r} in a batch of {batch.cluster!r}")
    check_text(f"{path}.device", found.device, longest=2 * LONGEST_TEXT)
    _instant(f"{path}.start", found.start)
    if found.end is not None:
        _instant(f"{path}.end", found.end)
        if found.end < found.start:
            raise InvalidError(f"{path}.end", f"{found.end} is before the start, {found.start}")
    for name in ("compute", "memory"):
        if not 0 <= (amount := getattr(found, name)) <= LARGEST:
            raise InvalidError(f"{path}.{name}", f"{amount} is no amount; expected 0 to {LARGEST}")


def _instant(path: str, at: int) -> None:
    if not 0 <= at < LATEST:
        raise InvalidError(path, f"{at} is no instant; expected whole seconds since 1970")


def _texts(path: str, found: Interval | Supply, names: Sequence[str], *, empty: bool) -> None:
    """Check fields of a record; most are right, so that paths are only spelled for those that look odd."""
    for name in names:
        text = getattr(found, name)
        if not (text or empty) or len(text) > LONGEST_TEXT or not (text.isascii() and text.isprintable()):
            check_text(f"{path}.{name}", text, empty=empty)


def check_text(path: str, text: str, *, empty: bool = False, longest: int = LONGEST_TEXT) -> None:
    """Refuse what is no name; InvalidError names the field."""
    if not text and not empty:
        raise InvalidError(path, "is empty; expected a name")
    if len(text) > longest or len(text.encode()) > longest:
        raise InvalidError(path, f"{len(text):,} characters; expected at most {longest} bytes")
    if not text.isprintable():
        raise InvalidError(path, f"{text[:60]!r} holds characters that cannot be printed")


def _once(path: str, names: Iterable[object]) -> None:
    seen = set()
    for i, name in enumerate(names):
        if name in seen:
            raise InvalidError(f"{path}[{i}]", "is there already; each thing is said once")
        seen.add(name)
