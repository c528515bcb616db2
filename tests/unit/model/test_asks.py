"""The grammar of asks."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.model.ask import (
    AMOUNT_PATTERN,
    Ask,
    ask_of_template,
    parse_ask,
    parse_duration,
    parse_priority,
    template_name,
)
from farthing.model.errors import InvalidError
from farthing.model.quantity import Bytes, MilliGpu

WRONG = [
    "abc",
    "0",
    "-1",
    "1.5",
    "0.0001",
    "1e9",
    "10Xi",
    "",
    "x" * 10_000,
    "٣",
    "0.0",
    "0.000",
    "33",
    "1.0",
    "00.5",
    "2x1",
    " 1",
    "1\n",
]


@pytest.mark.parametrize("text", WRONG, ids=lambda text: repr(text)[:20])
def test_a_wrong_amount_is_refused_with_what_was_expected(text):
    with pytest.raises(InvalidError, match=r"farthing.dev/gpu: .* expected a fraction") as caught:
        parse_ask(text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "ask"),
    [
        ("0.25", Ask(milli=MilliGpu(250))),
        ("0.5", Ask(milli=MilliGpu(500))),
        ("0.500", Ask(milli=MilliGpu(500))),
        ("0.001", Ask(milli=MilliGpu(1))),
        ("2", Ask(count=2, milli=MilliGpu(1000))),
        ("4x0.5", Ask(count=4, milli=MilliGpu(500))),
        ("10Gi", Ask(memory=Bytes(10 << 30))),
        ("1g.10gb", Ask(profile="1g.10gb", isolation="partition")),
    ],
)
def test_each_form_means_what_the_design_says(text, ask):
    assert parse_ask(text) == ask


def test_models_are_a_set_without_regard_to_case():
    assert parse_ask("1", "H100|A100") == parse_ask("1", "a100|h100")


@pytest.mark.parametrize("text", ["", "|", "H100|", "H 100", "a--b", "-a", "H100;rm", "m" * 151])
def test_wrong_models_are_refused(text):
    with pytest.raises(InvalidError, match=r"farthing\.dev/gpu-model"):
        parse_ask("1", text)


def test_a_mig_profile_goes_with_partition_only():
    with pytest.raises(InvalidError, match="partition by nature"):
        parse_ask("1g.10gb", isolation="hard")


amounts = st.from_regex(AMOUNT_PATTERN.replace("$", r"\Z"), alphabet=st.characters(codec="ascii"))
models = st.none() | st.lists(st.sampled_from(["H100", "A100-SXM4", "l4", "MI300X"]), min_size=1, max_size=4).map(
    "|".join
)


@given(amounts, models, st.sampled_from(["", "nvidia", "amd"]))
def test_a_templates_name_reads_back_as_the_ask(amount, model, vendor):
    ask = replace(parse_ask(amount, model), vendor=vendor)
    name = template_name(ask)
    assert len(name) <= 253
    assert ask_of_template(name) == ask


@given(st.text(max_size=60))
def test_no_name_of_a_template_breaks_the_reader(name):
    found = ask_of_template(name)
    assert found is None or name.startswith("farthing-")


@given(st.text(max_size=300), st.none() | st.text(max_size=200), st.none() | st.text(max_size=20))
def test_arbitrary_texts_are_asks_or_refused_by_name(amount, model, isolation):
    try:
        found, refused = parse_ask(amount, model, isolation), ""
    except InvalidError as error:
        found, refused = None, error.where
    assert isinstance(found, Ask) or refused.startswith("farthing.dev/")


def test_durations_and_priorities_are_read_or_refused():
    assert parse_duration("1d2h30m5s") == 86400 + 2 * 3600 + 30 * 60 + 5
    assert parse_priority("-5") == -5
    for wrong in ("", "5", "h", "1w", "-1h", "1h" * 20):
        with pytest.raises(InvalidError, match="length of time"):
            parse_duration(wrong)
    for wrong in ("", "1.5", "--1", "9" * 10, "٣"):
        with pytest.raises(InvalidError, match="priority"):
            parse_priority(wrong)
