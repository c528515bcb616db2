"""`farthing explain pod/NAME`: where a pod runs and since when, or why it waits and what excludes each node."""

import asyncio
import difflib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from farthing.cli.budgets import Cluster, look_at_budgets
from farthing.cli.cost import LedgerUrl
from farthing.cli.expected import Expected, expected
from farthing.cli.judgement import judge, on_its_way, wanted
from farthing.cli.leader import Leader, read_leader
from farthing.cli.look import Look, Share, claims_of, is_ours, look, shares
from farthing.cli.options import Context, Format, Kubeconfig, Output, connect
from farthing.cli.render import Column, age, console, counted, gib, percent, several, show_json, show_table
from farthing.decide.needs import needs_of
from farthing.kube.connection import Json
from farthing.kube.convert import PLACED_CONDITION, instant
from farthing.kube.resources import pod_path
from farthing.model.ask import GPU
from farthing.model.cluster import Key, Namespace, Pod
from farthing.model.errors import InvalidError, NotFoundError
from farthing.model.reason import Why
from farthing.state.snapshot import Waiting


@dataclass(frozen=True)
class HeldShare:
    """One share that the pod holds. `compute` is in the driver's unit, `since` in seconds since 1970, or None."""

    node: str
    device: str
    model: str
    isolation: str
    team: str
    compute: int
    compute_of_device: int
    memory_bytes: int
    memory_bytes_of_device: int
    since: float | None


@dataclass(frozen=True)
class Excluded:
    """Nodes that one cause excludes."""

    reason: str
    sentence: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """All about one pod at the instant `at` (seconds since 1970).

    `state` is waiting, on its way, running, finished, deleting or not ours. `reason` is empty where nothing stands in
    its way. `ahead` pods of `line` are looked at before it; both are None where it does not wait for devices.
    `nodes_left` is how many nodes nothing excludes. `starts` is when it would start; null where that cannot be told.
    """

    pod: str
    at: float
    state: str
    asks: tuple[str, ...]
    team: str
    age_seconds: float
    reason: str = ""
    sentence: str = ""
    ahead: int | None = None
    line: int | None = None
    nodes_left: int | None = None
    starts: Expected | None = None
    excluded: tuple[Excluded, ...] = ()
    shares: tuple[HeldShare, ...] = ()


def explain(
    pod: Annotated[str, typer.Argument(metavar="pod/NAME", help="The pod: pod/NAME or just NAME.")],
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Its namespace; default: the kubeconfig's, else default.")
    ] = "",
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    ledger: LedgerUrl = "",
    cluster: Cluster = "local",
    output: Output = Format.table,
) -> None:
    """Why a pod waits, when it would start, and what excludes each node; or where it runs, and since when.

    With a ledger, budgets are looked at as the spoke does; without, what the spoke last wrote of them is repeated.

    \b
    farthing explain pod/train-7x2k
    farthing explain pod/train-7x2k -n vision
    farthing explain pod/train-7x2k --ledger sqlite:////var/lib/farthing/ledger.db
    farthing explain train-7x2k -o json | jq -r '.excluded[] | "\\(.nodes | length) \\(.sentence)"'
    """
    name = _name(pod)
    found = asyncio.run(_explain(kubeconfig, context, namespace, name, (ledger, cluster)))
    if output is Format.json:
        show_json(found)
    else:
        _show(console(), found)


def _name(text: str) -> str:
    kind, slash, name = text.rpartition("/")
    if slash and kind not in ("pod", "pods", "po"):
        raise InvalidError(text, "only pods can be explained so far; expected pod/NAME")
    return name


async def _explain(
    kubeconfig: Path | None, context: str, namespace: str, name: str, ledger: tuple[str, str]
) -> Explanation:
    async with connect(kubeconfig, context) as connection:
        key = Key(namespace or connection.credentials.namespace, name)
        seen = await look(connection)
        found = seen.world.get(Pod, key)
        if found is None:
            raise NotFoundError(_unknown(seen, key))
        leader = await read_leader(connection, seen.at)
        raw = await connection.get(pod_path(key))
    if ledger[0]:
        look_at_budgets(seen.world, *ledger, seen.at)
    return explanation(seen, found, raw, leader)


