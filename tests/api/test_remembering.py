"""What teams borrowed lately outlives the spoke: it is written on the Team, with the spoke's rights, and read again."""

from types import SimpleNamespace

from farthing.kube.resources import TEAMS
from farthing.kube.teams import read_lately, read_verdicts, verdict, write_verdict
from farthing.kube.watch import read_list
from farthing.model.plan import Seen
from farthing.spoke.remembering import Remembering
from farthing.state.world import World
from tests.api.teams import add, clear
from tests.builders import GIB, OWN_CLASS, OWN_PROFILE, allocated, asking, node, slice_of

HALF_LIFE = 3600.0
AT = 1_700_000_000.0


async def starting(connection):
    """A spoke that has just started: its world, with the teams of the cluster, and its memory."""
    world = World(HALF_LIFE)
    teams = read_list(await connection.request("GET", TEAMS.path)).items
    for thing in (OWN_PROFILE, OWN_CLASS, node(), slice_of("n0", 8), *map(TEAMS.thing, teams)):
        world.fold(Seen(thing), AT)
    remembering = Remembering(connection, SimpleNamespace(world=world, leading=lambda: True), HALF_LIFE)
    await remembering.recall()
    return world, remembering


def lately(world, at):
    snapshot = world.snapshot(at)
    return snapshot.used.past[snapshot.tree.at("borrower")][0]


async def test_a_spoke_that_starts_anew_knows_who_borrowed_lately(admin, spoke, namespace):
    await add(admin, "borrower", None, namespaces=[namespace])
    await write_verdict(spoke, "borrower", verdict(""), "2026-01-01T00:00:00Z")
    world, remembering = await starting(spoke)
    assert lately(world, AT) == 0
    pod, claim = asking("hog", "1", namespace)
    for thing in (pod, allocated(claim, pod, compute=1000, memory=80 * GIB)):
        world.fold(Seen(thing), AT)
    lately(world, AT)
    assert lately(world, AT + HALF_LIFE) == 500
    await remembering.once()
    assert (await read_lately(admin))["borrower"].at == AT + HALF_LIFE
    assert (await read_verdicts(admin))["borrower"] == verdict("")
    again, _ = await starting(spoke)
    assert lately(again, AT + 2 * HALF_LIFE) == 250
    await clear(admin, spoke)
