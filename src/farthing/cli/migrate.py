"""`farthing migrate`: manifests that ask for GPUs in other ways, as manifests that ask Farthing."""

import difflib
import io
import itertools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from farthing.cli.migrating import Finding, migrate_template, pod_templates
from farthing.cli.options import Format, Output
from farthing.cli.render import Column, console, show_json, show_table
from farthing.model.errors import InvalidError, NotFoundError

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(frozen=True)
class Migrated:
    """One file: its text before and after, and what was found in it."""

    file: str
    before: str
    after: str
    findings: tuple[Finding, ...]


def migrate(
    source: Annotated[Path, typer.Option("--filename", "-f", help="A manifest, or a folder of them (*.yaml, *.yml).")],
    write: Annotated[bool, typer.Option("--write", help="Change the files. Without it they are only shown.")] = False,
    output: Output = Format.table,
) -> None:
    """Turn GPU requests of device plugins, HAMi, KAI and Volcano into asks; shows a diff and what has no equivalent.

    \b
    farthing migrate -f manifests/
    farthing migrate -f train.yaml --write
    """
    done = [_migrated(path) for path in _files(source)]
    if write:
        for one in done:
            if one.after != one.before:
                Path(one.file).write_text(one.after, encoding="utf-8")
    if output is Format.json:
        show_json(
            [
                {"file": one.file, "diff": _diff(one), "findings": [asdict(found) for found in one.findings]}
                for one in done
            ]
        )
        return
    _show(done)


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    found = sorted(path for pattern in ("*.yaml", "*.yml") for path in source.rglob(pattern))
    if not found:
        raise NotFoundError(f"no manifests at {source}; expected a YAML file, or a folder with some")
    return found


def _migrated(path: Path) -> Migrated:
    """One file; comments and layout stay as they are."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    try:
        before = path.read_text(encoding="utf-8")
        documents: list[Any] = list(yaml.load_all(before))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise InvalidError(str(path), f"cannot be read as YAML: {error}") from error
    sequence, offset = _layout(before)
    yaml.indent(mapping=2, sequence=sequence, offset=offset)
    places = [(place, template) for document in documents for place, template in pod_templates(document)]
    findings = tuple(found for place, template in places if (found := migrate_template(template, place or "pod")))
    if not any(finding.gpu for finding in findings):
        return Migrated(str(path), before, before, findings)
    after = io.StringIO()
    yaml.dump_all(documents, after)
    return Migrated(str(path), before, after.getvalue(), findings)


def _layout(text: str) -> tuple[int, int]:
    """How lists are indented below their key: `(4, 2)` for two spaces more, `(2, 0)` for none."""
    lines = [line for line in text.splitlines() if line.strip()]
    for above, line in itertools.pairwise(lines):
        if above.rstrip().endswith(":") and line.lstrip().startswith("- "):
            return (4, 2) if len(line) - len(line.lstrip()) > len(above) - len(above.lstrip(" -")) else (2, 0)
    return (2, 0)


def _diff(one: Migrated) -> str:
    lines = difflib.unified_diff(one.before.splitlines(), one.after.splitlines(), one.file, one.file, lineterm="")
    return "\n".join(lines)


def _show(done: list[Migrated]) -> None:
    out = console()
    for one in done:
        for line in _diff(one).splitlines():
            out.print(Text(line, _COLOURS.get(line[:1], "")), soft_wrap=True)
    columns = (Column("FILE"), Column("WHERE"), Column("WAS"), Column("ASK"), Column("NOTE"))
    rows = [
        (one.file, found.where, found.was, found.gpu or "(no equivalent)", "; ".join(found.notes))
        for one in done
        for found in one.findings
    ]
    if rows:
        show_table(out, columns, rows)
    else:
        out.print("Nothing here asks for a GPU in a way that Farthing would replace.")