def _unknown(seen: Look, key: Key) -> str:
    """No such pod: where one of that name is, or which names come close."""
    pods = [pod.key for pod in seen.world.all(Pod)]
    elsewhere = sorted(pod.namespace for pod in pods if pod.name == key.name)
    close = difflib.get_close_matches(key.name, [pod.name for pod in pods if pod.namespace == key.namespace], 3)
    sentence = f"there is no pod {key.name} in namespace {key.namespace}"
    if elsewhere:
        return f"{sentence}; there is one in {several(elsewhere)}: farthing explain {key.name} -n {elsewhere[0]}"
    return f"{sentence}; did you mean {' or '.join(close)}?" if close else f"{sentence}, nor in any other"


# What is true of it -----------------------------------------------------------------------------------------------


def explanation(seen: Look, pod: Pod, raw: Json, leader: Leader) -> Explanation:
    """Everything that can be said of one pod. `raw` is the pod as the API server has it."""
    waiting = next((w for w in seen.snapshot().waiting if w.pod.key == pod.key), None)
    namespace = seen.world.get(Namespace, Key("", pod.key.namespace))
    base = Explanation(
        pod=str(pod.key),
        at=seen.at,
        state="not ours",
        asks=_asks(seen, pod),
        team=pod.team or (namespace.team if namespace else "") or pod.key.namespace,
        age_seconds=max(0.0, seen.at - pod.created),
        shares=tuple(_held(seen, share, _placed_at(raw)) for share in shares(seen) if pod.key in share.pods),
    )
    if not is_ours(seen, pod):
        return replace(base, sentence=_not_ours(pod, raw))
    if pod.over:
        back = "kube-controller-manager is taking its shares back" if base.shares else "its shares are free"
        return replace(base, state="finished", sentence=f"it is over, and {back}")
    if pod.deleting:
        return replace(base, state="deleting", sentence="it is being deleted; its shares go back when it is gone")
    if waiting is None:
        return replace(base, state="running", sentence=f"on node {pod.node}")
    if on_its_way(waiting) and not pod.gated:
        return _on_its_way(base, waiting)
    return _waiting(base, seen, waiting, leader)


def _asks(seen: Look, pod: Pod) -> tuple[str, ...]:
    """What all its claims ask for, given or not."""
    given = [n for c in claims_of(seen, pod) if c.ours and c.allocation for _, n in needs_of(c)]
    return tuple(str(need) for need in (*given, *wanted(seen, pod)))


def _placed_at(raw: Json) -> float | None:
    """When Farthing placed it, as the condition says."""
    for condition in raw.get("status", {}).get("conditions", ()):
        if condition.get("type") == PLACED_CONDITION and condition.get("status") == "True":
            return instant(condition.get("lastTransitionTime") or "") or None
    return None


def _held(seen: Look, share: Share, since: float | None) -> HeldShare:
    fleet, i = seen.world.fleet, share.device
    return HeldShare(
        node=fleet.nodes[fleet.node_of[i]].name,
        device=fleet.devices[i].name,
        model=fleet.models[fleet.model_of[i]].upper(),
        isolation=share.isolation,
        team=share.team,
        compute=share.compute,
        compute_of_device=int(fleet.compute[i]),
        memory_bytes=share.memory,
        memory_bytes_of_device=int(fleet.memory[i]),
        since=since,
    )


def _not_ours(pod: Pod, raw: Json) -> str:
    if GPU in raw["metadata"].get("annotations", {}):
        return (
            f"it carries {GPU}, but had no effect: it was created before Farthing was installed, names its node "
            "itself, or is in a namespace that Farthing leaves alone; create it anew"
        )
    said = f", and says: {pod.refusal}" if pod.refusal else ""
    return f"it carries no {GPU} and no claim of Farthing's device class; kube-scheduler alone decides on it{said}"


