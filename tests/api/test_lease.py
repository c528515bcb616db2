"""One spoke decides at a time, whatever the clocks on the walls say."""

import asyncio

from farthing.spoke.lease import Lease


class Clock:
    """A steady clock that a test moves."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


def lease(connection, namespace, who, clock, stamp="2026-01-01T00:00:00.000000Z"):
    return Lease(connection, namespace, who, steady=clock, stamp=lambda: stamp, duration=10)


async def test_the_first_holds_it_and_the_second_stands_by_until_it_is_silent(admin, namespace):
    clock = Clock()
    first, second = lease(admin, namespace, "first", clock), lease(admin, namespace, "second", clock)
    assert await first._try()
    assert not await second._try()
    clock.seconds += 9
    assert not await second._try()
    clock.seconds += 2
    assert await second._try()
    assert not await first._try()


async def test_a_renewal_counts_from_when_it_is_seen_not_from_what_it_says(admin, namespace):
    clock = Clock()
    first = lease(admin, namespace, "first", clock, "1999-01-01T00:00:00.000000Z")
    again = lease(admin, namespace, "first", clock, "1999-01-01T00:00:01.000000Z")
    second = lease(admin, namespace, "second", clock, "2077-01-01T00:00:00.000000Z")
    assert await first._try()
    assert not await second._try()
    clock.seconds += 9
    assert await again._try()
    clock.seconds += 2
    assert not await second._try()


async def test_whoever_could_not_renew_stops_writing_before_anybody_else_may_start(admin, namespace):
    clock = Clock()
    first = lease(admin, namespace, "first", clock)
    assert not first.may_write()
    first._renewed = clock()
    assert first.may_write()
    clock.seconds += first.duration - first.safety
    assert not first.may_write()


async def test_of_two_who_reach_for_it_at_once_one_gets_it(admin, namespace):
    clock = Clock()
    both = [lease(admin, namespace, name, clock) for name in ("one", "two")]
    results = await asyncio.gather(*(one._try() for one in both), return_exceptions=True)
    assert sum(result is True for result in results) == 1


async def test_a_clean_end_gives_it_back_at_once(admin, namespace):
    clock = Clock()
    first, second = lease(admin, namespace, "first", clock), lease(admin, namespace, "second", clock)
    assert await first._try()
    first._renewed = clock()
    await first.give_up()
    assert await second._try()
