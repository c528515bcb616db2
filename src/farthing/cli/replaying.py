"""Submitting pods and following each until it is bound, or told why it waits."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from farthing.files.pods import TracePod
from farthing.kube.connection import Connection, Json, sleep_after
from farthing.kube.resources import PODS
from farthing.kube.watch import Inbox, follow
from farthing.model.ask import GPU, GPU_MODEL
from farthing.model.cluster import Pod
from farthing.model.errors import ExistsError, NotFoundError, PermanentError, TransientError
from farthing.model.plan import Listed, Seen
from farthing.model.quantity import WHOLE_DEVICE

LABEL: Final = "farthing.dev/replay"
"""The label of replayed pods; its value is the trace."""

AT_ONCE: Final = 32
"""Creations under way at the same time."""

QUIET_SECONDS: Final = 2.0
"""Pods that are all decided, and stay so for this long, are done: a reason may still give way to a node."""

ATTEMPTS: Final = 8
"""For each creation, where the API server is overloaded."""

REFUSED: Final = "Unschedulable"
"""kube-scheduler's own word for pods that ask for no GPU and found no node."""


def manifest(pod: TracePod, namespace: str, trace: str) -> Json:
    """The trace's pod as an ordinary Kubernetes pod that asks for what it asked for."""
    annotations = {}
    if pod.gpus:
        annotations[GPU] = amount(pod.gpus, pod.gpu_milli)
        if pod.models:
            annotations[GPU_MODEL] = "|".join(pod.models)
    requests = {"cpu": f"{pod.cpu_milli}m", "memory": f"{pod.memory_mib}Mi"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod.name,
            "namespace": namespace,
            "labels": {LABEL: trace[:63]},
            "annotations": annotations,
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [{"name": "work", "image": "farthing.dev/replay", "resources": {"requests": requests}}],
        },
    }


def amount(gpus: int, milli: int) -> str:
    """So many devices, so many thousandths of each, as an ask: 2, 0.46, 4x0.5."""
    if milli == WHOLE_DEVICE:
        return str(gpus)
    fraction = f"0.{milli:03d}".rstrip("0")
    return fraction if gpus == 1 else f"{gpus}x{fraction}"


@dataclass
class Fate:
    """What became of one pod. Instants are of a steady clock, in seconds; `created` is None where it was there."""

    created: float | None = None
    bound: bool = False
    bound_at: float | None = None
    reason: str = ""

    @property
    def decided(self) -> bool:
        return self.bound or bool(self.reason)


class Replay:
    """One run: pods go in, their fates come out. `rate` is in pods per second, 0 for no limit."""

    def __init__(self, connection: Connection, namespace: str, pods: list[Json], rate: float) -> None:
        self.fates = {pod["metadata"]["name"]: Fate() for pod in pods}
        self._connection = connection
        self._namespace = namespace
        self._pods = pods
        self._rate = rate
        self._inbox = Inbox(lambda _: None)
        self._changed = time.monotonic()

    async def run(self, seconds: float, progress: Callable[[int], None]) -> None:
        """Submit everything and follow it until it is decided, or time is up."""
        await self._prepare()
        resource = dataclasses.replace(PODS, path=f"/api/v1/namespaces/{self._namespace}/pods")
        listed = asyncio.Event()
        following = asyncio.create_task(follow(self._connection, resource, self._inbox, listed))
        try:
            async with asyncio.timeout(seconds):
                await listed.wait()
                submitting = asyncio.create_task(self._submit())
                try:
                    await self._watch(submitting, progress)
                    await submitting
                finally:
                    submitting.cancel()
        except TimeoutError:
            progress(sum(fate.decided for fate in self.fates.values()))
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def _prepare(self) -> None:
        """The namespace, and the service account without which it takes no pods."""
        with contextlib.suppress(ExistsError):
            await self._connection.create("/api/v1/namespaces", {"metadata": {"name": self._namespace}})
        for _ in range(100):
            with contextlib.suppress(NotFoundError):
                await self._connection.get(f"/api/v1/namespaces/{self._namespace}/serviceaccounts/default")
                return
            await asyncio.sleep(0.1)
        raise PermanentError(
            f"namespace {self._namespace} got no service account `default` in 10 s; is kube-controller-manager running?"
        )

    async def _submit(self) -> None:
        """Create the pods in their order, not too many at once; the first error ends it."""
        slots = asyncio.Semaphore(AT_ONCE)
        begun = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for i, pod in enumerate(self._pods):
                    if self._rate:
                        await asyncio.sleep(max(0.0, begun + i / self._rate - time.monotonic()))
                    await slots.acquire()
                    group.create_task(self._create(pod)).add_done_callback(lambda _: slots.release())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _create(self, pod: Json) -> None:
        fate = self.fates[pod["metadata"]["name"]]
        for attempt in range(ATTEMPTS):
            try:
                await self._connection.create(f"/api/v1/namespaces/{self._namespace}/pods", pod)
            except ExistsError:
                return
            except TransientError as error:
                if attempt == ATTEMPTS - 1:
                    raise
                await sleep_after(error, 0.2 * 2**attempt)
            else:
                fate.created = time.monotonic()
                return

    async def _watch(self, submitting: asyncio.Task[None], progress: Callable[[int], None]) -> None:
        """Note what happens to the pods until all are decided and nothing changes any more."""
        self._changed = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await self._inbox.waiting.wait()
            for pod in self._news():
                self._note(pod)
            decided = sum(fate.decided for fate in self.fates.values())
            progress(decided)
            if submitting.done():
                submitting.result()
                if decided == len(self.fates) and time.monotonic() - self._changed >= QUIET_SECONDS:
                    return

    def _news(self) -> Iterator[Pod]:
        for news in self._inbox.drain():
            if isinstance(news, Seen) and isinstance(news.thing, Pod):
                yield news.thing
            elif isinstance(news, Listed):
                yield from (thing for thing in news.things if isinstance(thing, Pod))

    def _note(self, pod: Pod) -> None:
        fate = self.fates.get(pod.key.name)
        if fate is None or fate.bound:
            return
        before = dataclasses.replace(fate)
        if pod.node:
            fate.bound, fate.bound_at, fate.reason = True, time.monotonic(), ""
        elif pod.verdict and not pod.placed:
            fate.reason = pod.verdict.why.value
        else:
            fate.reason = REFUSED if pod.refusal and not pod.claims else ""
        if fate != before:
            self._changed = time.monotonic()