def _on_its_way(base: Explanation, waiting: Waiting) -> Explanation:
    pod = waiting.pod
    if pod.refusal:
        sentence = (
            f"it has its shares, but kube-scheduler says: {pod.refusal}. "
            "Where this lasts, the spoke frees them and places it anew"
        )
        return replace(base, state="on its way", reason=Why.REFUSED_BY_SCHEDULER.value, sentence=sentence)
    node = pod.nominated or next((c.allocation.node for c in waiting.claims if c.allocation), "")
    sentence = f"it has its shares on node {node}; kube-scheduler binds it next"
    return replace(base, state="on its way", reason=Why.PLACED.value, sentence=sentence)


_OF_BUDGETS: Final = (Why.BUDGET_SPENT, Why.BUDGET_SHORT)


def _waiting(base: Explanation, seen: Look, waiting: Waiting, leader: Leader) -> Explanation:
    found = judge(seen, waiting)
    if found.fits and seen.world.budgets is None and (said := waiting.pod.verdict) and said.why in _OF_BUDGETS:
        found = replace(found, reason=said, fits=False)
    sentence = found.reason.sentence
    if found.fits:
        then = "the spoke places it in a moment" if leader.leads else f"but nobody acts on it: {leader.sentence}"
        sentence = f"nothing stands in its way, it would go {sentence}; {then}"
    out = sum(len(exclusion.nodes) for exclusion in found.exclusions)
    return replace(
        base,
        state="waiting",
        reason="" if found.fits else found.reason.why.value,
        sentence=sentence,
        ahead=found.ahead,
        line=found.line,
        nodes_left=len(seen.world.fleet.nodes) - out if out or found.fits else None,
        starts=None if found.fits else expected(seen, waiting, wanted(seen, waiting.pod), found.reason),
        excluded=tuple(Excluded(e.why.value, e.sentence, e.nodes) for e in found.exclusions),
    )


# For people -------------------------------------------------------------------------------------------------------

_STYLE: Final = {"running": "green", "waiting": "yellow", "on its way": "cyan"}


def _show(out: Console, found: Explanation) -> None:
    out.print(Text.assemble((found.pod, "bold"), "  ", (found.state, _STYLE.get(found.state, ""))))
    if found.asks:
        asks = " and ".join(found.asks)
        out.print(f"asks for {asks}; team {found.team}; created {age(found.age_seconds)} ago", markup=False)
    if found.reason:
        out.print(Text.assemble((found.reason, "bold"), f": {found.sentence}"))
    elif not found.shares:
        out.print(found.sentence, markup=False)
    if found.shares:
        _show_shares(out, found)
    if found.line:
        before = (
            "it is looked at first"
            if not found.ahead
            else f"{found.ahead:,} {'is' if found.ahead == 1 else 'are'} looked at before it"
        )
        waits = "1 pod waits" if found.line == 1 else f"{found.line:,} pods wait"
        out.print(f"\n{waits} for devices; {before}.")
    if found.starts:
        out.print(
            f"\nIt would start {found.starts.sentence}."
            if found.starts.earliest_seconds is not None
            else f"\nWhen it would start is {found.starts.sentence}.",
            markup=False,
        )
    if found.excluded:
        _show_excluded(out, found)


def _show_shares(out: Console, found: Explanation) -> None:
    columns = (
        Column("node"),
        Column("device"),
        Column("model"),
        Column("compute", right=True),
        Column("memory", right=True),
        Column("isolation"),
        Column("since", right=True),
    )
    out.print()
    show_table(
        out,
        columns,
        (
            (
                share.node,
                share.device,
                share.model or "-",
                percent(share.compute, share.compute_of_device),
                gib(share.memory_bytes),
                share.isolation or "-",
                age(found.at - share.since) if share.since else "-",
            )
            for share in found.shares
        ),
    )


def _show_excluded(out: Console, found: Explanation) -> None:
    total = sum(len(group.nodes) for group in found.excluded) + (found.nodes_left or 0)
    out.print(f"\nOf {counted(total, 'node')}, {found.nodes_left or 'none'} would do:")
    columns = (Column("nodes", right=True), Column("excluded by"), Column("because"), Column("such as", from_width=100))
    show_table(
        out,
        columns,
        ((f"{len(g.nodes):,}", g.reason, g.sentence, several(g.nodes, 1)) for g in found.excluded),
    )
