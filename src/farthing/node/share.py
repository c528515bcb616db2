"""What a claim was given on this node, read from its allocation. Bad input ends here.

The claim comes from the API server, but its configuration was written by whoever wrote the claim: everything is
checked, and nothing of it becomes a path or a command.
"""

import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from farthing.kube.share import API_VERSION, KIND, is_share
from farthing.model.ask import Isolation
from farthing.model.errors import InvalidError
from farthing.model.quantity import whole_units

_UID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_OBJECT: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_REQUEST: Final = re.compile(f"{_LABEL}(?:/{_LABEL})?")
_DEVICE: Final = re.compile(_LABEL)
_SHARE_ID: Final = re.compile(f"(?:{_LABEL})?")

MOST_RESULTS: Final = 32
MOST_CONFIGS: Final = 64
"""What Kubernetes allows in an allocation."""

_short: Final = reprlib.Repr()
_short.maxstring = 80
_LEVELS: Final[tuple[Isolation, ...]] = get_args(Isolation)


@dataclass(frozen=True)
class ClaimName:
    """Which claim. `uid` is safe as part of a file's name, the others as parts of a request's path."""

    namespace: str
    name: str
    uid: str

    def __post_init__(self) -> None:
        if not _UID.fullmatch(self.uid):
            raise InvalidError("claim", f"{shown(self.uid)} is not the uid of a claim")
        for part in (self.namespace, self.name):
            if not _OBJECT.fullmatch(part):
                raise InvalidError("claim", f"{shown(part)} is not the name of a claim or of its namespace")

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Share:
    """A part of one device, held by one claim. `memory` in bytes, `compute` in milli-GPU; None: the whole device's.

    `team` is whom the share belongs to: at `soft`, `hard` and `shared` a device serves one team at a time. `pods` are
    the uids of those that the claim was reserved for when it was read, `users` their names; they come and go, and the
    share is the same.
    """

    claim: ClaimName
    request: str
    device: str
    share_id: str
    level: Isolation
    team: str
    memory: int | None = None
    compute: int | None = None
    admin: bool = False
    pods: tuple[str, ...] = field(default=(), compare=False)
    users: tuple[str, ...] = field(default=(), compare=False)


def shown(value: object) -> str:
    """Somebody's value in a sentence: on one line, and short, however large or deep it is."""
    return _short.repr(value)


def shares_of(claim: dict[str, Any], driver: str, pool: str) -> tuple[Share, ...]:
    """The shares that the claim's allocation gives of this node's devices.

    Raises InvalidError where the claim is not allocated, or carries configuration for this driver that makes no sense.
    """
    name = ""
    try:
        meta = claim["metadata"]
        whose = ClaimName(meta["namespace"], meta["name"], meta["uid"])
        name = f" {whose}"
        return _shares(whose, claim, driver, pool)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        said = f"{type(error).__name__} {shown(str(error))}"
        raise InvalidError(f"claim{name}", f"is not shaped as claims are: {said}") from error


def _shares(name: ClaimName, claim: dict[str, Any], driver: str, pool: str) -> tuple[Share, ...]:
    allocation = (claim.get("status") or {}).get("allocation")
    if not allocation:
        raise InvalidError(f"claim {name}", "is not allocated")
    devices = allocation.get("devices") or {}
    results, config = devices.get("results") or [], devices.get("config") or []
    if len(results) > MOST_RESULTS or len(config) > MOST_CONFIGS:
        problem = f"was given {len(results)} devices with {len(config)} configurations"
        raise InvalidError(f"claim {name}", f"{problem}; the most are {MOST_RESULTS} and {MOST_CONFIGS}")
    mine = [r for r in results if r["driver"] == driver]
    strange = sorted({r["pool"] for r in mine} - {pool})
    if strange:
        raise InvalidError(f"claim {name}", f"was given devices of {shown(strange)}, and this is {pool}")
    reserved = [user for user in claim["status"].get("reservedFor") or [] if user["resource"] == "pods"]
    pods = sorted((_text(name, "pod", user["uid"]), _text(name, "pod", user["name"])) for user in reserved)
    terms = (_terms(name, config, driver, result) for result in mine)
    return tuple(_share(name, result, level, team, pods) for result, (level, team) in zip(mine, terms, strict=True))


def _terms(name: ClaimName, config: list[Any], driver: str, result: dict[str, Any]) -> tuple[Isolation, str]:
    """Level and team in force. The last entry counts: the planner's stands behind the claim's own."""
    level: Isolation | None = None
    team = ""
    for parameters in _parameters(config, driver, result["request"]):
        if not is_share(parameters):
            raise InvalidError(f"claim {name}", f"carries configuration that is not {API_VERSION} {KIND}")
        level = _level(name, parameters.get("isolation") or level or "shared")
        team = _text(name, "team", parameters.get("team") or team)
    if level is None:
        raise InvalidError(f"claim {name}", f"has no level of isolation in force; expected {API_VERSION} {KIND}")
    return level, team


def _parameters(config: list[Any], driver: str, request: str) -> Iterator[Any]:
    for entry in config:
        opaque = entry.get("opaque") or {}
        requests = entry.get("requests") or []
        if opaque.get("driver") == driver and (not requests or request.split("/", 1)[0] in requests):
            yield opaque.get("parameters")


def _level(name: ClaimName, value: object) -> Isolation:
    found = next((level for level in _LEVELS if level == value), None)
    if found is None:
        raise InvalidError(f"claim {name}", f"isolation {shown(value)} is not one of {', '.join(_LEVELS)}")
    return found


def _text(name: ClaimName, field: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > 253 or not value.isprintable():
        raise InvalidError(f"claim {name}", f"{field} {shown(value)} is not a name")
    return value


def _named(name: ClaimName, field: str, shape: re.Pattern[str], value: object) -> str:
    """A name as Kubernetes allows them: it goes into CDI's names and into what a container is told."""
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise InvalidError(f"claim {name}", f"{field} {shown(value)} is not a name")
    return value


def _amount(name: ClaimName, consumed: dict[str, Any], of: str) -> int | None:
    """What is taken of a capacity. Less than nothing would make room for others where there is none."""
    if of not in consumed:
        return None
    value = consumed[of]
    amount = whole_units(str(value)) if isinstance(value, str | int) else -1
    if amount < 0:
        raise InvalidError(f"claim {name}", f"{of} {shown(value)} is not an amount")
    return amount


def _share(name: ClaimName, result: dict[str, Any], level: Isolation, team: str, pods: list[tuple[str, str]]) -> Share:
    consumed = result.get("consumedCapacity") or {}
    return Share(
        claim=name,
        request=_named(name, "request", _REQUEST, result["request"]),
        device=_named(name, "device", _DEVICE, result["device"]),
        share_id=_named(name, "shareID", _SHARE_ID, result.get("shareID") or ""),
        level=level,
        team=team,
        memory=_amount(name, consumed, "memory"),
        compute=_amount(name, consumed, "compute"),
        admin=result.get("adminAccess") is True,
        pods=tuple(uid for uid, _ in pods),
        users=tuple(called for _, called in pods),
    )
