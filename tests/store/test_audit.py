"""An audit finds whatever was changed in the books behind the database's back, and nothing where nothing was."""

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from farthing.cli import app
from farthing.store.archive import archive
from farthing.store.audit import audit, audited_periods
from tests.store.focus_month import corrected
from tests.store.test_archive import DECEMBER, NOVEMBER, closed


def problems(ledger):
    return [
        problem for period in audited_periods(ledger.database) for problem in audit(ledger.database, period).problems
    ]


def meddle(ledger, *statements):
    """As an administrator of the database may, once the triggers are gone."""
    with ledger.database.writing() as connection:
        if ledger.database.dialect == "sqlite":
            for name in connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount > 0


def test_books_that_nobody_touched_are_as_written_in_the_database_and_in_files(ledger, tmp_path):
    closed(ledger)
    assert problems(ledger) == []
    archive(ledger.database, NOVEMBER, tmp_path)
    found = audit(ledger.database, NOVEMBER)
    assert (found.archived, found.entries, found.problems) == (True, 64, ())
    assert found.postings > found.entries


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE postings SET amount = amount - 1 WHERE entry = 1 AND line = 0", "entry 1, "),
        ("UPDATE postings SET team = 'speech', debit = 'team:speech' WHERE entry = 1 AND line = 0", "entry 1, "),
        ("DELETE FROM postings WHERE entry = 1 AND line = 0", "entry 1, "),
        ("UPDATE entries SET day = day + 1000 WHERE id = 1", "entry 1, "),
        ("UPDATE daily SET amount = amount - 1 WHERE team = 'speech'", "the sums of 2026-11-"),
        ("DELETE FROM daily WHERE team = 'speech'", "the sums of 2026-11-"),
    ],
)
def test_whatever_was_changed_is_found(ledger, statement, said):
    meddle(closed(ledger), statement)
    assert any(problem.startswith(said) for problem in problems(ledger))


def test_the_command_says_it_and_ends_with_status_1(ledger, url):
    closed(ledger)
    corrected(ledger)
    run = CliRunner().invoke
    fine = run(app, ["ledger", "audit", "--ledger", url])
    assert (fine.exit_code, fine.stdout.count("as written")) == (0, 2)
    meddle(ledger, "UPDATE daily SET amount = amount - 1 WHERE kind = 'idle' AND period = '2026-12'")
    changed = run(app, ["ledger", "audit", DECEMBER, "--ledger", url])
    assert changed.exit_code == 1
    assert "CHANGED" in changed.stdout
