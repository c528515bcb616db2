"""The spoke survives what happens to it and to the API server, and afterwards the books are right."""

import asyncio
import os
import random

from tests.e2e.conftest import LEASE_SECONDS, Load, Spoke, everybody_has_an_answer
from tests.e2e.faults import Faults, FaultyServer

KILLS = int(os.environ.get("FARTHING_KILLS", "50"))


async def test_killed_at_any_moment_again_and_again(site):
    """Kill -9 between any two writes, at random moments, under load."""
    site.cluster.spoke.stop()
    spoke, chance = Spoke(site.cluster, "killed"), random.Random(1)
    load = Load(site, 1)
    try:
        for _ in range(KILLS):
            spoke.start()
            await spoke.leading(site.connection)
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            spoke.process.kill()
        assert load.count > KILLS
    finally:
        await load.stop()
        await site.cluster.start_spoke(site.connection)
    await everybody_has_an_answer(site)
    await site.sound()


async def test_the_api_server_goes_away_and_comes_back_under_load(site):
    load, plane = Load(site, 2), site.cluster.plane
    try:
        for _ in range(3):
            await asyncio.sleep(3)
            plane.component("kube-apiserver").kill()
            await asyncio.sleep(1)
            await asyncio.to_thread(plane.start_component, "kube-apiserver")
        await asyncio.sleep(3)
    finally:
        await load.stop()
    await everybody_has_an_answer(site, 180)
    await site.sound()


async def test_a_second_spoke_stands_by_and_takes_over(site):
    site.cluster.spoke.stop()
    first, second = Spoke(site.cluster, "first"), Spoke(site.cluster, "second")
    try:
        first.start()
        await first.leading(site.connection)
        second.start()
        await asyncio.sleep(3 * LEASE_SECONDS)
        await first.leading(site.connection)
        await site.submit("before")
        await site.running("before")
        first.process.kill()
        await second.leading(site.connection)
        await site.submit("after")
        await site.running("after")
    finally:
        first.process.stop()
        second.process.stop()
        await site.cluster.start_spoke(site.connection)


async def _through(site, faults, seconds):
    """Let a spoke work through a faulty connection under load, then let the healthy one take over."""
    site.cluster.spoke.stop()
    async with FaultyServer(site.cluster, faults) as server:
        spoke = Spoke(site.cluster, "faulty", server.address)
        spoke.start()
        load = Load(site, 3)
        try:
            await asyncio.sleep(seconds)
            assert server.injected > 0
        finally:
            await load.stop()
            spoke.process.stop()
            await site.cluster.start_spoke(site.connection)
    await everybody_has_an_answer(site)
    await site.sound()


async def test_writes_are_refused_conflict_and_fail_at_random(site):
    await _through(site, Faults(refuse=0.3, statuses=(409, 429, 500, 503)), 20)


async def test_writes_succeed_but_their_answers_are_lost(site):
    await _through(site, Faults(lose_answer=0.3), 20)


async def test_watches_break_expire_and_repeat_old_news(site):
    await _through(site, Faults(cut_watch=0.02, expire_watch=0.3, repeat=0.2), 20)


async def test_the_api_server_is_slow(site):
    await _through(site, Faults(delay=0.3, delay_seconds=1.5), 20)
