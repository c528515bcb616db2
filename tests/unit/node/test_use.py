"""What processes use is joined to shares by the pods' cgroups; what belongs to no share is nobody's."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from farthing.node.devices import Device, Inventory, Sample
from farthing.node.share import shares_of
from farthing.node.use import MOST, UseCollector, pod_of, uses, workload_of
from tests.unit.node.conftest import DRIVER, EVERY_LEVEL, GIB, NODE, claim

POD = "8f2c5a6e-1111-4222-8333-444455556666"
INVENTORY = Inventory(
    (Device("gpu-0", 80 * GIB, EVERY_LEVEL, {"uuid": "GPU-0", "minor": 3, "productName": "NVIDIA H100"}),)
)


def share(number, pod):
    found = claim(number)
    found["status"]["reservedFor"] = [{"resource": "pods", "name": "p", "uid": pod}]
    return shares_of(found, DRIVER, NODE)[0]


@pytest.fixture
def proc(tmp_path):
    for number, line in (
        (10, f"0::/kubepods/burstable/pod{POD}/abc"),
        (11, f"0::/kubepods-pod{POD.replace('-', '_')}.slice/x"),
        (12, "0::/user.slice"),
    ):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cgroup").write_text(line + "\n")
    return tmp_path


def test_a_pod_is_known_by_either_cgroup_driver(proc):
    assert [pod_of(number, proc) for number in (10, 11, 12, 99)] == [POD, POD, "", ""]


def test_the_processes_of_a_pod_are_summed_on_its_share(proc):
    mine, other = share(1, POD), share(2, "another")
    samples = [Sample("gpu-0", 10, GIB, 100), Sample("gpu-0", 11, GIB, 50), Sample("gpu-0", 12, 9 * GIB, 900)]
    first, second = uses(samples, [mine, other], INVENTORY, proc)
    assert (first.share, first.memory, first.busy) == (mine, 2 * GIB, 150)
    assert (second.memory, second.busy) == (0, 0)


def test_prometheus_reads_what_is_had_beside_what_is_used(proc):
    registry = CollectorRegistry()
    collector = UseCollector()
    registry.register(collector)
    collector.uses = uses([Sample("gpu-0", 10, GIB, 100)], [share(1, POD)], INVENTORY, proc)
    text = generate_latest(registry).decode()
    labels = (
        '{claim="c1",device="gpu-0",isolation="shared",namespace="ns",share="s1",team="a",uuid="GPU-0",workload="p"}'
    )
    assert f"farthing_share_memory_used_bytes{labels} 1.073741824e+09" in text
    assert f"farthing_share_compute_ratio{labels} 0.25" in text


def test_dashboards_that_know_dcgm_find_its_names(proc):
    registry = CollectorRegistry()
    collector = UseCollector(dcgm=True, node="n1")
    registry.register(collector)
    collector.uses = uses([Sample("gpu-0", 10, GIB, 370)], [share(1, POD)], INVENTORY, proc)
    text = generate_latest(registry).decode()
    labels = '{Hostname="n1",UUID="GPU-0",device="nvidia3",gpu="3",modelName="NVIDIA H100",namespace="ns",pod="p"}'
    assert f"DCGM_FI_DEV_FB_USED{labels} 1024.0" in text
    assert f"DCGM_FI_DEV_GPU_UTIL{labels} 37.0" in text


def test_thousands_of_shares_are_not_thousands_of_series(proc):
    registry = CollectorRegistry()
    collector = UseCollector()
    registry.register(collector)
    collector.uses = uses([], [share(number, POD) for number in range(MOST + 7)], INVENTORY, proc)
    text = generate_latest(registry).decode()
    assert text.count("farthing_share_memory_bytes{") == MOST
    assert "farthing_node_unshown_shares 7.0" in text


@pytest.mark.parametrize(
    ("pods", "workload"),
    [
        (["chat-b74c75468-4rv5k", "chat-b74c75468-b9pxx"], "chat"),
        (["train-wl6jb"], "train"),
        (["index-0", "index-1"], "index"),
        (["notebook"], "notebook"),
        (["my-own-name"], "my-own-name"),
        (["chat-b74c75468-4rv5k", "train-wl6jb"], ""),
        ([], ""),
    ],
)
def test_a_workload_is_known_by_what_kubernetes_calls_its_pods(pods, workload):
    assert workload_of(pods) == workload
