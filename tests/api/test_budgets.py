"""What the API server refuses of a Budget, and what it lets in is read."""

import pytest

from farthing.kube.connection import Connection
from farthing.ledger.read_budgets import parse_budget
from farthing.model.errors import InvalidError
from tests.api.objects import DRY

pytestmark = pytest.mark.cluster

PATH = "/apis/farthing.dev/v1alpha1/budgets"


def budget(**spec):
    spec = {"team": "vision", **spec}
    return {"apiVersion": "farthing.dev/v1alpha1", "kind": "Budget", "metadata": {"name": "b"}, "spec": spec}


@pytest.mark.parametrize(
    "spec",
    [
        {"money": "1000.50"},
        {"gpuHours": "3", "period": "Quarter", "onExhausted": "Stop", "forecast": False, "warnAt": "0.5"},
        {"money": "0", "period": "Days", "days": 7, "from": "2026-11-02", "onExhausted": "Warn"},
    ],
)
async def test_what_is_let_in_is_read(admin: Connection, spec):
    stored = await admin.create(PATH, budget(**spec), DRY)
    assert parse_budget("spec", "b", stored["spec"]) == parse_budget("spec", "b", budget(**spec)["spec"])


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({}, "expected either money or gpuHours"),
        ({"money": "1", "gpuHours": "1"}, "expected either money or gpuHours"),
        ({"money": "-1"}, "spec.money in body should match"),
        ({"money": "1e18"}, "spec.money in body should match"),
        ({"money": "1" * 18}, "spec.money"),
        ({"money": 5}, "spec.money"),
        ({"money": "1", "team": "Vision!"}, "spec.team in body should match"),
        ({"money": "1", "days": 7}, "days goes with period: Days, and period: Days needs it"),
        ({"money": "1", "period": "Days"}, "days goes with period: Days, and period: Days needs it"),
        ({"money": "1", "period": "Days", "days": 0}, "spec.days"),
        ({"money": "1", "from": "2026-11-02"}, "from goes with period: Days only"),
        ({"money": "1", "period": "Week"}, 'Unsupported value: "Week"'),
        ({"money": "1", "onExhausted": "Panic"}, 'Unsupported value: "Panic"'),
        ({"money": "1", "warnAt": "1.5"}, "spec.warnAt in body should match"),
    ],
)
async def test_a_wrong_budget_is_refused_with_a_sentence(admin: Connection, spec, sentence):
    with pytest.raises(InvalidError) as caught:
        await admin.create(PATH, budget(**spec), DRY)
    assert sentence in str(caught.value)
