"""What is committed is what would be printed, so that what people read and review is what is applied."""

from pathlib import Path

import pytest
import yaml

from farthing.api.manifests import manifests
from farthing.api.printing import files, write

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", files())
def test_committed_files_are_as_printed(path):
    committed = ROOT / path
    assert committed.exists(), f"{path} is missing; run `make print`"
    assert committed.read_text(encoding="utf-8") == files()[path], f"{path} differs from its types; run `make print`"


def test_nothing_else_lies_among_the_manifests():
    there = (path.relative_to(ROOT) for path in (ROOT / "deploy").rglob("*") if path.is_file())
    assert {str(path) for path in there} == {path for path in files() if path.startswith("deploy/")}


def test_the_files_together_are_what_is_installed():
    texts = [
        (ROOT / path).read_text(encoding="utf-8")
        for path in files()
        if path.startswith("deploy/") and "helm" not in path
    ]
    assert [found for text in texts for found in yaml.safe_load_all(text)] == manifests()


def test_printing_writes_all_and_clears_what_is_stale(tmp_path):
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "99-gone.yaml").write_text("kind: Gone\n")
    written = write(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in written} == set(files())
    assert not (tmp_path / "deploy" / "99-gone.yaml").exists()
