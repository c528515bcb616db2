"""The score table says the same however it came to be, and in whichever way it is computed."""

import contextlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.decide import compiled, jit, vectors
from farthing.decide.board import IMPOSSIBLE
from farthing.decide.draft import Draft
from farthing.decide.needs import Need
from farthing.decide.place import place
from farthing.decide.table import Table
from farthing.model.ask import ISOLATIONS, parse_ask
from farthing.model.cluster import DEVICE_CLASS, Constraints, Key, Pod, Taint
from farthing.state.fleet import build_fleet
from farthing.state.mix import CLASSES, AskClass, Mix, typical_of
from farthing.state.usage import untouched
from tests.builders import GIB, OWN_CLASS, OWN_PROFILE, device, node, slice_of

AMOUNTS = ["0.25", "0.5", "0.333", "0.81", "1", "2", "3", "4x0.5", "2x0.7", "10Gi", "70Gi"]
MODELS = [("H100", 80), ("A100", 40), ("L4", 24)]


@contextlib.contextmanager
def computed_by(engine):
    before = jit.engine()
    jit._in_use[:] = [engine]
    yield
    jit._in_use[:] = [before]


@st.composite
def fleets(draw):
    """A few nodes, some alike, with different devices: taints, NVLink domains, some that take one user each."""
    nodes, slices = [], []
    for _ in range(draw(st.integers(1, 5))):
        model, gib = draw(st.sampled_from(MODELS))
        domains = draw(st.lists(st.sampled_from([None, 0, 1]), min_size=0, max_size=6))
        devices = []
        for d, domain in enumerate(domains):
            attributes = {} if domain is None else {"nvlinkDomain": domain}
            taints = (Taint("broken", "", "NoSchedule"),) if draw(st.integers(0, 9)) == 0 else ()
            multi = draw(st.integers(0, 9)) > 0
            devices.append(device(f"gpu-{d}", gib * GIB, model, attributes=attributes, taints=taints, multi=multi))
        cpu, pods = draw(st.sampled_from([4_000, 16_000, 96_000])), draw(st.integers(1, 6))
        for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
            nodes.append(node(name := f"n{len(nodes):02}", cpu=cpu, pods=pods))
            slices.append(slice_of(name, devices))
    return build_fleet(nodes, slices, [OWN_PROFILE], [OWN_CLASS])


@st.composite
def asks(draw):
    """A need with the cpu of its pod and the index of its team."""
    models = draw(st.sampled_from([None, None, "h100", "a100|l4"]))
    ask = parse_ask(draw(st.sampled_from(AMOUNTS)), models, draw(st.sampled_from(ISOLATIONS[:3])))
    return Need(ask.count, DEVICE_CLASS, ask), draw(st.sampled_from([0, 1_000, 3_152, 12_000])), draw(st.integers(0, 1))


def mix_of(found):
    mix = Mix()
    for need, cpu, _ in found:
        mix.add(AskClass(need.ask, cpu))
    return mix.typical()


def pod(cpu, name="p"):
    return Pod(Key("ns", name), name, 1, 0.0, Constraints(), cpu=cpu)


def history(draw, table, all_asks):
    """Take and give back at will; what was chosen each time."""
    held, chosen = [], []
    for ask in draw(st.lists(st.sampled_from(all_asks), max_size=25)):
        if held and draw(st.integers(0, 3)) == 0:
            question, spot, devices = held.pop(draw(st.integers(0, len(held) - 1)))
            table.take(question, spot, devices, -1)
        question = table.question(ask[0], ask[1], 0, ask[2])
        spot, devices = table.choose(question)
        chosen.append((spot, tuple(devices[: ask[0].count]) if spot >= 0 else ()))
        if spot >= 0:
            held.append((question, spot, devices[: ask[0].count].copy()))
            table.take(*held[-1])
    return chosen


class Replayed:
    """Draws the same again."""

    def __init__(self, draw):
        self.draw, self.drawn, self.at = draw, [], None

    def __call__(self, strategy):
        if self.at is None:
            self.drawn.append(self.draw(strategy))
            return self.drawn[-1]
        self.at += 1
        return self.drawn[self.at - 1]


@given(st.data(), fleets(), st.lists(asks(), min_size=1, max_size=8))
@settings(deadline=None, max_examples=150)
def test_numba_and_numpy_choose_the_same(data, fleet, all_asks):
    draw, found = Replayed(data.draw), []
    for engine in (vectors, compiled):
        with computed_by(engine):
            table = Table(fleet, untouched(fleet), mix_of(all_asks))
            found.append((history(draw, table, all_asks), table))
        draw.at = 0
    (numpy_chose, one), (numba_chose, other) = found
    assert numpy_chose == numba_chose
    for need, cpu, team in all_asks:
        with computed_by(vectors):
            by_numpy = one.scores(one.question(need, cpu, 0, team)).tolist()
        with computed_by(compiled):
            by_numba = other.scores(other.question(need, cpu, 0, team)).tolist()
        assert by_numpy == by_numba
    for name, column in one.board._asdict().items():
        assert (column == getattr(other.board, name)).all(), name


