"""However deep JSON is, it is read; what is not too deep is read as it is."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.kube import reading
from farthing.kube.reading import DEEPEST, reader, shallow
from farthing.kube.resources import CLAIMS
from farthing.kube.watch import Inbox

VALUES = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(alphabet='ab[]{}"\\, ')),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(alphabet='a[{"\\'), inner, max_size=3)
    ),
)


def cut(value, deepest):
    """What is to be left of a value."""
    if not isinstance(value, dict | list):
        return value
    if deepest == 0:
        return None
    if isinstance(value, list):
        return [cut(one, deepest - 1) for one in value]
    return {name: cut(one, deepest - 1) for name, one in value.items()}


@given(value=VALUES, deepest=st.integers(1, 4))
def test_null_is_in_place_of_what_is_too_deep_and_the_rest_is_as_it_was(value, deepest):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "DEEPEST", deepest)
        assert json.loads(shallow(json.dumps(value).encode())) == cut(value, deepest)


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_thousands_of_levels_are_read(begin, end):
    text = f'{{"deep": {begin * 9000}1{end * 9000}, "name": "c"}}'.replace("1", "null").encode()
    found = reader()(text)
    assert found["name"] == "c"
    assert str(found["deep"]).count(begin[0]) == DEEPEST - 1


@pytest.mark.parametrize("levels", [150, 300, 950, 5000])
def test_what_a_claim_carries_for_other_drivers_is_never_deeper_than_that(levels):
    """What one decoder can just read, the next one, deeper in the program, could not."""
    deep = f'{{"opaque": {{"driver": "x", "parameters": {"[" * levels + "]" * levels}}}}}'
    metadata = '{"namespace": "n", "name": "c", "creationTimestamp": "2026-01-01T00:00:00Z"}'
    claim = f'{{"metadata": {metadata}, "spec": {{"devices": {{"config": [{deep}]}}}}}}'
    inbox = Inbox(pytest.fail)
    inbox.put(CLAIMS, f'{{"type": "ADDED", "object": {claim}}}'.encode())
    (seen,) = inbox.drain()
    (entry,) = seen.thing.config
    assert min(levels, DEEPEST - 10) <= entry.count("[") <= DEEPEST


def test_what_is_no_json_is_still_an_error():
    with pytest.raises(msgspec.DecodeError):
        reader()(b"[" * 9000)
