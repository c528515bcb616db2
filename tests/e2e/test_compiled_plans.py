"""A spoke that was just started leads at once, and soon plans with compiled kernels."""

import aiohttp

from tests.e2e.conftest import LEASE, eventually


async def test_the_spoke_plans_with_compiled_kernels_and_kept_its_lease_meanwhile(site):
    address = f"http://127.0.0.1:{site.cluster.plane.ports()['metrics']}/metrics"

    async def compiled():
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            return "farthing_kernels_compiled 1.0" in await answer.text()

    holder = (await site.connection.get(LEASE))["spec"]["holderIdentity"]
    await eventually(compiled, "plans are made with compiled kernels", 120)
    await site.submit("shared", "0.25")
    await site.submit("several", "2x0.5")
    for name in ("shared", "several"):
        await site.running(name)
    assert (await site.connection.get(LEASE))["spec"]["holderIdentity"] == holder
