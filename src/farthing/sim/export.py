"""A cluster's state in a file: all that decisions look at, as JSON, to be looked at elsewhere and later.

Names, sizes, labels of nodes, claims and pods are in it; environments, images, commands and secrets are not. It is
read strictly: what is missing, unknown, of another type, beyond all machines or there twice is an error that names its
place.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

import msgspec

from farthing.model.cluster import (
    Claim,
    DeviceClass,
    DriverProfile,
    Namespace,
    Node,
    Pod,
    Slice,
    TaintRule,
    Template,
)
from farthing.model.errors import InvalidError
from farthing.model.plan import Seen
from farthing.model.quantity import LARGEST
from farthing.model.team import Team
from farthing.model.thing import Thing
from farthing.state.world import World

FORMAT: Final = "farthing.dev/export"
VERSION: Final = 1


@dataclass(frozen=True)
class Export:
    """One cluster at the instant `at` (seconds since 1970)."""

    format: str
    version: int
    at: float
    profiles: tuple[DriverProfile, ...]
    classes: tuple[DeviceClass, ...]
    rules: tuple[TaintRule, ...]
    namespaces: tuple[Namespace, ...]
    nodes: tuple[Node, ...]
    slices: tuple[Slice, ...]
    templates: tuple[Template, ...]
    claims: tuple[Claim, ...]
    pods: tuple[Pod, ...]
    teams: tuple[Team, ...] = ()


_KINDS: Final[dict[str, type[Thing]]] = {
    "profiles": DriverProfile,
    "classes": DeviceClass,
    "rules": TaintRule,
    "namespaces": Namespace,
    "nodes": Node,
    "slices": Slice,
    "templates": Template,
    "claims": Claim,
    "pods": Pod,
    "teams": Team,
}


def write(world: World, at: float) -> bytes:
    """The file of a world, in order of names: the same world gives the same file."""
    things = {name: tuple(sorted(world.all(kind), key=lambda t: t.key)) for name, kind in _KINDS.items()}
    return msgspec.json.format(msgspec.json.encode(Export(FORMAT, VERSION, at, **things)), indent=1) + b"\n"  # type: ignore[arg-type]


def read(content: bytes, where: str) -> tuple[World, float]:
    """The world in a file, and the instant that it is of; InvalidError names the file and the line or field."""
    raw = _parse(content, where)
    _of_ours(raw, where)
    try:
        export = msgspec.convert(raw, Export)
    except msgspec.ValidationError as error:
        raise _named(where, str(error)) from error
    _known(raw, msgspec.to_builtins(export), where, "")
    world = World()
    for name in _KINDS:
        things: tuple[Thing, ...] = getattr(export, name)
        _once(things, where, name)
        for thing in things:
            world.fold(Seen(thing), export.at)
    return world, export.at


def _parse(content: bytes, where: str) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        said = str(error)
        _, _, number = said.rpartition("(byte ")
        position = int(number.rstrip(")")) if number.rstrip(")").isdecimal() else len(content)
        line = content.count(b"\n", 0, position) + 1
        raise InvalidError(
            f"{where}:{line}", f"{said.partition(' (byte')[0]}; expected a file of `farthing export`"
        ) from error


def _of_ours(raw: Any, where: str) -> None:
    """Whether the file says that it is one of ours, and of a version that can be read."""
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise InvalidError(where, f'is no file of `farthing export`; expected an object with "format": "{FORMAT}"')
    if raw.get("version") != VERSION:
        raise InvalidError(f"{where}: version", f"{raw.get('version')!r} cannot be read; expected {VERSION}")


def _named(where: str, said: str) -> InvalidError:
    """The sentence of msgspec with the field in front: "Expected `int`, got `str` - at `$.nodes[0].cpu`"."""
    message, _, path = said.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    sentence = message.replace("`", "")
    return InvalidError(f"{where}: {field}" if field else where, sentence[:1].lower() + sentence[1:])


def _known(raw: Any, read_: Any, where: str, path: str) -> None:
    """Every field that the file has was read, and no number is beyond all machines."""
    if isinstance(raw, dict):
        for name, value in raw.items():
            here = f"{path}.{name}" if path else name
            if name not in read_:
                raise InvalidError(f"{where}: {here}", f"is unknown; expected one of {', '.join(sorted(read_))}")
            _known(value, read_[name], where, here)
    elif isinstance(raw, list):
        for i, (value, also) in enumerate(zip(raw, read_, strict=True)):
            _known(value, also, where, f"{path}[{i}]")
    elif isinstance(raw, int) and abs(raw) > LARGEST:
        raise InvalidError(f"{where}: {path}", f"{raw} is beyond what any machine has; the limit is {LARGEST}")


def _once(things: Iterable[Thing], where: str, name: str) -> None:
    seen: dict[object, int] = {}
    for i, thing in enumerate(things):
        if thing.key in seen:
            raise InvalidError(f"{where}: {name}[{i}]", f"{thing.key} is there already, as {name}[{seen[thing.key]}]")
        seen[thing.key] = i


def field_names() -> tuple[str, ...]:
    """The file's fields, for its page."""
    return tuple(field.name for field in fields(Export))
