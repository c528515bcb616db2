"""Carrying out effects: each becomes one or a few requests, and the API server's answers become observations.

A grant whose answer got lost is asked for again until there is a definitive one, since until then nobody can say
whether the devices are taken. The request names the version that it was decided on, so asking twice cannot grant twice.
Everything else may fail and be decided anew.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from farthing.kube.connection import Connection, Json, PatchKind, sleep_after
from farthing.kube.convert import PLACED_CONDITION
from farthing.kube.resources import CLAIMS, PODS, claim_path, eviction, pod_path, slice_path, templates_path
from farthing.kube.share import config_entry, share_in_force, share_of_ask
from farthing.model.ask import LEAVE_BY, Ask, ask_of_template
from farthing.model.cluster import DEVICE_CLASS, GATE, Allocation, Claim, Key, Pod, Result
from farthing.model.errors import ConflictError, ExistsError, NotFoundError, PermanentError, TransientError
from farthing.model.keep import stamp
from farthing.model.plan import (
    DropSlice,
    Effect,
    Gone,
    Grant,
    Hold,
    MakeTemplate,
    Observation,
    Place,
    Preempt,
    Release,
    Seen,
    Stop,
    Ungate,
)
from farthing.model.reason import Reason

REQUEST_NAME = "gpu"


class Applier:
    """Writes effects through one connection.

    `now` gives the time for conditions, as Kubernetes writes it. `may_write` is asked before every write whether it is
    still us who decide; no write may take more than `seconds`. `timer` is told how long each call took.
    """

    def __init__(
        self,
        connection: Connection,
        now: Callable[[], str],
        may_write: Callable[[], bool],
        seconds: float,
        timer: Callable[[str, float], None],
    ) -> None:
        self._connection = connection
        self._now = now
        self._may_write = may_write
        self._seconds = seconds
        self._timer = timer

    async def apply(self, effect: Effect) -> tuple[Observation, ...]:
        """Carry out one effect; what the cluster looks like after it, as far as the answers tell."""
        match effect:
            case Place():
                return await self._place(effect)
            case Hold(pod=pod, reason=reason):
                return (await self._mark(pod, reason, placed=False),)
            case Ungate(pod=pod):
                return (await self._ungate(pod),)
            case Preempt():
                return await self._preempt(effect)
            case Release(claim=claim):
                return await self._write_claim(claim, _released(claim))
            case MakeTemplate(key=key):
                await self._make_template(key)
            case Stop(pod=pod):
                await self._send("stop", "POST", pod_path(pod.key, "/eviction"), eviction(pod))
            case DropSlice(slice=stale):
                await self._send("drop slice", "DELETE", slice_path(stale.name))
        return ()

    async def _place(self, effect: Place) -> tuple[Observation, ...]:
        """Grants and the node first, all at once; only when they stand may kube-scheduler look at the pod."""
        pod = effect.pod
        writes = [self._grant(grant, pod) for grant in effect.grants]
        *granted, marked = await _all(*writes, self._mark_placed(effect))
        news = [item for answer in granted for item in answer]
        if not all(_holds(grant, news) for grant in effect.grants):
            return (*news, marked)
        return (*news, await self._ungate(pod)) if pod.gated else (*news, marked)

    async def _preempt(self, effect: Preempt) -> tuple[Observation, ...]:
        """Let a pod go, and tell it why; where it wants notice, only tell it by when.

        Its PodDisruptionBudget may forbid that, which is seen before anything is said. A pod that ends at once is told
        by the event alone.
        """
        pod = effect.pod
        path, body = pod_path(pod.key, "/eviction"), eviction(pod)
        if effect.leave_by is None:
            await self._send("evict pod", "POST", path, body)
            with contextlib.suppress(NotFoundError):
                return (await self._mark(pod, effect.reason, placed=False),)
            return ()
        await self._send("evict pod", "POST", path, {**body, "deleteOptions": {**body["deleteOptions"], **_DRY}})
        said = {"metadata": {"uid": pod.uid, "annotations": {LEAVE_BY: stamp(effect.leave_by)}}}
        await self._patch_pod("tell pod", pod, "", said, "merge-patch")
        return (await self._mark(pod, effect.reason, placed=False),)

    async def _mark_placed(self, effect: Place) -> Observation:
        return await self._mark(effect.pod, effect.reason, placed=True, node="" if effect.pod.node else effect.node)

    async def _grant(self, grant: Grant, pod: Pod) -> tuple[Observation, ...]:
        return await self._write_claim(grant.claim, _granted(grant, pod, self._now()))

    async def _write_claim(self, claim: Claim, body: Json) -> tuple[Observation, ...]:
        """Write a claim's status; where it changed meanwhile, what it has become."""
        path = claim_path(claim.key)
        wait = 0.1
        while True:
            try:
                answer = await self._send("write claim", "PUT", f"{path}/status", body)
                return (Seen(CLAIMS.thing(answer)),)
            except TransientError as error:
                await sleep_after(error, wait)
                wait = min(wait * 2, 5.0)
            except ConflictError:
                return (await self._read_claim(claim),)
            except NotFoundError:
                return (Gone(Claim, claim.key, claim.version),)

    async def _read_claim(self, claim: Claim) -> Observation:
        while True:
            try:
                return Seen(CLAIMS.thing(await self._connection.request("GET", claim_path(claim.key))))
            except TransientError as error:
                await sleep_after(error, 0.5)
            except NotFoundError:
                return Gone(Claim, claim.key, claim.version)

    async def _mark(self, pod: Pod, reason: Reason, *, placed: bool, node: str = "") -> Observation:
        """Write the verdict on the pod, with the node for kube-scheduler where there is one."""
        condition = {
            "type": PLACED_CONDITION,
            "status": "True" if placed else "False",
            "reason": reason.why.value,
            "message": reason.sentence[:1000],
            "lastTransitionTime": self._now(),
        }
        status: Json = {"conditions": [condition]}
        if node:
            status["nominatedNodeName"] = node
        elif not placed and pod.nominated:
            status["nominatedNodeName"] = None
        body = {"metadata": {"uid": pod.uid}, "status": status}
        return await self._patch_pod("mark pod", pod, "/status", body, "strategic-merge-patch")

    async def _ungate(self, pod: Pod) -> Observation:
        gates = [{"$patch": "delete", "name": GATE}]
        body = {"metadata": {"uid": pod.uid}, "spec": {"schedulingGates": gates}}
        return await self._patch_pod("ungate pod", pod, "", body, "strategic-merge-patch")

    async def _patch_pod(self, call: str, pod: Pod, subresource: str, body: Json, kind: PatchKind) -> Observation:
        answer = await self._send(call, "PATCH", pod_path(pod.key, subresource), body, f"application/{kind}+json")
        return Seen(PODS.thing(answer))

    async def _make_template(self, key: Key) -> None:
        ask = ask_of_template(key.name)
        if ask is None:
            raise PermanentError(f"{key.name} spells no ask, so there is nothing to make a template of")
        try:
            await self._send("make template", "POST", templates_path(key.namespace), template_manifest(key, ask))
        except ExistsError:
            return

    async def _send(
        self, call: str, method: str, path: str, body: Json | None = None, content_type: str = "application/json"
    ) -> bytes:
        if not self._may_write():
            raise PermanentError("no longer the leader; another spoke decides now")
        clock = asyncio.get_running_loop().time
        start = clock()
        try:
            return await self._connection.request(method, path, body, content_type, seconds=self._seconds)
        finally:
            self._timer(call, clock() - start)


