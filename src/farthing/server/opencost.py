"""OpenCost's `/allocation`, so that dashboards made for it show Farthing's shares.

The shape is OpenCost's. Everything but GPUs is 0, since the ledger is about nothing else; efficiencies are null, since
what was used of a share is not known here. What OpenCost can and the books cannot, such as showing costs by pod, is
refused rather than answered wrongly.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from farthing.ledger.money import MICRO, apportion
from farthing.model.errors import FarthingError, InvalidError
from farthing.model.quantity import MILLI_GPU_HOUR
from farthing.server.access import View
from farthing.server.context import Context, Here, Seen
from farthing.server.opencost_terms import IDLE, Clause, Work, parse_aggregate, parse_filter, parse_window, sets_of
from farthing.server.problems import of_error
from farthing.store.ask import Question, Where
from farthing.store.between import between
from farthing.store.so_far import Sums

BY: Final = ("cluster", "namespace", "workload", "team", "kind")

_NOTHING: Final = (
    *("cpuCores", "cpuCoreRequestAverage", "cpuCoreUsageAverage", "cpuCoreHours", "cpuCost", "cpuCostAdjustment"),
    *("cpuCostIdle", "networkTransferBytes", "networkReceiveBytes", "networkCost", "networkCrossZoneCost"),
    *("networkCrossRegionCost", "networkInternetCost", "networkCostAdjustment", "loadBalancerCost"),
    *("loadBalancerCostAdjustment", "pvBytes", "pvByteHours", "pvCost", "pvCostAdjustment", "ramBytes"),
    *("ramByteRequestAverage", "ramByteUsageAverage", "ramByteHours", "ramCost", "ramCostAdjustment", "ramCostIdle"),
    *("gpuCostIdle", "externalCost"),
)
"""Fields of an allocation about what the ledger does not keep."""

router = APIRouter()


@router.get("/allocation", summary="OpenCost's allocations")
@router.get("/allocation/compute", summary="The same, by its other name")
def allocation(
    context: Here,
    seen: Seen,
    window: Annotated[str, Query(description="today, yesterday, week, lastweek, month, lastmonth; 7d; two instants.")],
    aggregate: Annotated[str, Query(description="cluster, namespace, controller, controllerKind, team, ...")] = "",
    step: Annotated[str, Query(description="How long one set of allocations is; default: the window.")] = "",
    filter: Annotated[str, Query(description='Such as namespace:"a","b"+cluster!:"c".')] = "",
    accumulate: Annotated[str, Query(description="true: one set for the whole window.")] = "false",
    include_idle: Annotated[bool, Query(alias="includeIdle", description="Whether __idle__ is shown.")] = False,
    idle: Annotated[bool, Query(description="The same, as Kubecost calls it.")] = False,
    share_idle: Annotated[
        str, Query(alias="shareIdle", description="true: by cost, among all that is shown.")
    ] = "false",
    idle_by_node: Annotated[
        bool, Query(alias="idleByNode", description="Refused: idle cost is kept by cluster.")
    ] = False,
    resolution: Annotated[str, Query(description="Taken, and without effect: nothing is sampled.")] = "",
) -> JSONResponse:
    """GPU costs in OpenCost's shape, what is wrong with the question too. Idle is for those who see everything.

    Windows of parts of days are rated on the spot, which takes seconds on large clusters; whole days are quick.
    """
    del resolution
    try:
        if idle_by_node:
            raise InvalidError("idleByNode", "idle cost is kept by cluster here; leave it out")
        fields, clauses = parse_aggregate(aggregate), parse_filter(filter)
        whole = parse_window(window, int(context.now()))
        windows = [whole] if accumulate == "true" else sets_of(whole, step)
        how = (fields, clauses, (include_idle or idle) and seen.teams is None, share_idle in ("true", "weighted"))
        return JSONResponse({"code": 200, "data": [_set(context, seen, one, *how) for one in windows]})
    except FarthingError as error:
        status, detail, _, headers = of_error(error)
        return JSONResponse({"code": int(status), "message": detail}, status, dict(headers))


def _set(
    context: Context,
    seen: View,
    window: tuple[int, int],
    fields: Sequence[str],
    clauses: Sequence[Clause],
    show_idle: bool,
    share_idle: bool,
) -> dict[str, Any]:
    """One set: allocations by name."""
    where: Where = () if seen.teams is None else (("team", seen.teams),)
    found = between(context.ledger.database, Question(BY, 0, 0, where=where), *window, context.so_far)
    sums: dict[str, _Allocation] = {}
    idle = 0
    for work, kind, numbers in _works(found):
        if kind in ("idle", "stranded"):
            idle += numbers.amount
        elif all(clause.accepts(work) for clause in clauses):
            key = work.key(fields)
            sums.setdefault(key, _Allocation(key, fields, work)).add(kind, numbers)
    if share_idle and sums and seen.teams is None:
        _share(idle, list(sums.values()))
        idle = 0
    shown = {key: made.as_json(window) for key, made in sorted(sums.items())}
    if show_idle and idle:
        shown[IDLE] = _idle(idle, window)
    return shown


def _works(found: Mapping[tuple[str, ...], Sums]) -> Iterator[tuple[Work, str, Sums]]:
    for (cluster, namespace, workload, team, kind), numbers in found.items():
        yield Work(cluster, namespace, workload, "" if team.startswith("(") else team), kind, numbers


def _share(idle: int, among: Sequence["_Allocation"]) -> None:
    """Idle cost by weight of cost, as OpenCost's `weighted`; evenly where nothing cost anything."""
    weights = [max(0, made.amounts["gpuCost"]) for made in among]
    parts = apportion(idle, weights if any(weights) else [1] * len(among))
    for made, part in zip(among, parts, strict=True):
        made.amounts["sharedCost"] += part


