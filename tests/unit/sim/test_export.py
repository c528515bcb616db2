"""A cluster's state in a file: it comes back as it was, and a file that is wrong says where."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from farthing.decide.cycle import plan
from farthing.model.errors import InvalidError
from farthing.model.plan import Place
from farthing.sim.export import read, write
from farthing.state.residents import residents
from tests.builders import allocated, asking, node, slice_of, world
from tests.teams import quota, team


@pytest.fixture
def town():
    pod, claim = asking("runs", "0.5")
    runs = (replace(pod, node="n0", gated=False), allocated(claim, pod))
    return world(node("n0"), slice_of("n0", 2), runs, asking("waits", "1", models="H100|A100", priority=7))


def test_it_comes_back_as_it_was(town):
    content = write(town, 5.0)
    again, at = read(content, "file")
    assert at == 5.0
    assert write(again, at) == content


def test_teams_come_back_with_their_quotas():
    seen = world(
        node(), slice_of(), team("a", H100=quota(1, borrowing=0)), asking("p", "1", "a"), asking("q", "1", "a")
    )
    again, at = read(write(seen, 5.0), "file")
    assert plan(again.snapshot(at)) == plan(seen.snapshot(5.0))
    assert write(again, at) == write(seen, 5.0)


def test_the_same_is_decided_on_it(town):
    again, at = read(write(town, 5.0), "file")
    decided = plan(again.snapshot(at))
    assert [e.node for e in decided if isinstance(e, Place)] == ["n0"]
    assert decided == plan(town.snapshot(5.0))


def test_the_order_in_which_things_were_seen_does_not_matter():
    things = [node("n1"), slice_of("n1"), node("n0"), slice_of("n0"), asking("b", "1"), asking("a", "1")]
    assert write(world(*things), 0.0) == write(world(*reversed(things)), 0.0)


def broken(town, change):
    raw = json.loads(write(town, 5.0))
    change(raw)
    return json.dumps(raw).encode()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda raw: raw.update(version=2), r"^f\.json: version: 2 cannot be read; expected 1$"),
        (lambda raw: raw.pop("format"), r"^f\.json: is no file of `farthing export`; expected an object with"),
        (lambda raw: raw["nodes"][0].update(cpu="64"), r"^f\.json: nodes\[0\]\.cpu: expected int, got str$"),
        (lambda raw: raw["nodes"][0].pop("cpu"), r"^f\.json: nodes\[0\]: object missing required field cpu$"),
        (lambda raw: raw["nodes"][0].update(gpu=1), r"^f\.json: nodes\[0\]\.gpu: is unknown; expected one of cpu, "),
        (lambda raw: raw["claims"][1]["ask"].update(milli=1 << 63), r"^f\.json: claims\[1\]\.ask\.milli: \d+ is beyond"),
        (lambda raw: raw["nodes"].append(raw["nodes"][0]), r"^f\.json: nodes\[1\]: n0 is there already, as nodes\[0\]$"),
        (lambda raw: raw["pods"][0]["key"].pop(), r"^f\.json: pods\[0\]\.key: .*array of length 2"),
        (lambda raw: raw["pods"][0].update(claims=None), r"^f\.json: pods\[0\]\.claims: expected array, got null$"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_field(town, change, sentence):
    with pytest.raises(InvalidError, match=sentence):
        read(broken(town, change), "f.json")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1, 2]", b"null", b"groups:\n- {prefix: a}"])
def test_what_is_no_such_file_is_named_with_its_line(content):
    with pytest.raises(InvalidError, match=r"^f\.json(:1)?: .*expected"):
        read(content, "f.json")


def test_a_slip_of_the_hand_is_named_with_its_line(town):
    lines = write(town, 5.0).splitlines()
    lines[20] = lines[20].replace(b":", b";", 1)
    with pytest.raises(InvalidError, match=r"^f\.json:21: JSON is malformed"):
        read(b"\n".join(lines), "f.json")


def test_a_file_of_the_first_version_is_still_read():
    """Where this fails, files that people have are no longer read: give fields defaults, or raise the version."""
    content = (Path(__file__).parent / "export-1.json").read_bytes()
    found, at = read(content, "export-1.json")
    assert at == 120.0
    assert set(json.loads(content)) <= set(json.loads(write(found, at)))
    (waiting,) = found.snapshot(at).waiting
    (resident,) = residents(found)
    assert (waiting.pod.key.name, resident.pod.key.name, resident.team) == ("waits", "runs", "vision")
