"""What a pod wants: the grammar of `farthing.dev/gpu` and the annotations beside it, in one place.

The same table of regular expressions is used here and printed into the admission policies, so that the API server
refuses at the door what we would refuse later. The expressions keep to what both Python and RE2 understand.

    "0.25"      a share of one device            "10Gi"      memory on one device, compute in proportion
    "2"         whole devices of one node        "1g.10gb"   a MIG profile
    "4x0.5"     four half devices of one node
"""

import re
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from farthing.model.errors import InvalidError
from farthing.model.gang import GANG, GANG_NAME, TOPOLOGY
from farthing.model.quantity import WHOLE_DEVICE, Bytes, MilliGpu, format_bytes, whole_units

GPU: Final = "farthing.dev/gpu"
GPU_MODEL: Final = "farthing.dev/gpu-model"
ISOLATION: Final = "farthing.dev/isolation"
DURATION: Final = "farthing.dev/duration"
PRIORITY: Final = "farthing.dev/priority"
MOVE: Final = "farthing.dev/move"
QOS: Final = "farthing.dev/qos"
CHECKPOINT: Final = "farthing.dev/checkpoint-signal"
LEAVE_BY: Final = "farthing.dev/leave-by"
"""What the spoke writes on a pod that it lets go: the instant. A pod may see it in a downwardAPI volume."""

TEAM: Final = "farthing.dev/team"

ANNOTATIONS: Final = (GPU, GPU_MODEL, ISOLATION, DURATION, PRIORITY, MOVE, QOS, CHECKPOINT, GANG, GANG_NAME, TOPOLOGY)
"""Every annotation of ours that a pod may carry; admission refuses others, which are typing errors."""

Isolation = Literal["shared", "soft", "hard", "partition"]
ISOLATIONS: Final[tuple[Isolation, ...]] = get_args(Isolation)
"""Weakest first. `shared` time-slices, `soft` limits compute, `hard` limits both, `partition` is MIG."""

VENDORS: Final = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
"""Vendors whose own resource name becomes an ask for whole devices, and that name."""

MOST_DEVICES: Final = 32
"""A claim holds at most 32 results; Kubernetes' own limit."""

_COUNT = "(?:[1-9]|[12][0-9]|3[0-2])"
_FRACTION = r"0\.(?:[0-9]{0,2}[1-9]|[1-9][0-9]{0,2}|0[1-9]0)"
FORMS: Final = {
    "fraction": _FRACTION,
    "whole": _COUNT,
    "many": f"{_COUNT}x{_FRACTION}",
    "memory": "(?:[1-9][0-9]{0,6}(?:Mi|Gi)|[1-9][0-9]{0,3}Ti)",
    "profile": r"[1-7]g\.[1-9][0-9]{0,2}gb(?:\+me)?",
}
AMOUNT_PATTERN: Final = "^(?:" + "|".join(FORMS.values()) + ")$"
AMOUNT_LONGEST: Final = 16
"""Characters; nothing well-formed is longer, and a look at the size is cheaper than the pattern."""
AMOUNT_EXPECTED: Final = (
    "expected a fraction of one device in thousandths (0.25), whole devices from 1 to 32 (2), several equal fractions "
    "(4x0.5), memory (10Gi) or a MIG profile (1g.10gb)"
)
AMOUNT_REFUSED: Final = f"is not an amount of GPU; {AMOUNT_EXPECTED}"

_MODEL = "[A-Za-z0-9](?:-?[A-Za-z0-9]){0,39}"
MODELS_LONGEST: Final = 150
"""Characters; a template's name, which spells the models, has room for 253."""
MODELS_PATTERN: Final = rf"^{_MODEL}(?:\|{_MODEL}){{0,7}}$"
MODELS_EXPECTED: Final = (
    f"expected up to eight model names of letters, digits and single dashes, {MODELS_LONGEST} characters in all, "
    "such as H100 or A100|H100"
)
MODELS_REFUSED: Final = f"names no models; {MODELS_EXPECTED}"

ISOLATION_EXPECTED: Final = f"expected one of {', '.join(ISOLATIONS)}"
ISOLATION_REFUSED: Final = f"is not a level of isolation; {ISOLATION_EXPECTED}"
PROFILE_ISOLATION_REFUSED: Final = "does not go with a MIG profile, which is a partition by nature"

