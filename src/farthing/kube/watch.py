"""Following one kind: a list, then its changes, for ever.

The reading task only puts raw lines into the inbox; whoever reads the inbox decodes. A watch that ends is resumed from
the last version; when that version is no longer kept (410), everything is listed anew and the difference is news.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec
import structlog

from farthing.kube.connection import Connection
from farthing.kube.reading import reader
from farthing.kube.resources import Resource
from farthing.model.cluster import Key
from farthing.model.errors import ExpiredError, FarthingError, InvalidError, NotFoundError, TransientError
from farthing.model.plan import Gone, Listed, Observation, Seen
from farthing.model.thing import Thing

_log = structlog.get_logger(__name__)

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 15.0


class EventMeta(msgspec.Struct, rename="camel", gc=False):
    """What an object is called, and its version."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = "0"


class _EventObject(msgspec.Struct, gc=False):
    metadata: EventMeta = msgspec.field(default_factory=EventMeta)
    code: int = 0
    message: str = ""


class Event(msgspec.Struct, gc=False):
    """One line of a watch, its object not decoded yet."""

    type: str
    object: msgspec.Raw


class RawList(msgspec.Struct):
    """A list whose items are not decoded yet."""

    items: list[msgspec.Raw] = []
    metadata: EventMeta = msgspec.field(default_factory=EventMeta)


_decode_event = reader(Event)
_decode_object = reader(_EventObject)
read_list = reader(RawList)


@dataclass
class Inbox:
    """Raw news from all watches, in the order of arrival; `waiting` is set while there is any.

    `complaint` is called with a sentence for objects that could not be read. `knows` says whether a version of an
    object is no news, such as the echo of our own write, so that it need not be decoded.
    """

    complaint: Callable[[str], None]
    knows: Callable[[type[Thing], Key, int], bool] = lambda *_: False
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    _lines: deque[tuple[Resource, bytes | tuple[list[msgspec.Raw], int]]] = field(default_factory=deque)

    def put(self, resource: Resource, line: bytes | tuple[list[msgspec.Raw], int]) -> None:
        self._lines.append((resource, line))
        self.waiting.set()

    def __len__(self) -> int:
        return len(self._lines)

    def drain(self, most: int = 2000) -> Iterator[Observation]:
        """Decode and remove up to `most` pieces of news."""
        for _ in range(min(most, len(self._lines))):
            resource, line = self._lines.popleft()
            news = self._read_event(resource, line) if isinstance(line, bytes) else self._read_list(resource, *line)
            if news is not None:
                yield news
        if not self._lines:
            self.waiting.clear()

    def _read_event(self, resource: Resource, line: bytes) -> Observation | None:
        event = _decode_event(line)
        meta = _decode_object(event.object).metadata
        key, version = Key(meta.namespace, resource.prefix + meta.name), int(meta.resource_version)
        if event.type == "DELETED":
            return Gone(resource.kind, key, version)
        if self.knows(resource.kind, key, version):
            return None
        thing = self._thing(resource, event.object)
        return None if thing is None else Seen(thing)

    def _read_list(self, resource: Resource, items: list[msgspec.Raw], version: int) -> Listed:
        things = (self._thing(resource, item) for item in items)
        return Listed(resource.kind, tuple(thing for thing in things if thing is not None), version, resource.prefix)

    def _thing(self, resource: Resource, item: msgspec.Raw) -> Thing | None:
        """The object as we know it; None where it cannot be read, which is complained of."""
        try:
            return resource.thing(item)
        except (msgspec.ValidationError, InvalidError, ValueError, RecursionError) as error:
            self.complaint(f"an object under {resource.path} cannot be read and is left out: {error}")
            return None


async def follow(connection: Connection, resource: Resource, inbox: Inbox, listed: asyncio.Event) -> None:
    """Put everything that happens to one kind into the inbox until cancelled. `listed` is set after the first list."""
    version = ""
    wait = _FIRST_WAIT
    while True:
        try:
            if not version:
                version = await list_into(connection, resource, inbox)
                listed.set()
            async for line in connection.watch(resource.path, version):
                version = _next_version(resource, line, version, inbox)
                wait = _FIRST_WAIT
        except ExpiredError:
            version = ""
            continue
        except NotFoundError as error:
            if resource.optional:
                listed.set()
            _log.log(
                logging.DEBUG if resource.optional else logging.ERROR,
                "kind is not served",
                path=resource.path,
                error=str(error),
            )
        except TransientError as error:
            _log.warning("watch interrupted", path=resource.path, error=str(error))
        except FarthingError as error:
            if resource.optional:
                listed.set()
            _log.error("watch refused", path=resource.path, error=str(error))
        await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 -- spreads reconnects, keeps no secret
        wait = min(wait * 2, _LONGEST_WAIT)


async def list_into(connection: Connection, resource: Resource, inbox: Inbox) -> str:
    """Put all objects of one kind into the inbox, as one piece of news; the version that they are of."""
    items: list[msgspec.Raw] = []
    version = "0"
    async for page in connection.pages(resource.path):
        content = read_list(page)
        items += content.items
        version = content.metadata.resource_version
    inbox.put(resource, (items, int(version)))
    return version


def read_event(line: bytes) -> tuple[Event, EventMeta]:
    """One line of a watch, and what its object is called. ExpiredError or TransientError where it ends the watch."""
    event = _decode_event(line)
    found = _decode_object(event.object)
    if event.type == "ERROR":
        if found.code == 410:
            raise ExpiredError(found.message)
        raise TransientError(found.message)
    return event, found.metadata


def _next_version(resource: Resource, line: bytes, version: str, inbox: Inbox) -> str:
    """Pass one line of a watch on; the version to resume from after it."""
    event, meta = read_event(line)
    if event.type != "BOOKMARK":
        inbox.put(resource, line)
    return meta.resource_version or version
