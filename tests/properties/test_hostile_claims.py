"""Whatever a claim holds: the node prepares it or refuses it with a sentence, and writes nowhere else."""

import asyncio
import contextlib
import copy
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.model.errors import FarthingError
from tests.unit.node.conftest import Rig, claim

HOSTILE = st.one_of(
    st.sampled_from(
        [
            "",
            "../../../etc/passwd",
            "/",
            "a/../b",
            "$(reboot)",
            "`id`",
            "; rm -rf /",
            "a\nb",
            "a\x00b",
            "x" * 5000,
            "\u202e",
        ]
    ),
    st.text(max_size=30),
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


def places(value, path=()):
    """Every place within a value."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


STATUS = [path for path in places(claim(1, level="hard")) if path[0] == "status"]


def changed(found, path, value):
    found = copy.deepcopy(found)
    *outer, last = path
    inside = found
    for key in outer:
        inside = inside[key]
    inside[last] = value
    return found


@given(path=st.sampled_from(STATUS), value=HOSTILE)
@settings(max_examples=300, deadline=None)
def test_any_part_of_a_claim_may_be_anything(path, value):
    with tempfile.TemporaryDirectory() as where:
        rig = Rig(Path(where) / "node")
        asyncio.run(_prepared(rig, changed(claim(1, level="hard"), path, value)))
        assert [found.name for found in Path(where).iterdir()] in ([], ["node"])
        files = [found for found in rig.folder.rglob("*") if found.is_file()]
        assert {found.parent.name for found in files} <= {"claims", "cdi", "node"}
        assert all(
            found.name in ("journal", "serialize.lock") or found.name.startswith("farthing.dev-gpu_0")
            for found in files
        )


async def _prepared(rig, found):
    name = rig.give(1)
    rig.claims["c1"] = found
    driver = rig.restart()
    with contextlib.suppress(FarthingError):
        await driver.prepare(name)
        await driver.unprepare(name)
    assert rig.left() == []