DURATION_PATTERN: Final = "^(?:[1-9][0-9]{0,5}[smhd]){1,4}$"
DURATION_LONGEST: Final = 32
DURATION_EXPECTED: Final = "expected a length of time such as 90s, 2h or 1d12h"
DURATION_REFUSED: Final = f"is not a length of time; {DURATION_EXPECTED}"
PRIORITY_PATTERN: Final = "^(?:0|-?[1-9][0-9]{0,8})$"
PRIORITY_LONGEST: Final = 12
PRIORITY_EXPECTED: Final = "expected a whole number such as 0, 100 or -5"
PRIORITY_REFUSED: Final = f"is not a priority; {PRIORITY_EXPECTED}"

MOVES: Final = ("allowed", "never")
"""Whether a repack may restart a pod elsewhere; a pod that says nothing stays where it is."""
MOVE_EXPECTED: Final = f"expected one of {', '.join(MOVES)}"
MOVE_REFUSED: Final = f"does not say whether the pod may be moved; {MOVE_EXPECTED}"

LONGEST_NOTICE: Final = 900
"""Seconds; nobody is told longer before than this."""

Qos = Literal["guaranteed", "burstable", "spot"]
QOSES: Final[tuple[Qos, ...]] = get_args(Qos)
"""How safe a pod is from others that want its devices. `guaranteed` only runs within what its team is guaranteed;
`burstable` may also borrow, and then be preempted; `spot` runs on what nobody else wants, and goes first."""
QOS_EXPECTED: Final = f"expected one of {', '.join(QOSES)}"
QOS_REFUSED: Final = f"is not a quality of service; {QOS_EXPECTED}"
CHECKPOINT_EXPECTED: Final = "expected how long before it has to go a pod is told, such as 90s or 2m"
CHECKPOINT_REFUSED: Final = f"does not say how long before a pod is told that it has to go; {CHECKPOINT_EXPECTED}"

TEAM_PATTERN: Final = "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
TEAM_REFUSED: Final = (
    "is not the name of a team; expected lower-case letters, digits and dashes, at most 63 characters, such as vision"
)

SHOWN_LONGEST: Final = 60
"""Characters of a wrong text that a sentence shows in full; of a longer one it shows the first 50."""

TEMPLATE_PREFIX: Final = "farthing-"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a pod wants: `count` devices of one node, and a part of each.

    The part is `milli` of its compute and the same part of its memory, or `memory` with compute in proportion, or the
    MIG `profile`; exactly one of the three is set.
    `models` are lower-case names, any of which will do; empty means any. `isolation` is what the user declared.
    `vendor` is set where the ask came from a vendor's own resource name (`nvidia.com/gpu`), else empty: any.
    """

    count: int = 1
    milli: MilliGpu | None = None
    memory: Bytes | None = None
    profile: str | None = None
    models: tuple[str, ...] = ()
    isolation: Isolation = "shared"
    vendor: str = ""

    @property
    def whole(self) -> bool:
        """True when it takes devices entirely, so that nobody else can be on them."""
        return self.milli == WHOLE_DEVICE

    def amount(self) -> str:
        """The ask as the user writes it."""
        if self.profile is not None:
            return self.profile
        if self.memory is not None:
            return format_bytes(self.memory)
        if self.whole:
            return str(self.count)
        fraction = f"0.{self.milli:03d}".rstrip("0")
        return fraction if self.count == 1 else f"{self.count}x{fraction}"

    def __str__(self) -> str:
        models = f" of {' or '.join(m.upper() for m in self.models)}" if self.models else ""
        return f"{self.amount()}{models} ({self.isolation})"


def parse_ask(amount: str, models: str | None = None, isolation: str | None = None) -> Ask:
    """The ask behind the annotations' texts; InvalidError names the annotation and what was expected."""
    return replace(
        _parse_amount(amount),
        models=_parse_models(models) if models is not None else (),
        isolation=_parse_isolation(isolation, amount),
    )


def _parse_amount(text: str) -> Ask:
    form = next(
        (name for name, shape in FORMS.items() if len(text) <= AMOUNT_LONGEST and re.fullmatch(shape, text)), None
    )
    match form:
        case "fraction":
            return Ask(milli=_milli(text))
        case "whole":
            return Ask(count=int(text), milli=WHOLE_DEVICE)
        case "many":
            count, fraction = text.split("x")
            return Ask(count=int(count), milli=_milli(fraction))
        case "memory":
            return Ask(memory=Bytes(whole_units(text)))
        case "profile":
            return Ask(profile=text)
        case _:
            raise InvalidError(GPU, f"{_shown(text)} {AMOUNT_REFUSED}")


