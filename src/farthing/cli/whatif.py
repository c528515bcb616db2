"""`farthing what-if`: what would start, wait, stop and cost if the fleet were another."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from farthing.cli.budgets import Cluster, look_at_budgets
from farthing.cli.cost import LedgerUrl
from farthing.cli.options import Context, Format, Kubeconfig, Output
from farthing.cli.render import Cell, Column, console, counted, percent, several, show_json, show_table
from farthing.cli.sources import Source, from_export, from_fleet, live
from farthing.cli.traces import Traces
from farthing.model.cluster import Key
from farthing.model.errors import InvalidError, NotFoundError
from farthing.sim.changes import parse_addition, parse_quota
from farthing.sim.prices import MICRO, Prices, prices_of, read_prices
from farthing.sim.whatif import HOURS_A_MONTH, Change, Standing, WhatIf, cost_of, what_if


@dataclass(frozen=True)
class Held:
    """Pods that wait for one reason, and such a reason in full."""

    reason: str
    pods: int
    such_as: str


@dataclass(frozen=True)
class Side:
    """A fleet at rest. `cost_micro_per_hour` is in millionths of the currency; null where no price was given."""

    nodes: int
    devices: int
    gpu_milli_held: int
    allocation_percent: float
    running: int
    waiting: tuple[Held, ...]
    cost_micro_per_hour: int | None


@dataclass(frozen=True)
class WhatIfReport:
    """A fleet without and with the changes. `starts` run only with them, `stops` only without them.

    `like` says of each `--add-nodes` what the new nodes are like. `unpriced` are models without a price, which the
    costs leave out; `left_out` counts pods of the trace that ask for no GPU.
    """

    source: str
    before: Side
    after: Side
    starts: tuple[str, ...]
    stops: tuple[str, ...]
    like: tuple[str, ...]
    currency: str | None
    unpriced: tuple[str, ...]
    left_out: int


def what_if_command(
    add: Annotated[
        list[str] | None,
        typer.Option("--add-nodes", metavar="NxMODELxGPUS", help="Nodes more, such as 4xH100x8; may be repeated."),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove-node", metavar="NAME", help="A node less; may be repeated.")
    ] = None,
    quota: Annotated[
        list[str] | None,
        typer.Option(
            "--team-quota", metavar="TEAM/CLASS=N", help="Another quota for a team, or +N, -N; may be repeated."
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--from", help="A file of `farthing export` instead of the live cluster.")
    ] = None,
    fleet: Annotated[
        Path | None, typer.Option("--fleet", help="A fleet file, or openb node list, instead of the live cluster.")
    ] = None,
    trace: Annotated[str | None, typer.Option("--trace", help="With --fleet: pods of a trace, all waiting.")] = None,
    pods: Annotated[int | None, typer.Option("--pods", "-p", min=1, help="With --trace: the first so many.")] = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", help="A table of prices: currency: EUR, perHour: {H100: 2.49}.")
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option("--price", metavar="MODEL=PRICE", help="The price of a device for an hour; may be repeated."),
    ] = None,
    currency: Annotated[str, typer.Option("--currency", help="Of --price.")] = "EUR",
    traces: Traces = None,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    ledger: LedgerUrl = "",
    cluster: Cluster = "local",
    output: Output = Format.table,
) -> None:
    """What would start, still wait, stop and cost, if nodes came or went, or teams had other quotas.

    The same planner plays it through; nothing is changed. With a ledger, the live cluster's budgets hold work as well.

    \b
    farthing what-if --add-nodes 4xH100x8
    farthing what-if --remove-node l4-0 --remove-node l4-1 --price L4=0.8
    farthing what-if --add-nodes 2xB300x8:memory=288Gi,cpu=192,ram=2048Gi --prices prices.yaml
    farthing what-if --team-quota vision/H100=+4 --team-quota nlp/H100=-4
    farthing what-if --from cluster.json --add-nodes 1xH100x8 -o json | jq .starts
    farthing what-if --fleet fleet.yaml --trace openb_pod_list_default.csv --pods 500 --add-nodes 4xV100x8
    """
    change = Change(tuple(map(parse_addition, add or ())), _once(remove or []), tuple(map(parse_quota, quota or ())))
    table = _prices(prices, price, currency)
    source = _source(file, fleet, trace, pods, traces, kubeconfig, context)
    if ledger and file is None and fleet is None:
        look_at_budgets(source.world, ledger, cluster, source.at)
    with Console(stderr=True).status("playing it through"):
        found = what_if(source.world, source.at, change)
    report = report_of(source, found, table)
    if output is Format.json:
        show_json(report)
    else:
        _show(console(), report, table)


def _once(names: list[str]) -> tuple[str, ...]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidError("--remove-node", f"{twice} is named twice; a node goes only once")
    return tuple(names)


def _source(
    file: Path | None,
    fleet: Path | None,
    trace: str | None,
    pods: int | None,
    traces: Path | None,
    kubeconfig: Path | None,
    context: str,
) -> Source:
    if file is not None and fleet is not None:
        raise InvalidError("--from", "and --fleet exclude each other; leave one out")
    if trace is not None and fleet is None:
        raise InvalidError(
            "--trace", "needs a --fleet to run on; the live cluster and an export have pods of their own"
        )
    if pods is not None and trace is None:
        raise InvalidError("--pods", "says how many pods of a --trace; name one")
    if file is not None:
        return from_export(file)
    if fleet is not None:
        return from_fleet(fleet, trace, pods, traces)
    return asyncio.run(live(kubeconfig, context))


def _prices(file: Path | None, options: list[str] | None, currency: str) -> Prices | None:
    if file is not None and options:
        raise InvalidError("--prices", "and --price exclude each other; leave one out")
    if options:
        return prices_of(options, currency)
    if file is None:
        return None
    try:
        return read_prices(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"cannot read the prices {file}: {error}") from error


def report_of(source: Source, found: WhatIf, prices: Prices | None) -> WhatIfReport:
    """The answer as it is shown."""
    costs = [cost_of(standing, prices) for standing in (found.before, found.after)] if prices else []
    return WhatIfReport(
        source=source.name,
        before=_side(found.before, prices),
        after=_side(found.after, prices),
        starts=tuple(map(str, found.starts)),
        stops=tuple(map(str, found.stops)),
        like=found.like,
        currency=prices.currency if prices else None,
        unpriced=tuple(sorted({model.upper() for cost in costs for model in cost.unpriced})),
        left_out=source.left_out,
    )


def _side(standing: Standing, prices: Prices | None) -> Side:
    devices = sum(standing.devices.values())
    return Side(
        nodes=standing.nodes,
        devices=devices,
        gpu_milli_held=standing.gpu_milli_held,
        allocation_percent=round(standing.gpu_milli_held / (devices * 10), 2) if devices else 0.0,
        running=len(standing.running),
        waiting=_held(standing),
        cost_micro_per_hour=cost_of(standing, prices).micro_per_hour if prices else None,
    )


def _held(standing: Standing) -> tuple[Held, ...]:
    counts = Counter(reason.why for reason in standing.waiting.values())
    first: dict[str, tuple[Key, str]] = {}
    for key, reason in sorted(standing.waiting.items()):
        first.setdefault(reason.why, (key, reason.sentence))
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return tuple(Held(why.value, count, f"{first[why][0]}: {first[why][1]}") for why, count in ordered)


# For people -------------------------------------------------------------------------------------------------------


def _show(out: Console, found: WhatIfReport, prices: Prices | None) -> None:
    out.print(f"{found.source}, as it is and as it would be", markup=False)
    for like in found.like:
        out.print(f"new nodes: {like}", style="dim", markup=False)
    out.print()
    show_table(out, (Column(""), Column("now", right=True), Column("then", right=True)), _rows(found))
    out.print(_cost_notes(found, prices), style="dim", markup=False)
    for title, names, style in (("start", found.starts, "green"), ("stop", found.stops, "red")):
        if names:
            who = f"1 pod {title}s: " if len(names) == 1 else f"{len(names):,} pods {title}: "
            out.print(Text.assemble("\n", (who, style), several(names, 10)))
    if not found.starts and not found.stops:
        out.print("\nNobody starts and nobody stops by it.")
    if found.after.waiting:
        out.print("\nThen still wait:")
        columns = (Column("pods", right=True), Column("because"), Column("such as", from_width=80))
        show_table(out, columns, ((f"{held.pods:,}", held.reason, held.such_as) for held in found.after.waiting))
    if found.left_out:
        out.print(f"\nLeft out: {counted(found.left_out, 'pod')} of the trace that ask for no GPU.", style="dim")


def _rows(found: WhatIfReport) -> list[tuple[Cell, Cell, Cell]]:
    sides = (found.before, found.after)
    rows: list[tuple[Cell, Cell, Cell]] = [
        ("nodes", *_both(f"{side.nodes:,}" for side in sides)),
        ("devices", *_both(f"{side.devices:,}" for side in sides)),
        ("given", *_both(f"{side.gpu_milli_held / 1000:,.1f}" for side in sides)),
        ("of all", *_both(percent(side.gpu_milli_held, side.devices * 1000) for side in sides)),
        ("pods that run", *_both(f"{side.running:,}" for side in sides)),
        ("pods that wait", *_both(f"{sum(held.pods for held in side.waiting):,}" for side in sides)),
    ]
    if found.currency:
        for title, hours in (("an hour", 1), ("a month", HOURS_A_MONTH)):
            costs = _both(f"{(side.cost_micro_per_hour or 0) * hours / MICRO:,.2f}" for side in sides)
            rows.append((f"{found.currency} {title}", *costs))
    return rows


def _both(cells: Iterable[Cell]) -> tuple[Cell, Cell]:
    now, then = cells
    return now, then


def _cost_notes(found: WhatIfReport, prices: Prices | None) -> str:
    if prices is None:
        return "No price given: --price MODEL=PRICE or --prices FILE says what an hour of a device costs."
    without = f" No price given for {', '.join(found.unpriced)}: left out." if found.unpriced else ""
    return f"A month is {HOURS_A_MONTH} hours; devices cost whether they are used or not.{without}"
