"""A team's statement: every part adds up to the total, and a closed month's never changes."""

import html.parser
import json
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from farthing.cli import app
from farthing.cli.statement import as_html
from farthing.ledger.statement import PARTS, Statement, StatementLine, StatementPart
from farthing.model.errors import NotFoundError
from tests.store.focus_month import a_month, corrected
from tests.store.sums import by_team


def stated(url, team="speech", month="2026-11"):
    found = CliRunner().invoke(app, ["statement", team, month, "--ledger", url, "-o", "json"], catch_exceptions=False)
    return json.loads(found.output)


def test_each_part_adds_up_to_what_the_team_was_charged(ledger, url):
    a_month(ledger)
    found = stated(url)
    assert [part["by"] for part in found["parts"]] == list(PARTS)
    for part in found["parts"]:
        assert sum(Decimal(line["cost"]) for line in part["lines"]) == Decimal(found["total"])
    assert int(Decimal(found["total"]) * 10**6) == by_team(ledger, period="2026-11")["speech"]


def test_a_closed_months_statement_stays_and_the_correction_is_in_the_next(ledger, url):
    a_month(ledger)
    ledger.close_period("2026-11", 0)
    before = stated(url)
    corrected(ledger)
    assert stated(url) == before
    assert before["closed"]
    days = {line["name"]: Decimal(line["cost"]) for line in stated(url, month="2026-12")["parts"][-1]["lines"]}
    assert days["2026-11-02"] == Decimal(24) * Decimal("3.96")


def test_a_team_that_owes_nothing_has_no_statement(ledger, url):
    a_month(ledger)
    with pytest.raises(NotFoundError, match="nobody was charged nothing in 2026-11"):
        stated(url, team="nobody")


def test_people_get_a_table_and_a_page(ledger, url, tmp_path):
    a_month(ledger)
    page = tmp_path / "page.html"
    command = ["statement", "speech", "2026-11", "--ledger", url, "--html", str(page)]
    shown = CliRunner().invoke(app, command, catch_exceptions=False).output
    assert "speech, 2026-11: " in shown
    assert "The month is open." in shown
    assert "<h2>By workload</h2>" in page.read_text()


class Links(html.parser.HTMLParser):
    """Whatever a page would fetch or run."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [tag for name, _ in attrs if name in ("src", "href") or name.startswith("on")]
        self.found += [tag] if tag in ("script", "link", "iframe", "img", "b") else []


def test_a_page_fetches_nothing_and_names_cannot_write_in_it():
    evil = "<script>alert(1)</script><b onclick=x>"
    line = StatementLine(evil, "-1.000000", 1.0)
    text = as_html(Statement(evil, "2026-11", "GBP", False, "0.000000", "0.000000", (StatementPart("kind", (line,)),)))
    links = Links()
    links.feed(text)
    assert links.found == []
