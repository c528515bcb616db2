"""A fleet file becomes nodes and slices, or a sentence that says what is wrong with it and where."""

import pytest

from farthing.cli.tracefile import find_file
from farthing.local.fleet import demo_fleet, fleet_of_text, load_fleet
from farthing.model.errors import InvalidError, NotFoundError

GROUP = {"prefix": "a", "nodes": "2", "gpus": "4"}
HEADER = "sn,cpu_milli,memory_mib,gpu,model\n"


def fleet(**fields: str) -> str:
    return "groups: [{" + ", ".join(f"{key}: {value}" for key, value in {**GROUP, **fields}.items()) + "}]"


def test_a_group_becomes_nodes_each_with_a_slice():
    made = list(fleet_of_text(fleet(model="H100", gpuMemory="80Gi", cpu="96", labels="{rack: r1}"), "f"))
    assert [(one["kind"], one["metadata"]["name"]) for one in made] == [
        ("Node", "a-0"),
        ("ResourceSlice", "a-0-gpu.farthing.dev"),
        ("Node", "a-1"),
        ("ResourceSlice", "a-1-gpu.farthing.dev"),
    ]
    node, resources = made[:2]
    assert node["metadata"]["labels"]["rack"] == "r1"
    assert node["metadata"]["labels"]["farthing.dev/gpu-model"] == "H100"
    assert node["status"]["allocatable"] == {"cpu": "96", "memory": "256Gi", "pods": "110"}
    assert [device["name"] for device in resources["spec"]["devices"]] == ["gpu-0", "gpu-1", "gpu-2", "gpu-3"]


def test_a_device_says_what_it_is_and_what_can_be_had_of_it():
    device = next(iter(list(fleet_of_text(fleet(gpuMemory="80Gi", isolation="[shared]"), "f"))[1]["spec"]["devices"]))
    assert device["allowMultipleAllocations"] is True
    assert device["attributes"]["simulated"] == {"bool": True}
    assert device["attributes"]["isolationShared"] == {"bool": True}
    assert device["attributes"]["isolationHard"] == {"bool": False}
    assert device["capacity"] == {
        "memory": {"value": "80Gi", "requestPolicy": {"default": "80Gi", "validRange": {"min": "1Mi", "step": "1Mi"}}},
        "compute": {"value": "1000", "requestPolicy": {"default": "1000", "validRange": {"min": "1", "step": "1"}}},
    }


def test_a_node_without_gpus_has_no_slice():
    assert [one["kind"] for one in fleet_of_text(fleet(gpus="0"), "f")] == ["Node", "Node"]