def _milli(fraction: str) -> MilliGpu:
    return MilliGpu(int(fraction.removeprefix("0.").ljust(3, "0")))


def _parse_models(text: str) -> tuple[str, ...]:
    if len(text) > MODELS_LONGEST or not re.fullmatch(MODELS_PATTERN, text):
        raise InvalidError(GPU_MODEL, f"{_shown(text)} {MODELS_REFUSED}")
    return tuple(sorted(set(text.lower().split("|"))))


def _parse_isolation(text: str | None, amount: str) -> Isolation:
    profile = re.fullmatch(FORMS["profile"], amount) is not None
    if text is None:
        return "partition" if profile else "shared"
    for level in ISOLATIONS:
        if text == level:
            if profile and level != "partition":
                raise InvalidError(ISOLATION, f"{level} {PROFILE_ISOLATION_REFUSED}")
            return level
    raise InvalidError(ISOLATION, f"{_shown(text)} {ISOLATION_REFUSED}")


def _shown(text: str) -> str:
    return repr(text) if len(text) <= SHOWN_LONGEST else f"{text[:50]!r}... ({len(text)} characters)"


def template_name(ask: Ask) -> str:
    """The name of the ResourceClaimTemplate for an ask. It spells the ask, and `ask_of_template` reads it back.

    The admission policy makes the same name from the annotations' texts, so spellings differ where texts do
    ("0.5" and "0.50"); they all read back to the same ask.
    """
    amount = ask.amount().lower().replace("+", ".plus-")
    vendor = f".{ask.vendor}" if ask.vendor else ""
    return "--".join((f"{TEMPLATE_PREFIX}{amount}-{ask.isolation}{vendor}", *ask.models))


def ask_of_template(name: str) -> Ask | None:
    """The ask that a template's name spells; None where it is not a name of ours."""
    if not name.startswith(TEMPLATE_PREFIX) or len(name) > 253:
        return None
    head, *models = name.removeprefix(TEMPLATE_PREFIX).split("--")
    amount, _, level = head.rpartition("-")
    isolation, _, vendor = level.partition(".")
    try:
        ask = parse_ask(_amount_of_name(amount), "|".join(models) if models else None, isolation)
    except InvalidError:
        return None
    return replace(ask, vendor=vendor) if vendor in ("", *VENDORS) else None


def _amount_of_name(text: str) -> str:
    text = text.replace(".plus-", "+")
    unit = text[-2:]
    return text[:-2] + unit.capitalize() if unit in ("mi", "gi", "ti") else text


_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> int:
    """A length of time in seconds; InvalidError names the annotation."""
    if len(text) > DURATION_LONGEST or not re.fullmatch(DURATION_PATTERN, text):
        raise InvalidError(DURATION, f"{_shown(text)} {DURATION_REFUSED}")
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall("([0-9]+)([smhd])", text))


def parse_priority(text: str) -> int:
    """A place in the queue, higher first; InvalidError names the annotation."""
    if len(text) > PRIORITY_LONGEST or not re.fullmatch(PRIORITY_PATTERN, text):
        raise InvalidError(PRIORITY, f"{_shown(text)} {PRIORITY_REFUSED}")
    return int(text)


def parse_qos(text: str) -> Qos:
    """How safe a pod is from others; InvalidError names the annotation."""
    for qos in QOSES:
        if text == qos:
            return qos
    raise InvalidError(QOS, f"{_shown(text)} {QOS_REFUSED}")


def parse_checkpoint(text: str) -> int:
    """How many seconds before it has to go a pod is told; InvalidError names the annotation."""
    if len(text) > DURATION_LONGEST or not re.fullmatch(DURATION_PATTERN, text):
        raise InvalidError(CHECKPOINT, f"{_shown(text)} {CHECKPOINT_REFUSED}")
    return min(LONGEST_NOTICE, parse_duration(text))


def parse_move(text: str) -> bool:
    """Whether a pod may be restarted elsewhere; InvalidError names the annotation."""
    if text not in MOVES:
        raise InvalidError(MOVE, f"{_shown(text)} {MOVE_REFUSED}")
    return text == "allowed"
