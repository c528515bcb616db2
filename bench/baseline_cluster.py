"""Kueue's baseline shape on the real control plane: real pods, bound to simulated nodes, that run and end.

The workloads, queues and quotas are those of `bench.baseline`. As in Kueue's suite each queue makes its workloads of
one size one after the other, with the pause before each, and the next only when the API server has taken the last; all
queues together never ask it for more than AT_ONCE at the same time.
A workload is a bare pod that never restarts; KWOK lets it run for as long as it says. Who made it deletes it when it is
over, as Airflow does, and Argo where it is told to. (Of a finished pod that stays, kube-controller-manager makes the
claim once more, and deletes it again: five requests for nothing.) A pod that was evicted is made anew, as its Job would,
and has waited since it was first made.
"""

import asyncio
import os
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.baseline import BORROWING, COHORTS, NODE, NOMINAL, QUEUES, SIZES, Size
from bench.rig import AT_ONCE, Json, Rig, annotated, eventually, rig
from farthing.files.fleet import Group
from farthing.kube.connection import Connection
from farthing.kube.resources import CLAIMS, PODS, TEAMS
from farthing.local.fleet import node_with_gpus
from farthing.local.publish import publish
from farthing.model.cluster import Key
from farthing.model.errors import NotFoundError, TransientError

MODEL = "unit"
LONGEST_SECONDS = 900.0
STEP_SECONDS = 10.0
ALL = 15_000
AT_ONCE_GONE = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
LIMITS = Path(__file__).with_name("baseline_limits.md")
COLLECT = "400"
"""How far the memory of the components, but kube-apiserver, may grow between two collections, in percent of what is used."""


@dataclass(frozen=True)
class Run:
    """What came of it. Times in seconds, parts of what the cohorts have between 0 and 1, CPU in milliseconds a pod.

    `held` is what claims had allocated, `ran` what their pods ran of that time. `waited` is from when a pod was first
    asked for until it was seen bound, by size; `late` how much longer the making of all pods took than their pauses.
    """

    pods: int
    makespan: float
    held: float
    ran: float
    waited: dict[str, float]
    since_due: dict[str, float]
    late: float
    evicted: int
    cpu: dict[str, float]


async def measure(part: float = 1.0) -> Run:
    """All workloads, or a part of each queue's."""
    os.environ["GOGC"] = COLLECT
    async with rig(node_lifecycle=True) as r:
        await _set_up(r)
        book, load = Book(), Load(r.connection, part)
        async with _watching(r.connection, book, load):
            before, own = r.cpu(), sum(os.times()[:2])
            begun = time.monotonic()
            making = asyncio.create_task(load.make())
            while not (making.done() and book.is_over(load.wanted)):
                if load.errors:
                    raise load.errors[0]
                if time.monotonic() - begun > LONGEST_SECONDS:
                    raise TimeoutError(f"only {len(book.ended)} of {load.wanted} pods ended in {LONGEST_SECONDS:.0f} s")
                _progress(r, book, load, begun)
                await asyncio.sleep(0.2)
            await making
        spent = {name: seconds - before[name] for name, seconds in r.cpu().items()}
        spent["load"] = sum(os.times()[:2]) - own
        return _figures(book, load, spent)


def _figures(book: "Book", load: "Load", spent: dict[str, float]) -> Run:
    first, last = min(load.asked.values()), max(book.ended.values())
    span, capacity = last - first, COHORTS * NODE
    work = sum(size.units * size.runs / 1000 for size in load.sizes.values())
    planned = max(size.every * size.count * load.part / 1000 for size in SIZES)
    return Run(
        pods=len(load.asked),
        makespan=span,
        held=book.held_until(last) / (capacity * span),
        ran=work / (capacity * span),
        waited=_means(book, load, load.asked),
        since_due=_means(book, load, load.due),
        late=max(load.asked.values()) - first - planned,
        evicted=sum(load.again.values()),
        cpu={name: 1000 * seconds / len(load.asked) for name, seconds in spent.items()},
    )


def _means(book: "Book", load: "Load", since: dict[Key, float]) -> dict[str, float]:
    """The mean time until pods were bound, by size."""
    waits: dict[str, list[float]] = defaultdict(list)
    for key, at in since.items():
        waits[load.sizes[key].name].append(book.bound[key] - at)
    return {name: statistics.fmean(found) for name, found in waits.items()}


