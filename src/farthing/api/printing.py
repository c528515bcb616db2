"""Writes what is printed from the contract into the repository: `python -m farthing.api.printing FOLDER`.

A test compares the files with what would be printed, so that what is committed, read and reviewed is what is applied.
"""

import sys
from pathlib import Path

from farthing.api.chart import chart
from farthing.api.manifests import mps_host, node_driver, printed, spoke
from farthing.api.reference import reference

_SIGN = "# Printed by `make print` from src/farthing/api; edits here are overwritten.\n"


def files() -> dict[str, str]:
    """Every printed file: its path within the repository, and its text."""
    manifests = {f"deploy/{name}": _SIGN + text for name, text in printed().items()}
    programs = {"mps-host.yaml": mps_host(), "node-driver.yaml": node_driver(), "spoke.yaml": spoke()}
    shown = {f"docs/reference/{name}": _SIGN + text for name, text in programs.items()}
    charts = {path: text if path.endswith(".txt") else _SIGN + text for path, text in chart().items()}
    return manifests | charts | shown | {"docs/reference/api.md": reference()}


def write(root: Path) -> list[Path]:
    """Write all files below `root`, and remove manifests that are no longer printed. Returns what was written."""
    wanted = {root / path: text for path, text in files().items()}
    for stale in {*(root / "deploy").rglob("*.yaml")} - wanted.keys():
        stale.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return sorted(wanted)


if __name__ == "__main__":
    for path in write(Path(sys.argv[1] if len(sys.argv) > 1 else ".")):
        sys.stdout.write(f"{path}\n")