async def _all(*writes: Any) -> list[Any]:
    """All results; where one fails, the error, but only when all have ended."""
    results = await asyncio.gather(*writes, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return list(results)


def _holds(grant: Grant, news: list[Observation]) -> bool:
    """Whether the API server's answers say that the grant stands."""
    return any(
        isinstance(item, Seen)
        and isinstance(item.thing, Claim)
        and item.thing.uid == grant.claim.uid
        and item.thing.allocation == grant.allocation
        for item in news
    )


_DRY: Json = {"dryRun": ["All"]}


# Manifests --------------------------------------------------------------------------------------------------------


def template_manifest(key: Key, ask: Ask) -> Json:
    """The ResourceClaimTemplate for an ask."""
    amounts: dict[str, str] = {}
    if ask.milli is not None and not ask.whole:
        amounts["compute"] = str(ask.milli)
    if ask.memory is not None:
        amounts["memory"] = str(ask.memory)
    exactly: Json = {"deviceClassName": DEVICE_CLASS, "count": ask.count}
    if amounts:
        exactly["capacity"] = {"requests": amounts}
    devices = {
        "requests": [{"name": REQUEST_NAME, "exactly": exactly}],
        "config": [{"requests": [REQUEST_NAME], **config_entry(share_of_ask(ask))}],
    }
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {"app.kubernetes.io/managed-by": "farthing"},
        },
        "spec": {"spec": {"devices": devices}},
    }


def _status(claim: Claim, status: Json) -> Json:
    """A claim's status as the API server takes it: everything else stays as it is there."""
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {
            "name": claim.key.name,
            "namespace": claim.key.namespace,
            "uid": claim.uid,
            "resourceVersion": str(claim.version),
        },
        "status": status,
    }


def _released(claim: Claim) -> Json:
    return _status(claim, {})


def _granted(grant: Grant, pod: Pod, at: str) -> Json:
    """The claim's status with the allocation, reserved for the pod.

    The time is not for us: without it kube-scheduler would add one when it reserves the claim for a second pod, and an
    allocation may not be changed.
    """
    allocation = grant.allocation
    selector = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [allocation.node]}]}
    written = {
        "devices": {
            "results": [_result(result) for result in allocation.results],
            "config": _config(allocation),
        },
        "nodeSelector": {"nodeSelectorTerms": [selector]},
        "allocationTimestamp": at,
    }
    user = {"resource": "pods", "name": pod.key.name, "uid": pod.uid}
    return _status(grant.claim, {"allocation": written, "reservedFor": [user]})


def _result(result: Result) -> Json:
    written: Json = {
        "request": result.request,
        "driver": result.device.driver,
        "pool": result.device.pool,
        "device": result.device.name,
    }
    if result.share_id:
        written["shareID"] = result.share_id
        written["consumedCapacity"] = {name: str(amount) for name, amount in result.consumed}
    if result.tolerations:
        written["tolerations"] = [
            {
                name: value
                for name, value in (
                    ("key", t.key),
                    ("operator", t.operator),
                    ("value", t.value),
                    ("effect", t.effect),
                    ("tolerationSeconds", t.seconds),
                )
                if value not in ("", None)
            }
            for t in result.tolerations
        ]
    return written


def _config(allocation: Allocation) -> list[Json]:
    """What the node's drivers are told: what the claim and its classes say, and the isolation and team in force."""
    names = sorted({result.request for result in allocation.results})
    in_force = {"source": "FromClaim", "requests": names, **config_entry(share_in_force(allocation))}
    return [*(json.loads(entry) for entry in allocation.config), in_force]
