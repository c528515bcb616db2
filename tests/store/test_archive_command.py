"""`farthing ledger archive`, `archives` and `restore`, as people and programs use them."""

import json

import pytest
from typer.testing import CliRunner

from farthing.cli import app
from farthing.model.errors import ConflictError, InvalidError, NotFoundError
from tests.store.test_archive import NOVEMBER, all_of, closed


@pytest.fixture
def run(url):
    def run(*command):
        found = CliRunner().invoke(app, ["ledger", *command, "--ledger", url])
        if found.exception and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found.stdout

    return run


def test_a_month_goes_and_comes_back(ledger, run, tmp_path):
    before = all_of(closed(ledger))
    assert run("archives") == "no month is archived\n"
    assert "nothing has left the ledger" in run("archive", NOVEMBER, "--folder", str(tmp_path), "--copy")
    said = run("archive", NOVEMBER, "--folder", str(tmp_path / "a"))
    assert "have left the ledger" in said
    assert f"{tmp_path}/a/intervals-{NOVEMBER}-" in said
    assert run("archives").splitlines()[1].split()[:2] == [NOVEMBER, "6"]
    (row,) = json.loads(run("archives", "-o", "json"))
    assert (row["month"], row["intervals"], row["restoring"]) == (NOVEMBER, 6, False)
    assert row["size"] == sum((tmp_path / "a" / name).stat().st_size for name in row["files"])
    assert run("restore", NOVEMBER).startswith(f"{NOVEMBER} is back: ")
    assert all_of(ledger) == before


def test_what_cannot_be_is_refused_with_what_to_do(ledger, run, tmp_path):
    closed(ledger)
    with pytest.raises(NotFoundError, match="`farthing ledger archives` shows what is"):
        run("restore", NOVEMBER)
    with pytest.raises(ConflictError, match="close it first"):
        run("archive", "2026-12", "--folder", str(tmp_path))
    with pytest.raises(InvalidError, match="no month"):
        run("archive", "November", "--folder", str(tmp_path))
    with pytest.raises(InvalidError, match="such as 2026-11=/mnt/archive"):
        run("archives", "--moved", NOVEMBER)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidError, match="cannot be written"):
        run("archive", NOVEMBER, "--folder", str(tmp_path / "file"))
