"""What `farthing top` adds up."""

from farthing.cli.top import by_pod, by_team
from farthing.cli.use import by_model, by_node


def test_nodes_are_sorted_by_use_and_count_their_whole_free_devices(town):
    town.pod("a", "0.25", on=("n2", 250, "gpu-0"))
    first, second = by_node(town.look())
    assert (first.node, first.whole_free, first.use.used, first.use.idle) == ("n2", 1, 0.25, 1)
    assert (second.node, second.whole_free, second.use.used) == ("n1", 2, 0.0)


def test_a_models_use_is_the_sum_of_its_devices(town):
    town.pod("a", "2", on=("n1", 1000, "gpu-0", "gpu-1"))
    (row,) = by_model(town.look())
    assert (row.model, row.use.devices, row.use.idle, row.use.used) == ("H100", 4, 2, 2.0)
    assert row.use.compute_given == 2000


def test_teams_count_what_they_hold_and_who_waits(town):
    town.team("lab", "vision").pod("a", "0.5", namespace="vision", on=("n1", 500, "gpu-0"))
    town.pod("b", "8", namespace="lab")
    (row,) = by_team(town.look())
    assert (row.team, row.pods, row.shares, row.used, row.part, row.waiting) == ("vision", 1, 1, 0.5, 0.125, 1)


def test_a_pods_devices_are_one_row(town):
    town.pod("small", "0.25", on=("n2", 250, "gpu-0")).pod("big", "2", on=("n1", 1000, "gpu-0", "gpu-1"))
    big, small = by_pod(town.look())
    assert (big.pod, big.used, big.node, big.devices) == ("default/big", 2.0, "n1", ("gpu-0", "gpu-1"))
    assert (small.pod, small.asks, small.isolation) == ("default/small", ("0.25 (shared)",), "shared")