@given(st.data(), fleets(), st.lists(asks(), min_size=1, max_size=8))
@settings(deadline=None, max_examples=100)
@pytest.mark.parametrize("engine", [vectors, compiled])
def test_scores_kept_up_to_date_are_those_of_a_new_table(engine, data, fleet, all_asks):
    with computed_by(engine):
        table = Table(fleet, untouched(fleet), mix_of(all_asks[:3]))
        history(data.draw, table, all_asks)
        table.learn(mix_of(all_asks))
        history(data.draw, table, all_asks)
        b, free = table.board, untouched(fleet)
        free.compute[:], free.memory[:] = b.left
        free.users[:], free.mode[:], free.team[:] = b.on
        free.cpu[:], free.memory_of_node[:], free.pods[:] = b.room
        fresh = Table(fleet, free, mix_of(all_asks))
        for need, cpu, team in all_asks:
            kept, new = (t.scores(t.question(need, cpu, 0, team)).tolist() for t in (table, fresh))
            assert kept == new


@given(st.data(), fleets(), st.lists(asks(), min_size=1, max_size=8))
@settings(deadline=None, max_examples=100)
def test_nothing_is_ever_over_capacity_and_all_comes_back(data, fleet, all_asks):
    table = Table(fleet, untouched(fleet), mix_of(all_asks))
    history(data.draw, table, all_asks)
    b = table.board
    assert (b.left >= 0).all()
    assert (b.room >= 0).all()
    assert ((b.on[0] <= 1) | (b.multi == 1)).all()
    assert (b.on[0] >= 0).all()
    unused = b.on[0] == 0
    assert (b.left[:, unused] == b.size[:, b.shape[unused]]).all()


@given(fleets(), st.lists(asks(), min_size=1, max_size=25))
@settings(deadline=None, max_examples=100)
@pytest.mark.parametrize("engine", [vectors, compiled])
def test_a_simulation_and_the_spoke_place_alike(engine, fleet, all_asks):
    """The table chooses for a simulation what `place` finds for the spoke, device for device."""
    with computed_by(engine):
        mix, teams = mix_of(all_asks), {"a": 0, "b": 1}
        table, draft = Table(fleet, untouched(fleet), mix), Draft(fleet, untouched(fleet), teams, mix)
        for i, (need, cpu, team) in enumerate(all_asks):
            question = table.question(need, cpu, 0, team)
            spot, devices = table.choose(question)
            found = place(draft, pod(cpu, f"p{i}"), (need,), "ab"[team])
            if spot < 0:
                assert found is None
                continue
            mine = tuple(int(d) for d in devices[: need.count])
            assert found is not None
            assert (found.node, found.devices) == (spot, (mine,))
            table.take(question, spot, np.array(mine))
            for d in mine:
                draft.take(d, need, "ab"[team])
            draft.settle_on(spot, pod(cpu))


@given(
    fleets(), st.lists(st.tuples(st.integers(1, 999), st.integers(0, 90_000)), min_size=150, max_size=250, unique=True)
)
@settings(deadline=None, max_examples=15)
def test_asks_by_the_hundred_share_rows_and_still_get_only_what_fits(fleet, sizes):
    found = [(parse_ask(f"0.{milli:03d}".rstrip("0")), cpu) for milli, cpu in sizes if cpu]
    mix = typical_of(Counter(AskClass(ask, cpu) for ask, cpu in found))
    assert mix.grid > 0
    assert mix.rows > 0
    assert mix.typical <= CLASSES + 1
    table = Table(fleet, untouched(fleet), mix)
    for ask, cpu in found:
        question = table.question(Need(1, DEVICE_CLASS, ask), cpu, 0, 0)
        spot, devices = table.choose(question)
        able = _anywhere(table, question)
        assert (spot >= 0) == able
        if spot >= 0:
            table.take(question, spot, devices)
    assert (table.board.left >= 0).all()
    assert (table.board.room >= 0).all()
    assert len(table._row_of) < len(found)


def test_compiled_code_takes_only_the_arrays_that_it_was_made_for():
    """It reads them by address, so that another kind of number, or one that is in pieces, must be told apart before."""
    fleet = build_fleet([node()], [slice_of()], [OWN_PROFILE], [OWN_CLASS])
    table = Table(fleet, untouched(fleet), mix_of([]))
    arrays = [*table.board, *table._rows]
    assert compiled.hold(*arrays).shape == (len(arrays), 3)
    for wrong in (arrays[0].astype(np.int32), np.zeros(20, dtype=np.int64)[::2]):
        with pytest.raises(ValueError, match="array 0"):
            compiled.hold(wrong, *arrays[1:])


def _anywhere(table, question):
    """Whether the ask itself, not what stands for it, fits on some node."""
    out = np.zeros(32, dtype=np.int64)
    nodes = range(len(table._fleet.nodes))
    return any(jit.engine().pick(table._held, question.held, n, out) != IMPOSSIBLE for n in nodes)