class _Allocation:
    """One allocation while it is summed up."""

    def __init__(self, name: str, fields: Sequence[str], work: Work) -> None:
        self.name = name
        self.amounts: dict[str, int] = defaultdict(int)
        self.milli_gpu_seconds = 0
        self._fields = fields
        self._work = work

    def add(self, kind: str, numbers: Sums) -> None:
        part = {"adjustment": "gpuCostAdjustment", "idle-share": "sharedCost"}.get(kind, "gpuCost")
        self.amounts[part] += numbers.amount
        self.milli_gpu_seconds += numbers.milli_gpu_seconds

    def as_json(self, window: tuple[int, int]) -> dict[str, Any]:
        hours = self.milli_gpu_seconds / MILLI_GPU_HOUR
        properties = self._properties()
        return _json(self.name, properties, window, self.amounts, hours)

    def _properties(self) -> dict[str, Any]:
        """What all that is summed up in it has in common: what it was aggregated by."""
        named: dict[str, Any] = {}
        for field in self._fields:
            match field:
                case "team":
                    named["labels"] = {"farthing_dev_team": self._work.team}
                case "cluster" | "namespace" | "controllerKind":
                    named[field] = self._work.value(field)
                case _:
                    named |= {"controller": self._work.controller, "controllerKind": self._work.controller_kind}
        return {key: value for key, value in named.items() if value}


def _idle(amount: int, window: tuple[int, int]) -> dict[str, Any]:
    return _json(IDLE, {}, window, {"gpuCost": amount}, 0.0)


def _json(
    name: str, properties: Mapping[str, Any], window: tuple[int, int], amounts: Mapping[str, int], gpu_hours: float
) -> dict[str, Any]:
    start, end = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in window)
    minutes = (window[1] - window[0]) / 60
    money = {key: amounts.get(key, 0) / MICRO for key in ("gpuCost", "gpuCostAdjustment", "sharedCost")}
    return {
        "name": name,
        "properties": dict(properties),
        "window": {"start": start, "end": end},
        "start": start,
        "end": end,
        "minutes": minutes,
        **dict.fromkeys(_NOTHING, 0),
        "gpuCount": round(gpu_hours / (minutes / 60), 5),
        "gpuHours": round(gpu_hours, 5),
        **money,
        "totalCost": sum(amounts.values()) / MICRO,
        "cpuEfficiency": None,
        "gpuEfficiency": None,
        "ramEfficiency": None,
        "totalEfficiency": None,
        "pvs": None,
        "lbAllocations": None,
        "gpuAllocation": None,
    }
