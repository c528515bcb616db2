"""What a run notes of itself."""

from itertools import pairwise

from farthing.files.fleet import Described, Group
from farthing.files.pods import TracePod
from farthing.sim.engine import Setting, run
from farthing.sim.fleet import simulated
from farthing.sim.results import Mode
from farthing.sim.workload import arrivals

FLEET = simulated([Described(f"n{i}", Group(prefix="n", nodes=1, gpus=2)) for i in range(4)], 1)
PODS = arrivals([TracePod(f"p{i}", 1000, 1024, 1, (1000, 700, 300)[i % 3], (), i, i + 40) for i in range(60)])


def test_pods_turned_away_only_grow_in_number_though_counting_begins_after_the_warm_up():
    found = run(FLEET, PODS, "Farthing", Setting(Mode.churn, load=1.5))
    assert all(one <= other for one, other in pairwise(found.curve.waiting))
    assert 0 < found.rejected < found.curve.waiting[-1]


def test_a_replay_says_what_was_given_on_average_not_in_the_end():
    found = run(FLEET, PODS, "Farthing", Setting(Mode.replay))
    mean = sum(found.curve.allocation[:-1]) / (len(found.curve.allocation) - 1)
    assert abs(found.allocation - mean) < 2
    assert found.curve.allocation[-1] > mean + 2
