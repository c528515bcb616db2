"""What the watch of claims says is believed while it speaks."""

import asyncio
import json

import pytest

from farthing.model.errors import ExpiredError, PermanentError, TransientError
from farthing.node.claims import TRUST_SECONDS, ClaimWatch
from tests.unit.node.conftest import NODE, claim, name


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def seen(clock):
    return ClaimWatch(None, NODE, clock)


def line(kind, found, version="7"):
    found["metadata"]["resourceVersion"] = version
    return json.dumps({"type": kind, "object": found}, separators=(",", ":")).encode()


def test_an_allocated_claim_of_this_node_is_known(seen):
    assert seen.take(line("MODIFIED", claim(1))) == "7"
    found = seen.get(name(1))
    assert found["metadata"] == {"namespace": "ns", "name": "c1", "uid": name(1).uid}
    assert found["status"]["allocation"] == claim(1)["status"]["allocation"]


def test_a_claim_of_another_node_is_not(seen):
    other = claim(1)
    other["status"]["allocation"]["devices"]["results"][0]["pool"] = NODE + "1"
    seen.take(line("MODIFIED", other))
    assert seen.get(name(1)) is None


@pytest.mark.parametrize("change", ["freed", "moved", "deleted"])
def test_what_is_no_longer_held_is_forgotten(seen, change):
    seen.take(line("ADDED", claim(1)))
    later = claim(1)
    if change == "freed":
        later["status"] = {}
    if change == "moved":
        later["status"]["allocation"]["devices"]["results"][0]["pool"] = "elsewhere"
    seen.take(line("DELETED" if change == "deleted" else "MODIFIED", later))
    assert seen.get(name(1)) is None
    assert len(seen) == 0


def test_a_watch_that_fell_silent_is_not_believed_until_it_speaks_again(seen, clock):
    seen.take(line("ADDED", claim(1)))
    clock.now += TRUST_SECONDS + 1
    assert seen.get(name(1)) is None
    seen.take(line("BOOKMARK", {"metadata": {}}))
    assert seen.get(name(1)) is not None


def test_the_end_of_a_version_is_an_error_of_its_own(seen):
    with pytest.raises(ExpiredError):
        seen.take(json.dumps({"type": "ERROR", "object": {"code": 410, "message": "too old"}}).encode())
    with pytest.raises(TransientError):
        seen.take(json.dumps({"type": "ERROR", "object": {"code": 500, "message": "oops"}}).encode())


class Refusing:
    """An API server that answers a list and then breaks the watch off, or allows neither."""

    def __init__(self, allowed):
        self.allowed = allowed
        self.asked = asyncio.Event()

    async def get(self, _path, _query):
        self.asked.set()
        if not self.allowed:
            raise PermanentError("resourceclaims is forbidden")
        return {"metadata": {"resourceVersion": "1"}}

    async def watch(self, _path, _version):
        yield line("ADDED", claim(1))
        raise TransientError("the connection broke")


@pytest.mark.parametrize("allowed", [True, False], ids=["interrupted", "not allowed"])
async def test_a_watch_that_breaks_or_is_not_allowed_makes_everything_be_asked_for(clock, allowed):
    server = Refusing(allowed)
    seen = ClaimWatch(server, NODE, clock)
    running = asyncio.create_task(seen.run())
    await server.asked.wait()
    await asyncio.sleep(0.01)
    assert len(seen) == int(allowed)
    assert seen.get(name(1)) is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