def test_the_demos_fleet_is_in_order():
    made = demo_fleet()
    assert sum(one["kind"] == "Node" for one in made) == 12
    assert sum(len(one["spec"]["devices"]) for one in made if one["kind"] == "ResourceSlice") == 56


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f: should be fields with their values, such as groups: "),
        ("- a", "f: should be fields with their values"),
        ("groups: [a]", "f: groups.0: should be fields with their values"),
        ("groups: []", "f: groups: "),
        ("groups: [", "f: is not YAML"),
        ("[" * 3000, "f: is not YAML: maximum recursion depth"),
        (fleet(nodes="2, nodes: 3"), "f: is not YAML: nodes is there twice, the second time in line 1"),
        ("nodes: 3", "f: groups: Field required"),
        (fleet(nodes="0"), "f: groups.0.nodes: "),
        (fleet(nodes="many"), "f: groups.0.nodes: "),
        (fleet(gpus="65"), "f: groups.0.gpus: "),
        (fleet(gpus="-1"), "f: groups.0.gpus: "),
        (fleet(prefix="UPPER"), "f: groups.0.prefix: "),
        (fleet(prefix="''"), "f: groups.0.prefix: "),
        (fleet(model="NVIDIA H100"), "f: groups.0.model: "),
        (fleet(gpuMemory="80GB"), "f: groups.0.gpuMemory: '80GB' is not a quantity"),
        (fleet(gpuMemory="1000M"), "f: groups.0.gpuMemory: must be whole MiB"),
        (fleet(gpuMemory="-1Gi"), "f: groups.0.gpuMemory: must be whole MiB and more than 0"),
        (fleet(gpuMemory="[80Gi]"), "f: groups.0.gpuMemory: expected a quantity"),
        (fleet(memory="0"), "f: groups.0.memory: must be more than 0"),
        (fleet(cpu="-2"), "f: groups.0.cpu: must be more than 0"),
        (fleet(cpu="true"), "f: groups.0.cpu: expected a quantity"),
        (fleet(isolation="[gentle]"), "f: groups.0.isolation.0: "),
        (fleet(colour="red"), "f: groups.0.colour: Extra inputs are not permitted"),
        ("groups: [{prefix: a, nodes: 1, gpus: 1}, {prefix: a, nodes: 1, gpus: 2}]", "two groups have the prefix 'a'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text, said):
    with pytest.raises(InvalidError) as error:
        list(fleet_of_text(text, "f"))
    assert said in str(error.value)
    assert "Value error" not in str(error.value)


def test_an_openb_list_becomes_nodes_with_the_memory_that_its_models_have(tmp_path):
    path = tmp_path / "nodes.csv"
    path.write_text(f"{HEADER}n-1,64000,262144,2,V100M32\n")
    node, resources = load_fleet(path)
    assert node["metadata"]["name"] == "n-1"
    assert node["status"]["allocatable"] == {"cpu": "64000m", "memory": "262144Mi", "pods": "110"}
    assert [device["capacity"]["memory"]["value"] for device in resources["spec"]["devices"]] == ["32Gi", "32Gi"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "nodes.csv:1: has no column sn, cpu_milli, memory_mib, gpu, model; expected an openb node list"),
        ("", "nodes.csv:1: has no column sn"),
        (f"{HEADER}n-1,many,1,2,T4\n", "nodes.csv:2: cpu_milli is 'many'; expected a whole number up to "),
        (f"{HEADER}n-1,1_000,1,2,T4\n", "nodes.csv:2: cpu_milli is '1_000'"),
        (f"{HEADER}n-1,{'9' * 5000},1,2,T4\n", f"nodes.csv:2: cpu_milli is '{'9' * 30}'...; expected"),
        (f"{HEADER}n-1,0,1,2,T4\n", "nodes.csv:2: cpu: must be more than 0"),
        (f"{HEADER}n-1,1000\n", "nodes.csv:2: has 2 fields; expected 5, as in line 1"),
        (f"{HEADER}n-1,1000,1024,1,T4,x\n", "nodes.csv:2: has 6 fields; expected 5, as in line 1"),
        (f"{HEADER}{'n' * 200_000},1,1,1,T4\n", "nodes.csv: is not CSV: field larger than field limit"),
        (f"{HEADER}n-1,1000,1024,99,T4\n", "nodes.csv:2: gpus: "),
        (f"{HEADER}n-1,1000,1024,1,T4\nn-1,1000,1024,1,T4\n", "nodes.csv:3: the node n-1 is there twice"),
    ],
)
def test_a_wrong_openb_list_is_named_with_its_line(tmp_path, text, said):
    path = tmp_path / "nodes.csv"
    path.write_text(text)
    with pytest.raises(InvalidError) as error:
        load_fleet(path)
    assert said in str(error.value)


@pytest.mark.parametrize("encode", [lambda t: b"\xef\xbb\xbf" + t, lambda t: t.replace(b"\n", b"\r\n")])
def test_what_spreadsheets_write_is_read(tmp_path, encode):
    for name, text in (("nodes.csv", f"{HEADER}n-1,64000,262144,2,V100M32\n"), ("fleet.yaml", f"{fleet()}\n")):
        (tmp_path / name).write_bytes(encode(text.encode()))
        assert load_fleet(tmp_path / name)


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"cannot read the fleet .*none.yaml: No such file"):
        load_fleet(tmp_path / "none.yaml")
    (tmp_path / "picture.yaml").write_bytes(b"\x89PNG\xff")
    with pytest.raises(InvalidError, match=r"picture.yaml: is not text in UTF-8"):
        load_fleet(tmp_path / "picture.yaml")


@pytest.mark.traces
def test_the_public_openb_list_has_its_nodes_and_gpus():
    try:
        path = find_file("openb_node_list_gpu_node.csv", None)
    except NotFoundError as error:
        pytest.skip(str(error))
    made = load_fleet(path)
    assert sum(one["kind"] == "Node" for one in made) == 1213
    assert sum(len(one["spec"]["devices"]) for one in made if one["kind"] == "ResourceSlice") == 6212
