"""Where a cluster to think about comes from: the live one, a file of `farthing export`, or a fleet and a trace."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import msgspec

from farthing.api.manifests import DRIVERS
from farthing.api.profiles import profile_object, profile_of
from farthing.api.templating import cel_list, objects, rendered
from farthing.cli.look import look_at
from farthing.cli.replaying import amount
from farthing.cli.tracefile import path_of
from farthing.files.pods import TracePod, read_pods
from farthing.kube.resources import CLASSES, NODES, PROFILES, SLICES
from farthing.local.fleet import load_fleet
from farthing.model.ask import parse_ask, template_name
from farthing.model.cluster import DEVICE_CLASS, Claim, Constraints, Key, Pod, PodClaim, Request
from farthing.model.errors import InvalidError, NotFoundError
from farthing.model.plan import Seen
from farthing.model.quantity import MIB
from farthing.sim import export
from farthing.state.world import World

TRACE_NAMESPACE = "trace"


@dataclass(frozen=True)
class Source:
    """A cluster at the instant `at`. `left_out` counts pods of a trace that ask for no GPU."""

    name: str
    world: World
    at: float
    left_out: int = 0


async def live(kubeconfig: Path | None, context: str) -> Source:
    """The cluster that the options mean, as it is now."""
    seen = await look_at(kubeconfig, context)
    return Source("the cluster", seen.world, seen.at)


def from_export(path: Path) -> Source:
    """A file of `farthing export`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror}") from error
    world, at = export.read(content, str(path))
    return Source(str(path), world, at)


def from_fleet(path: Path, trace: str | None, pods: int | None, traces: Path | None) -> Source:
    """A fleet file, empty or with the first pods of a trace in front of it."""
    world = World()
    for driver in DRIVERS:
        world.fold(Seen(PROFILES.thing(msgspec.json.encode(profile_object(profile_of(driver))))), 0.0)
    for found in objects(rendered("03-device-class", {"DRIVERS": cel_list(DRIVERS)})):
        world.fold(Seen(CLASSES.thing(msgspec.json.encode(found))), 0.0)
    for manifest in load_fleet(path):
        resource = NODES if manifest["kind"] == "Node" else SLICES
        world.fold(Seen(resource.thing(msgspec.json.encode(manifest))), 0.0)
    if trace is None:
        return Source(str(path), world, 0.0)
    chosen = list(itertools.islice(read_pods(path_of(trace, traces)), pods))
    if not chosen:
        raise InvalidError("--trace", f"{trace} has no pods")
    asking = [pod for pod in chosen if pod.gpus]
    for number, pod in enumerate(asking):
        for thing in waiting_pod(pod, number):
            world.fold(Seen(thing), 0.0)
    return Source(f"{path} and {trace}", world, 0.0, len(chosen) - len(asking))


def waiting_pod(pod: TracePod, number: int) -> tuple[Pod, Claim]:
    """A pod of a trace as it waits in a cluster, the `number`-th to come, with the claim that was made for it."""
    ask = parse_ask(amount(pod.gpus, pod.gpu_milli), "|".join(pod.models) or None)
    key, claim = Key(TRACE_NAMESPACE, pod.name), Key(TRACE_NAMESPACE, f"{pod.name}-farthing")
    entry = PodClaim("farthing", claim.name, template_name(ask))
    waiting = Pod(
        key=key,
        uid=pod.name,
        version=0,
        created=float(number),
        constraints=Constraints(),
        cpu=pod.cpu_milli,
        memory=pod.memory_mib * MIB,
        gated=True,
        claims=(entry,),
    )
    request = (Request("gpu", DEVICE_CLASS, ask.count),)
    return waiting, Claim(claim, f"claim-{pod.name}", 0, float(number), owner=pod.name, requests=request, ask=ask)
