"""`farthing ledger`: keeping the books: prices, budgets, rules, settling, closing months, clusters that are gone."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
import yaml
from rich.text import Text

from farthing.cli.archive import archive, archives, restore
from farthing.cli.cost import LedgerUrl, opened
from farthing.cli.options import Format, Output
from farthing.cli.render import console, counted, show_json
from farthing.cli.retire import retire, retirements
from farthing.ledger.entry import IdleRule
from farthing.ledger.interval import DAY
from farthing.ledger.period import parse_period
from farthing.ledger.read_budgets import parse_budgets
from farthing.ledger.read_prices import parse_instant, parse_price_book
from farthing.model.errors import InvalidError

if TYPE_CHECKING:
    from farthing.store.parquet import ParquetFile

app = typer.Typer(
    help="Keep the books: prices, budgets, rules for idle cost, settling, closing months.", no_args_is_help=True
)


@app.command()
def prices(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The price book, as YAML.")], ledger: LedgerUrl = ""
) -> None:
    """Add a version of the price book. What it changes in the past is reversed and charged anew at the next settling.

    \b
    farthing ledger prices prices.yaml --ledger sqlite:////var/lib/farthing/ledger.db
    """
    book = parse_price_book(_yaml(file))
    with opened(ledger) as found:
        added = found.set_prices(book)
    console().print(f"price book {book.version}: {'added' if added else 'was there already'}")


@app.command()
def budgets(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The budgets, as YAML.")], ledger: LedgerUrl = ""
) -> None:
    """Let the budgets of a file be those that the ledger holds; others that it held are forgotten.

    A Budget object in a cluster goes before a budget of its name here. `farthing budgets` shows how they stand.

    \b
    farthing ledger budgets budgets.yaml
    """
    wanted = parse_budgets(_yaml(file))
    with opened(ledger) as found:
        from farthing.store.budgets import set_budgets  # noqa: PLC0415 -- SQL takes most of a second to import

        set_budgets(found.database, wanted)
    console().print(f"the ledger holds {counted(len(wanted), 'budget')}")


def _yaml(file: Path) -> object:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidError(str(file), f"cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InvalidError(str(file), f"is no YAML: {error}") from error


@app.command()
def idle(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="none, use or quota.")],
    since: Annotated[str, typer.Option("--since", help="The first day; default: today.")] = "",
    quota: Annotated[
        list[str] | None, typer.Option("--quota", help="TEAM=WEIGHT, for the rule quota; repeatable.")
    ] = None,
    ledger: LedgerUrl = "",
) -> None:
    """Share the cost of idle capacity out: by what each team used that day, by quota, or not at all.

    \b
    farthing ledger idle use --since 2026-11-01
    farthing ledger idle quota --quota vision=3 --quota speech=1
    """
    day = parse_instant("--since", since) // DAY if since else int(time.time()) // DAY
    wanted = parse_rule(rule, quota or [])
    with opened(ledger) as found:
        found.set_idle_rule(day, wanted)
    console().print(f"idle cost is shared out by {rule}" if rule != "none" else "idle cost is not shared out")


def parse_rule(rule: str, quotas: list[str]) -> IdleRule:
    """A rule from what was typed."""
    pairs = [quota.partition("=") for quota in quotas]
    for (team, equals, weight), quota in zip(pairs, quotas, strict=True):
        if not (team and equals and weight.isascii() and weight.isdigit() and int(weight) <= 10**9):
            raise InvalidError("--quota", f"{quota!r} is no quota; expected one such as vision=3")
    match rule:
        case "none" | "use" if not pairs:
            return IdleRule(rule)
        case "none" | "use":
            raise InvalidError("--quota", f"means nothing with the rule {rule}")
        case "quota" if pairs:
            return IdleRule("quota", tuple(sorted((team, int(weight)) for team, _, weight in pairs)))
        case "quota":
            raise InvalidError("--quota", "name at least one, such as --quota vision=3")
        case _:
            raise InvalidError("RULE", f"{rule!r} is no rule; expected none, use or quota")


@app.command()
def settle(ledger: LedgerUrl = "") -> None:
    """Rate the days that have ended and those that changed. A spoke that meters does it every day by itself."""
    with opened(ledger) as found:
        done = found.settle()
    out = console()
    out.print(f"{counted(done.rated, 'day')} of devices rated, {done.corrected:,} of them corrected")
    for sentence in done.waiting:
        out.print(Text(sentence, "yellow"))
    if done.waiting:
        raise typer.Exit(1)


@app.command()
def close(
    period: Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2026-11.")], ledger: LedgerUrl = ""
) -> None:
    """Close a month for good. What is learned about it later is posted in the first month that is open."""
    month = parse_period(period)
    with opened(ledger) as found:
        found.close_period(month, int(time.time()))
    console().print(f"{month} is closed")


@app.command()
def audit(
    period: Annotated[str, typer.Argument(metavar="[MONTH]", help="Such as 2026-11; default: every month.")] = "",
    ledger: LedgerUrl = "",
    output: Output = Format.table,
) -> None:
    """Look whether the books are what was once written: each entry by its digest, sums by day from the postings up.

    Archived months are read from their files. Ends with status 1 where something was changed.

    \b
    farthing ledger audit
    farthing ledger audit 2026-11 -o json
    """
    with opened(ledger) as found:
        from farthing.store import audit as books  # noqa: PLC0415 -- SQL takes most of a second to import

        months = (parse_period(period),) if period else books.audited_periods(found.database)
        done = [books.audit(found.database, month) for month in months]
    if output is Format.json:
        show_json(done)
    else:
        for one in done:
            where = "in files" if one.archived else "in the database"
            said = f"{one.entries:,} entries, {counted(one.postings, 'posting')} {where}"
            console().print(f"{one.period}: {said}: {'as written' if not one.problems else 'CHANGED'}")
            for problem in one.problems:
                console().print(Text(f"  {problem}", "red"))
    if any(one.problems for one in done):
        raise typer.Exit(1)


app.command()(archive)
app.command()(restore)
app.command()(archives)
app.command()(retire)
app.command()(retirements)


@app.command()
def focus(
    period: Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2026-11.")],
    file: Annotated[Path, typer.Option("--file", help="The file to write: CSV, or Parquet where it ends in .parquet.")],
    version: Annotated[str, typer.Option("--focus", help="Version of FOCUS: 1.2; 1.3 with split costs; 1.4.")] = "1.2",
    issuer: Annotated[
        str, typer.Option("--issuer", help="Who runs the GPUs: the rows' provider and billing account.")
    ] = "Farthing",
    ledger: LedgerUrl = "",
) -> None:
    """Write a month's charges in the FinOps Open Cost and Usage Specification, a row for each charge.

    A charge is one share, one day and one device. Idle and stranded capacity are rows of their own: all rows together
    are what the devices cost, and the adjustments. Parquet needs farthing[parquet].

    \b
    farthing ledger focus 2026-11 --file focus.csv
    farthing ledger focus 2026-11 --focus 1.3 --issuer "GPU platform" --file focus.parquet
    """
    from farthing.store.export import export_focus  # noqa: PLC0415 -- SQL takes most of a second to import

    month = parse_period(period)
    part = file.with_name(f"{file.name}.part")
    try:
        with opened(ledger) as found, _opened(part, columnar=file.suffix == ".parquet") as out:
            count = export_focus(found.database, month, issuer, version, out)
        part.replace(file)
    except OSError as error:
        raise InvalidError("--file", f"{file} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    console().print(f"{file}: {counted(count, 'row')}")


def _opened(file: Path, *, columnar: bool) -> "ParquetFile | TextIO":
    from farthing.store.export import focus_parquet  # noqa: PLC0415 -- SQL takes most of a second to import

    return focus_parquet(file) if columnar else file.open("w", encoding="utf-8", newline="")
