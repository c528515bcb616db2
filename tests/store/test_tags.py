"""Labels of pods come out as tags of the FOCUS export, and cannot pass for ours."""

import csv
import json

from typer.testing import CliRunner

from farthing.cli import app
from farthing.ledger.interval import DAY, Batch
from tests.ledgers import book, interval, supply


def test_tags_are_the_pods_labels_and_our_own(ledger, url, tmp_path):
    ledger.set_prices(book())
    labels = (("app.kubernetes.io/name", "chat"), ("farthing.dev/team", "forged"))
    tagged, plain = interval("tagged", tags=labels, end=DAY), interval("plain", compute=250, memory=0, end=DAY)
    ledger.ingest(Batch("c", 1, 1, DAY, (tagged, plain), (supply(),)))
    ledger.settle()
    file = tmp_path / "focus.csv"
    done = CliRunner().invoke(app, ["ledger", "focus", "1970-01", "--file", str(file), "--ledger", url])
    assert done.exit_code == 0, done.output
    with file.open(encoding="utf-8", newline="") as rows:
        tags = {row["x_Workload"]: json.loads(row["Tags"]) for row in csv.DictReader(rows)}
    assert tags["Job/tagged"]["app.kubernetes.io/name"] == "chat"
    assert tags["Job/tagged"]["farthing.dev/team"] == "vision"
    assert "app.kubernetes.io/name" not in tags["Job/plain"]
    assert "app.kubernetes.io/name" not in tags[""], "idle has no labels"
