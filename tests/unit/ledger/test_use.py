"""Samples add up to what was used of what was granted, and counters to what came of it."""

import pytest

from farthing.ledger.interval import DAY, LARGEST_USED, Batch, Used, check_batch
from farthing.ledger.use import Owner, Sample, UseMeter
from farthing.model.errors import InvalidError

VISION = Owner("vision", "prod", "Deployment/chat")
OWNERS = {("prod", "chat-claim"): VISION}
MIB = 1 << 20


def of_share(busy=0.25, compute=0.5, used=10, memory=40, claim="chat-claim"):
    labels = {"namespace": "prod", "claim": claim, "share": "s"}
    numbers = {
        "farthing_share_busy_ratio": busy,
        "farthing_share_compute_ratio": compute,
        "farthing_share_memory_used_bytes": used * MIB,
        "farthing_share_memory_bytes": memory * MIB,
    }
    return [Sample(name, labels, value) for name, value in numbers.items()]


def of_server(generated, prompt=0.0, requests=0.0, **labels):
    return [
        Sample("vllm:generation_tokens_total", labels, generated),
        Sample("vllm:prompt_tokens_total", labels, prompt),
        Sample("vllm:request_success_total", {**labels, "finished_reason": "stop"}, requests),
        Sample("vllm:request_success_total", {**labels, "finished_reason": "length"}, requests),
    ]


def test_the_time_between_two_samples_is_measured():
    meter = UseMeter("c")
    for at in (100.0, 130.0, 160.0):
        meter.shares("node", of_share(), OWNERS, at)
    assert meter.take() == (Used("c", 0, *VISION, busy=60 * 250, granted=60 * 500, used_mib=600, granted_mib=2400),)
    assert meter.take() == ()


def test_what_nobody_said_anything_of_is_not_made_up():
    meter = UseMeter("c")
    meter.shares("node", of_share(), OWNERS, 100.0)
    meter.shares("node", of_share(), OWNERS, 100.0 + 121)
    meter.shares("node", of_share(), OWNERS, 200.0)
    meter.shares("other", of_share(), OWNERS, 210.0)
    meter.shares("node", of_share(claim="nobodys"), OWNERS, 230.0)
    meter.shares("node", of_share(busy=float("nan"), compute=-1, used=float("inf"), memory=1e30), OWNERS, 231.0)
    assert meter.take() == ()


def test_a_day_of_its_own_for_each_day():
    meter = UseMeter("c")
    for at in (DAY - 20.0, DAY - 10.0, DAY + 10.0):
        meter.shares("node", of_share(), OWNERS, at)
    assert [(one.day, one.granted) for one in meter.take()] == [(0, 5000), (1, 10_000)]


def test_counters_count_from_where_they_are_first_seen_and_anew_when_they_go_back():
    meter = UseMeter("c")
    for total in (1000.0, 1500.0, 200.0, 300.0):
        meter.server("uid", of_server(total, prompt=2 * total, requests=total / 100), VISION, 10.0)
    (found,) = meter.take()
    assert (found.generated_tokens, found.prompt_tokens, found.requests) == (800, 1600, 16)


def test_the_models_of_one_server_are_added_up():
    meter = UseMeter("c")
    for total in (10.0, 15.0):
        both = [*of_server(total, model_name="a"), *of_server(total, model_name="b")]
        meter.server("uid", both, VISION, 10.0)
    assert meter.take()[0].generated_tokens == 10


def test_a_server_that_is_gone_is_forgotten():
    meter = UseMeter("c")
    meter.server("uid", of_server(1000.0), VISION, 10.0)
    meter.forget(["another"])
    meter.server("uid", of_server(2000.0), VISION, 20.0)
    assert meter.take() == ()


def test_what_could_not_be_written_comes_again_with_what_came_since():
    meter = UseMeter("c")
    for total in (0.0, 7.0):
        meter.server("uid", of_server(total), VISION, 10.0)
    meter.give_back(meter.take())
    meter.server("uid", of_server(10.0), VISION, 20.0)
    assert meter.take()[0].generated_tokens == 10


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"cluster": "d"}, "used[0].cluster"),
        ({"day": -1}, "used[0].day"),
        ({"team": ""}, "used[0].team"),
        ({"workload": "x" * 507}, "used[0].workload"),
        ({"busy": -1}, "used[0].busy"),
        ({"generated_tokens": LARGEST_USED + 1}, "used[0].generated_tokens"),
    ],
)
def test_what_no_meter_says_is_refused(changes, path):
    fields = {"cluster": "c", "day": 1, "team": "vision", "namespace": "prod", "workload": "", **changes}
    with pytest.raises(InvalidError) as caught:
        check_batch(Batch("c", 1, 1, 10, used=(Used(**fields),)))
    assert caught.value.where == path