def _progress(r: Rig, book: "Book", load: "Load", begun: float) -> None:
    """One line now and then, for whoever watches."""
    now = time.monotonic()
    if now - book.told >= STEP_SECONDS:
        book.told = now
        cpu = ", ".join(f"{name} {seconds:.0f}" for name, seconds in r.cpu().items())
        print(
            f"{now - begun:4.0f} s: {len(load.asked)} made, {len(book.bound)} bound, {len(book.ended)} ended, "
            f"{book.holding} units held; CPU s: {cpu}",
            file=sys.stderr,
        )


# What there is ----------------------------------------------------------------------------------------------------


async def _set_up(r: Rig) -> None:
    """Nodes, priorities, teams with their namespaces, and a spoke that plans with compiled kernels."""
    group = Group(prefix="n", nodes=1, gpus=1, model=MODEL, gpu_memory="80Gi", cpu="1000", memory="4Ti")
    group = group.model_copy(update={"gpus": NODE})  # more than a fleet file may name
    manifests = [found for i in range(COHORTS) for found in node_with_gpus(f"n{i}", group)]
    for manifest in manifests:
        for room in manifest.get("status", {}).values():
            room["pods"] = "1000"
    await publish(r.connection, manifests, lambda _done, _total: None)
    for size in SIZES:
        body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": size.name}}
        await r.connection.create("/apis/scheduling.k8s.io/v1/priorityclasses", {**body, "value": size.priority})
    await r.install()
    for team in _teams():
        for namespace in team["spec"].get("namespaces", ()):
            await r.connection.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        await r.connection.create(TEAMS.path, team)

    async def ready() -> bool:
        tree = await r.connection.get("/apis/farthing.dev/v1/teamtrees/farthing")
        accounts, _ = await r.connection.list_all("/api/v1/serviceaccounts")
        housed = {one["metadata"]["namespace"] for one in accounts if one["metadata"]["name"] == "default"}
        compiled = "farthing_kernels_compiled 1.0" in await r.metrics()
        return compiled and len(tree["teams"]) == COHORTS * (QUEUES + 1) and housed >= set(_queues())

    await eventually(ready, 180)


def _queues() -> Iterator[str]:
    return (f"queue-{c}-{q}" for c in range(COHORTS) for q in range(QUEUES))


def _teams() -> Iterator[Json]:
    """A parent for each cohort, which borrows nothing outside, and its queues."""
    for c in range(COHORTS):
        yield _team(f"cohort-{c}", QUEUES * NOMINAL, 0)
        for q in range(QUEUES):
            of = {"parent": f"cohort-{c}", "namespaces": [f"queue-{c}-{q}"], "queueing": "Strict"}
            yield _team(f"queue-{c}-{q}", NOMINAL, BORROWING, **of)


def _team(name: str, amount: int, borrowing: int, **spec: object) -> Json:
    compute = [{"deviceClass": MODEL, "amount": amount, "borrowing": borrowing}]
    return {
        "apiVersion": "farthing.dev/v1",
        "kind": "Team",
        "metadata": {"name": name},
        "spec": {"compute": compute, **spec},
    }


# Who asks ---------------------------------------------------------------------------------------------------------


