"""What people read is what the code says."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer.main

from farthing.cli import app
from farthing.cli.pages import pages, reasons
from farthing.model.reason import Why

ROOT = Path(__file__).parents[2]
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
PAGES = [name for name in TRACKED if name.endswith(".md")]


@pytest.mark.parametrize("name", pages())
def test_the_reference_is_as_printed(name):
    assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == pages()[name], "run `make print`"


def test_every_reason_has_its_sentence():
    assert [name for name, _ in reasons()] == [why.value for why in Why]


def test_every_room_has_a_sign_on_its_door():
    for room in sorted((ROOT / "src" / "farthing").glob("*/__init__.py")):
        first = room.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith('"""'), room


def test_every_command_has_help():
    for name, command in typer.main.get_command(app).commands.items():
        assert command.help, name


def test_the_readmes_test_command_is_all_that_ci_runs():
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["exec make test"]


@pytest.mark.parametrize("name", PAGES)
def test_links_inside_the_repository_lead_somewhere(name):
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name} links to {target}, which is not there"


def test_every_direct_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    locked = set(
        re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    )
    names = {re.split(r"[^A-Za-z0-9._-]", one)[0].lower().replace("_", "-") for one in wanted}
    assert names <= locked


def test_every_fault_of_a_node_names_tests_that_are_there():
    lines = (ROOT / "docs/explanation/node-faults.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|")[-2] for line in lines if line.startswith("| ")][1:]
    assert len(rows) >= 25
    for tests in rows:
        named = re.findall(r"`([^`]+)`", tests)
        assert named, tests
        assert all((ROOT / "tests" / f"{name}.py").exists() for name in named), tests
