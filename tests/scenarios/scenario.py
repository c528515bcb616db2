"""Plays the scenarios of this folder: each page holds a world, what happens in it, and what is expected.

The page's YAML block says `nodes` (one mapping of models to numbers for each) or `devices` (all on one node), `teams`,
and `steps`, which happen a minute apart:

    arrive: {a: 6 x 1}                  six pods of namespace a, a-1 to a-6, which ask for one device each
    arrive: {a: [1 x 8 as big, 2 x 1]}  of several kinds, one called big; more words: priority 10, of L4, hard, team b
    end: {a: 2} or [a-1, big]           pods end: so many of the oldest that run, or these
    wait: 700                           seconds pass
    team: {a: {H100: 2}}                a team is changed, or comes
    lose: n1                            a node is lost
    expect: what runs and what waits after it

    running: {a: 6}                     so many pods of namespace a run; others: none
    runs: [a-1, big]                    these do
    waiting: {b: 2}, or {b: Queued}     so many wait, or all that wait do so for this reason
    says: {b-1: is left}                a pod is told a sentence with these words
    teams: {a: borrowed 2}              what a team has of its first class: guaranteed, used, borrowed, lends
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from farthing.decide.cycle import plan
from farthing.decide.quota import Books
from farthing.model.cluster import Key, Node, Pod
from farthing.model.plan import Hold
from farthing.model.reason import Reason
from farthing.model.team import Queueing, Quota, Team
from farthing.state.fork import KINDS
from farthing.state.world import World
from tests.builders import asking, device, node, slice_of, world
from tests.lives import Town
from tests.teams import quota, team

STEP_SECONDS = 60.0


@dataclass(frozen=True)
class Page:
    """A scenario as it is written."""

    name: str
    title: str
    source: str
    text: dict[str, Any]


def pages() -> Iterator[Page]:
    """All scenarios of this folder."""
    for path in sorted(Path(__file__).parent.glob("*.md")):
        text = path.read_text("utf-8")
        if path.stem != "index":
            yield read(path.stem, text)


def read(name: str, text: str) -> Page:
    title = text.splitlines()[0].removeprefix("# ")
    source = next((line.removeprefix("Source: ") for line in text.splitlines() if line.startswith("Source: ")), "")
    _, _, rest = text.partition("```yaml\n")
    block, _, _ = rest.partition("```")
    return Page(name, title, source, yaml.safe_load(block))


class Story:
    """A scenario being played."""

    def __init__(self, page: Page) -> None:
        text = page.text
        nodes = text.get("nodes") or [text["devices"]]
        seen = world()
        self.town = Town(World(text.get("half-life", 0.0)))
        for kind in KINDS:
            for thing in seen.all(kind):
                self._see(thing)
        for i, models in enumerate(nodes):
            self._see(node(f"n{i}", cpu=512_000, memory=4 << 40))
            kinds = [model for model, count in models.items() for _ in range(count)]
            self._see(slice_of(f"n{i}", [device(f"gpu-{k}", model=kind) for k, kind in enumerate(kinds)]))
        for name, fields in text.get("teams", {}).items():
            self._see(_team(name, fields or {}))
        self.names: Counter[str] = Counter()

    def _see(self, thing: Any) -> None:
        self.town.fork.see(thing, self.town.at)

    def play(self, steps: list[dict[str, Any]]) -> None:
        """Do each step, and let what follows from it follow."""
        deeds: dict[str, Callable[[Any], None]] = {
            "arrive": self.arrive, "end": self.end, "wait": self.wait, "team": self.team, "lose": self.lose,
            "expect": self.expect,
        }  # fmt: skip
        for step in steps:
            ((deed, what),) = step.items()
            deeds[deed](what)
            if deed != "expect":
                self.town.settle()
                self.town.at += STEP_SECONDS

    # What happens -------------------------------------------------------------------------------------------------

    def arrive(self, what: dict[str, str | list[str]]) -> None:
        for namespace, kinds in what.items():
            for kind in [kinds] if isinstance(kinds, str) else kinds:
                self._arrive(namespace, kind.split())

    def _arrive(self, namespace: str, words: list[str]) -> None:
        count, gpu, rest = int(words[0]), words[2], words[3:]
        more: dict[str, Any] = {"priority": self._priority(namespace)}
        name = ""
        while rest:
            word = rest.pop(0)
            if word in ("shared", "soft", "hard"):
                more["isolation"] = word
                continue
            value: str | int = rest.pop(0)
            if word == "as":
                name = str(value)
            elif word == "priority":
                more["priority"] = int(value)
            elif word in ("of", "team"):
                more["models" if word == "of" else "team"] = value
            else:
                raise ValueError(f"{word!r} says nothing about pods that arrive")
        for _ in range(count):
            self.names[namespace] += 1
            own = name or f"{namespace}-{self.names[namespace]}"
            self.town.submit(*asking(own, gpu, namespace, created=self.town.at, **more), settle=False)

    def _priority(self, namespace: str) -> int:
        tree = self.town.world.tree
        return tree.teams[tree.at(namespace)].priority if tree else 0

    def end(self, what: dict[str, int] | list[str]) -> None:
        pods = {pod.key.name: pod for pod in self._running()}
        if isinstance(what, dict):
            mine = {space: [p.key.name for p in self._running() if p.key.namespace == space] for space in what}
            what = [name for space, count in what.items() for name in mine[space][:count]]
        for name in what:
            self.town.gone(pods[name].key)

    def wait(self, seconds: float) -> None:
        self.town.at += seconds

    def team(self, what: dict[str, Any]) -> None:
        for name, fields in what.items():
            self._see(_team(name, fields or {}))

    def lose(self, name: str) -> None:
        for pod in [pod for pod in self._running() if pod.node == name]:
            self.town.gone(pod.key)
        self.town.fork.lose(Node, Key("", name), self.town.at)

    # What is expected ---------------------------------------------------------------------------------------------

    def expect(self, what: dict[str, Any]) -> None:
        unknown = what.keys() - {"running", "runs", "waiting", "says", "teams"}
        assert not unknown, f"the page expects {unknown}, which nobody looks at"
        running, waiting = self._running(), self._waiting()
        if "running" in what:
            assert Counter(pod.key.namespace for pod in running) == Counter(what["running"])
        if "runs" in what:
            assert {pod.key.name for pod in running} == set(what["runs"])
        for space, expected in what.get("waiting", {}).items():
            reasons = [reason for key, reason in waiting.items() if key.namespace == space]
            if isinstance(expected, int):
                assert len(reasons) == expected, f"{len(reasons)} of {space} wait"
            else:
                assert {reason.why.value for reason in reasons} == {expected}, reasons
        for name, words in what.get("says", {}).items():
            sentence = next(str(reason) for key, reason in waiting.items() if key.name == name)
            assert words in sentence
        for name, words in what.get("teams", {}).items():
            self._expect_team(name, words.split())

    def _expect_team(self, name: str, words: list[str]) -> None:
        books = Books.of(self.town.fork.snapshot(self.town.at))
        assert books is not None
        n = books.tree.at(name)
        found = {
            "guaranteed": books.tree.subtree[n][0],
            "used": books.usage[n][0],
            "borrowed": books.borrowed(n, 0),
            "lends": books.lends(n, 0),
        }
        for kind, amount in zip(words[::2], words[1::2], strict=True):
            assert found[kind] == round(float(amount) * 1000), f"{name} has {found}"

    def _running(self) -> list[Pod]:
        return sorted(
            (pod for pod in self.town.world.all(Pod) if pod.node), key=lambda pod: (pod.started or 0.0, pod.created)
        )

    def _waiting(self) -> dict[Key, Reason]:
        snapshot = self.town.fork.snapshot(self.town.at)
        asked = tuple(replace(w, pod=replace(w.pod, verdict=None)) for w in snapshot.waiting)
        decided = plan(replace(snapshot, waiting=asked))
        return {effect.pod.key: effect.reason for effect in decided if isinstance(effect, Hold)}


def _team(name: str, fields: dict[str, Any]) -> Team:
    """A team of a page: capital letters are classes, `others` the class of all the rest."""
    known: dict[str, Any] = {
        key: _quota(value) if key[0].isupper() else tuple(value) if isinstance(value, list) else value
        for key, value in fields.items()
    }
    others = _quota(known.pop("others")) if "others" in known else None
    if "queueing" in known:
        known["queueing"] = Queueing(known["queueing"])
    found = team(name, known.pop("parent", ""), **known)
    return replace(found, compute=(*found.compute, ("*", others))) if others else found


def _quota(value: Any) -> Quota:
    return quota(**value) if isinstance(value, dict) else quota(value)
