"""What `farthing devices` says of each device."""

import pytest

from farthing.cli.devices import chosen, device_rows
from farthing.model.errors import NotFoundError


def test_a_device_shows_who_is_on_it_and_what_is_given(town):
    town.pod("a", "0.25", on=("n1", 250, "gpu-0")).pod("b", "0.5", on=("n1", 500, "gpu-0"))
    row = device_rows(town.look())[0]
    assert (row.node, row.device, row.model, row.mode, row.team) == ("n1", "gpu-0", "H100", "shared", "default")
    assert (row.compute_given, row.compute) == (750, 1000)
    assert row.memory_bytes_given * 4 == row.memory_bytes * 3
    assert [share.pods for share in row.shares] == [("default/a",), ("default/b",)]


def test_free_leaves_out_devices_that_somebody_is_on(town):
    town.pod("a", "0.25", on=("n1", 250, "gpu-0"))
    free = chosen(device_rows(town.look()), "", "", free=True)
    assert [(row.node, row.device) for row in free] == [("n1", "gpu-1"), ("n2", "gpu-0"), ("n2", "gpu-1")]


def test_a_model_is_matched_by_its_words(town):
    town.node("n3", model="NVIDIA L40S")
    rows = device_rows(town.look())
    assert {row.node for row in chosen(rows, "", "l40s", free=False)} == {"n3"}
    with pytest.raises(NotFoundError, match="no device is of model 'L40'; the cluster has H100, NVIDIA-L40S"):
        chosen(rows, "", "L40", free=False)


def test_a_node_that_is_not_there_is_named(town):
    with pytest.raises(NotFoundError, match="no node 'n9'"):
        chosen(device_rows(town.look()), "n9", "", free=False)
