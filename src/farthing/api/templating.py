"""Manifests as YAML with comments, to be read by auditors; the words of the grammar are filled in from `model.ask`.

A template is `templates/NAME.yaml` with `$NAME` where a constant belongs. Nothing else stands between the template
and what is applied, so the comments beside a rule are the comments in the printed file.
"""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from string import Template
from typing import Any, Final, cast

import yaml

from farthing.api import names
from farthing.api.team import TREE
from farthing.model import ask, gang, keep
from farthing.model.ask import ANNOTATIONS, FORMS, ISOLATIONS, MOVES, QOSES, VENDORS

_OF_ASKS: Final = (
    "GPU", "GPU_MODEL", "ISOLATION", "DURATION", "PRIORITY", "TEAM", "TEMPLATE_PREFIX", "SHOWN_LONGEST",
    "AMOUNT_LONGEST", "AMOUNT_PATTERN", "AMOUNT_EXPECTED", "AMOUNT_REFUSED",
    "MODELS_LONGEST", "MODELS_PATTERN", "MODELS_REFUSED",
    "ISOLATION_REFUSED", "PROFILE_ISOLATION_REFUSED", "DURATION_LONGEST", "DURATION_PATTERN", "DURATION_REFUSED",
    "PRIORITY_LONGEST", "PRIORITY_PATTERN", "PRIORITY_REFUSED", "MOVE", "MOVE_REFUSED", "TEAM_PATTERN",
    "TEAM_REFUSED", "MOST_DEVICES", "QOS", "QOS_REFUSED", "CHECKPOINT", "CHECKPOINT_REFUSED", "LEAVE_BY",
)  # fmt: skip

_OF_GANGS: Final = (
    "GANG", "GANG_PATTERN", "GANG_REFUSED", "GANG_NAME", "GANG_NAME_PATTERN", "GANG_NAME_REFUSED", "TOPOLOGY",
    "TOPOLOGY_LONGEST", "TOPOLOGY_PATTERN", "TOPOLOGY_REFUSED",
)  # fmt: skip


_PROFILE_PATTERN: Final = f"^{FORMS['profile']}$"
_AMOUNT, _MODELS, _ISOLATION = (
    f"object.metadata.?annotations[?'{key}']" for key in (ask.GPU, ask.GPU_MODEL, ask.ISOLATION)
)
_TEMPLATE_NAME: Final = (
    f"'{ask.TEMPLATE_PREFIX}' + {_AMOUNT}.orValue('').lowerAscii().replace('+', '.plus-') + '-' + {_ISOLATION}.orValue("
    f"{_AMOUNT}.orValue('').matches(r'{_PROFILE_PATTERN}') ? 'partition' : 'shared')"
    f" + {_MODELS}.optMap(models, '--' + models.lowerAscii().replace('|', '--')).orValue('')"
)
"""The name of the template that a pod's ask spells, as CEL. For "4x0.5" of "H100|A100", hard, it is
farthing-4x0.5-hard--h100--a100."""


def cel_list(words: Iterable[str]) -> str:
    """Words as a CEL list."""
    return "[" + ", ".join(f"'{word}'" for word in words) + "]"


def _words() -> dict[str, str]:
    """What templates may name. Everything lands between single quotes of CEL, so nothing may hold one."""
    words = {name: str(getattr(ask, name)) for name in _OF_ASKS}
    words |= {name: str(getattr(keep, name)) for name in ("KEPT", "KEPT_LONGEST", "KEPT_PATTERN", "KEPT_REFUSED")}
    words |= {name: str(getattr(gang, name)) for name in _OF_GANGS}
    words |= {
        name: getattr(names, name) for name in ("NAMESPACE", "MANAGED", "GATE", "CLAIM", "DEVICE_CLASS", "REPACKER")
    }
    words |= {name: getattr(names, name) for name in ("GOVERNOR", "DIVIDER", "CONTROLLER")}
    words |= {
        "SPOKE": names.SPOKE_USER,
        "NODE": names.NODE_USER,
        "TREE": TREE,
        "DRIVER": names.OWN_DRIVER,
        "PROFILE_PATTERN": _PROFILE_PATTERN,
        "COUNT_PATTERN": f"^{FORMS['whole']}$",
        "ANNOTATIONS_LIST": ", ".join(ANNOTATIONS),
        "VENDOR_RESOURCES_LIST": " or ".join(VENDORS.values()),
        "VENDORS_LIST": ", ".join(VENDORS),
    }
    for name, word in words.items():
        if "'" in word or "\n" in word:
            raise ValueError(f"{name} holds a quote or a line break, which would end the CEL text it stands in: {word}")
    return words | {
        "TEMPLATE_NAME": _TEMPLATE_NAME,
        "ANNOTATIONS": cel_list(ANNOTATIONS),
        "ISOLATIONS": cel_list(ISOLATIONS),
        "MOVES": cel_list(MOVES),
        "QOSES": cel_list(QOSES),
        "VENDOR_RESOURCES": cel_list(VENDORS.values()),
        "VENDORS": cel_list(VENDORS),
    }


def rendered(template: str, more: Mapping[str, str] | None = None) -> str:
    """The text of a template with every name filled in; KeyError where it names something unknown."""
    text = (files("farthing.api") / "templates" / f"{template}.yaml").read_text(encoding="utf-8")
    return Template(text).substitute({**_words(), **(more or {})})


def objects(text: str) -> list[dict[str, Any]]:
    """The objects in a YAML text."""
    return cast("list[dict[str, Any]]", list(yaml.safe_load_all(text)))
