"""The world is the same however the news of it arrived."""

from hypothesis import given
from hypothesis import strategies as st

from farthing.decide.cycle import plan
from farthing.model.cluster import Claim, Node, Pod
from farthing.model.plan import Gone, Listed, Seen
from farthing.state.world import World
from tests.builders import OWN_CLASS, OWN_PROFILE, allocated, asking, newer, node, slice_of


def history():
    """A short life of a cluster, each object's versions in order."""
    pod, claim = asking("p", "0.5", cpu=1000)
    held = allocated(claim, pod)
    gone, gone_claim = asking("gone", "0.25")
    late, late_claim = asking("late", "1")
    return [
        [Seen(OWN_PROFILE)],
        [Seen(OWN_CLASS)],
        [Seen(node("n0"))],
        [Seen(node("n1")), Seen(node("n1", cpu=32_000))],
        [Seen(slice_of("n0", 2))],
        [Seen(slice_of("n1", 2))],
        [Seen(pod), Seen(newer(pod, gated=False)), Seen(newer(pod, gated=False, node="n0"))],
        [Seen(claim), Seen(held)],
        [Seen(gone), Gone(Pod, gone.key, gone.version + 10_000)],
        [Seen(gone_claim), Gone(Claim, gone_claim.key, gone_claim.version + 10_000)],
        [Seen(late)],
        [Seen(late_claim)],
    ]


def told(news):
    found = World()
    for item in news:
        found.fold(item, 0.0)
    return found


def essence(found):
    snapshot = found.snapshot(0.0)
    free = snapshot.free
    columns = [column.tolist() for column in (free.compute, free.memory, free.users, free.cpu, free.pods)]
    return columns, sorted(w.pod.key for w in snapshot.waiting), [str(effect) for effect in plan(snapshot)]


@given(st.data())
def test_repeats_and_reordering_change_nothing(data):
    lives = history()
    straight = told([item for life in lives for item in life])
    everything = [item for life in lives for item in life]
    repeats = data.draw(st.lists(st.sampled_from(everything), max_size=10))
    shuffled = data.draw(st.permutations(everything + repeats))
    assert essence(told(shuffled)) == essence(straight)


@given(st.data())
def test_a_list_in_between_changes_nothing(data):
    lives = history()
    everything = [item for life in lives for item in life]
    straight = told(everything)
    cut = data.draw(st.integers(0, len(everything)))
    found = told(everything)
    nodes = tuple(straight.all(Node))
    version = max(n.version for n in nodes) + 100_000
    for item in [Listed(Node, nodes, version), *everything[cut:]]:
        found.fold(item, 0.0)
    assert essence(found) == essence(straight)