class Load:
    """Makes the pods. `asked` is when each was first asked for, `again` how often it had to be made anew.

    `due` is when it would have been asked for, if nothing took any time but the pauses.
    """

    def __init__(self, connection: Connection, part: float) -> None:
        self._connection = connection
        self.part = part
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._begun = time.monotonic()
        self.asked: dict[Key, float] = {}
        self.due: dict[Key, float] = {}
        self.sizes: dict[Key, Size] = {}
        self.again: Counter[Key] = Counter()
        self.wanted = COHORTS * QUEUES * sum(round(size.count * part) for size in SIZES)
        self.errors: list[BaseException] = []
        self._besides: set[asyncio.Task[object]] = set()

    async def make(self) -> None:
        await asyncio.gather(*(self._series(queue, size) for queue in _queues() for size in SIZES))

    async def _series(self, queue: str, size: Size) -> None:
        for i in range(round(size.count * self.part)):
            await asyncio.sleep(size.every / 1000)
            key = Key(queue, f"{size.name}-{i}")
            async with self._slots:
                self.asked[key], self.sizes[key] = time.monotonic(), size
                self.due[key] = self._begun + (i + 1) * size.every / 1000
                await self._create(key, key.name)

    async def _create(self, key: Key, name: str) -> None:
        size, manifest = self.sizes[key], annotated(name, str(self.sizes[key].units))
        manifest["metadata"]["annotations"]["sim.farthing.dev/run"] = f"{size.runs}ms"
        manifest["spec"] |= {"restartPolicy": "Never", "priorityClassName": size.name}
        await self._connection.create(f"/api/v1/namespaces/{key.namespace}/pods", manifest)

    def make_anew(self, key: Key) -> None:
        """The pod was evicted: make another in its place."""
        self.again[key] += 1
        self.do(self._create(key, f"{key.name}.{self.again[key]}"))

    def delete(self, namespace: str, name: str) -> None:
        """The pod is over: nobody needs it any more."""
        self.do(self._connection.delete(f"/api/v1/namespaces/{namespace}/pods/{name}", AT_ONCE_GONE))

    def do(self, work: Coroutine[None, None, object]) -> "asyncio.Task[object]":
        """Do something beside everything else; what goes wrong with it ends the measurement."""
        task = asyncio.create_task(work)
        self._besides.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[object]) -> None:
        self._besides.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, NotFoundError):
            self.errors.append(error)


# What happens -----------------------------------------------------------------------------------------------------


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _PodStatus(msgspec.Struct):
    phase: str = ""


class _Pod(msgspec.Struct):
    metadata: _Meta
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)


class _PodEvent(msgspec.Struct):
    type: str
    object: _Pod


class _Devices(msgspec.Struct):
    results: list[msgspec.Raw] = []


class _Allocation(msgspec.Struct):
    devices: _Devices = msgspec.field(default_factory=_Devices)


class _ClaimStatus(msgspec.Struct):
    allocation: _Allocation | None = None


class _Claim(msgspec.Struct):
    metadata: _Meta
    status: _ClaimStatus = msgspec.field(default_factory=_ClaimStatus)


class _ClaimEvent(msgspec.Struct):
    type: str
    object: _Claim


_decode_pod = msgspec.json.Decoder(_PodEvent).decode
_decode_claim = msgspec.json.Decoder(_ClaimEvent).decode


@dataclass
class Book:
    """When pods were seen bound (the last time) and ended, by this process's steady clock, and what claims hold."""

    bound: dict[Key, float] = field(default_factory=dict)
    ended: dict[Key, float] = field(default_factory=dict)
    holding: int = 0
    told: float = 0.0
    _lives: dict[str, bool] = field(default_factory=dict)
    _holds: dict[str, int] = field(default_factory=dict)
    _area: float = 0.0
    _since: float = 0.0

    def is_over(self, wanted: int) -> bool:
        return len(self.ended) == wanted and self.holding == 0

    def see_pod(self, event: _PodEvent, load: Load) -> None:
        """A pod that is bound has changed, or is gone."""
        meta, phase = event.object.metadata, event.object.status.phase
        key, now = Key(meta.namespace, meta.name.partition(".")[0]), time.monotonic()
        if meta.uid not in self._lives:
            self._lives[meta.uid] = True
            self.bound[key] = now
        if not self._lives[meta.uid]:
            return
        if phase == "Succeeded":
            self._lives[meta.uid] = False
            self.ended[key] = now
            load.delete(meta.namespace, meta.name)
        elif phase == "Failed" or event.type == "DELETED":
            self._lives[meta.uid] = False
            load.make_anew(key)

    def see_claim(self, event: _ClaimEvent) -> None:
        """A claim was given devices, or has them no more."""
        uid, allocation = event.object.metadata.uid, event.object.status.allocation
        has = len(allocation.devices.results) if allocation and event.type != "DELETED" else 0
        self.held_until(time.monotonic())
        self.holding += has - self._holds.pop(uid, 0)
        if has:
            self._holds[uid] = has

    def held_until(self, now: float) -> float:
        """Units held, times seconds."""
        self._area += self.holding * (now - self._since)
        self._since = now
        return self._area


@asynccontextmanager
async def _watching(connection: Connection, book: Book, load: Load) -> AsyncIterator[None]:
    """Bound pods and all claims, as the API server tells of them."""

    async def pods() -> None:
        async for line in _lines(connection, PODS.path, {"fieldSelector": "spec.nodeName!="}):
            event = _decode_pod(line)
            if event.type != "BOOKMARK":
                book.see_pod(event, load)

    async def claims() -> None:
        async for line in _lines(connection, CLAIMS.path, {}):
            event = _decode_claim(line)
            if event.type != "BOOKMARK":
                book.see_claim(event)

    tasks = [load.do(work()) for work in (pods, claims)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _lines(connection: Connection, path: str, params: dict[str, str]) -> AsyncIterator[bytes]:
    """The lines of a watch from now on; one that the server ends is resumed."""
    _, at = await connection.list_all(path)
    while True:
        try:
            async for line in connection.watch(path, at, params):
                at = _version(line)
                yield line
        except TransientError:
            continue


class _Versioned(msgspec.Struct):
    metadata: _Meta


class _Line(msgspec.Struct):
    object: _Versioned


_decode_line = msgspec.json.Decoder(_Line).decode


def _version(line: bytes) -> str:
    return _decode_line(line).object.metadata.resource_version


# For the page -----------------------------------------------------------------------------------------------------


INTRODUCTION = """The same workloads as pods, bound to simulated nodes by kube-scheduler, run and ended by KWOK; everything on the one machine, the
load too (`bench/baseline_cluster.py` says how they are made and end). Kueue's are bare records, of which no pods are made. A pod
has waited from the request that makes it until it is bound; Kueue's workload from when it is seen until it is admitted. Evicted
ones have waited until the last time. Garbage is collected at 200 % in kube-apiserver, and at 400 % in the other components."""


def lines(run: Run, kueue: dict[str, float]) -> Iterator[str]:
    """The table beside Kueue's figures, and what the pods cost."""
    yield INTRODUCTION
    yield ""
    yield f"{run.pods:,} pods: {_part(run.pods)}. Over the quarter of an hour before, so many others wanted one of the"
    yield f"{os.cpu_count()} cores: {os.getloadavg()[2]:.1f}."
    yield ""
    yield "| | Kueue, all 15,000, no pods | Farthing, real pods |"
    yield "|---|---|---|"
    yield f"| all of it, s | {kueue['makespan']:.0f} | {run.makespan:.0f} |"
    yield f"| workloads a second | {ALL / kueue['makespan']:.1f} | **{run.pods / run.makespan:.1f}** |"
    yield f"| quota in use, % | {kueue['use']:.0f} | **{100 * run.held:.0f}** |"
    for size in reversed(SIZES):
        ours = f"**{run.waited[size.name]:.1f}** ({run.since_due[size.name]:.1f})"
        yield f"| wait of the {size.name}, mean s | {kueue[size.name]:.1f} | {ours} |"
    yield f"| evictions | {kueue['evicted']:.0f} | {run.evicted} |"
    yield ""
    together = sum(run.cpu.values())
    yield f"Making the pods took {run.late:.0f} s longer than their pauses; in brackets is the wait since they were due by these. Of the"
    yield f"devices' time {100 * run.ran:.0f} % was spent running; the rest of what was held are the steps from the allocation to the start"
    yield "and from the end to the release."
    yield ""
    yield "Milliseconds of CPU a pod, from its creation to its deletion, by component:"
    yield ""
    yield f"| {' | '.join(run.cpu)} | together |"
    yield f"|{'---|' * (len(run.cpu) + 1)}"
    yield f"| {' | '.join(f'{ms:.1f}' for ms in run.cpu.values())} | **{together:.1f}** |"
    yield ""
    goal = ALL / kueue["makespan"]
    yield f"So two cores that did nothing else could do {2000 / together:.0f} pods a second at best. The goal was Kueue's {goal:.1f} workloads a"
    yield f"second, {2000 / goal:.0f} ms each: it was {'reached' if run.pods / run.makespan >= goal else '**not reached**'}."
    yield ""
    yield from LIMITS.read_text(encoding="utf-8").splitlines()


def _part(pods: int) -> str:
    """How many of all workloads that is, in words."""
    return (
        "all of them"
        if pods == ALL
        else f"{100 * pods / ALL:.0f} % of those of each queue, with the same pauses, so that fewer wait"
    )
