"""Pages of metrics are read of whom may be believed, and what cannot be read harms nobody."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from farthing.ledger.use import UseMeter
from farthing.spoke.metrics import Metrics
from farthing.spoke.scraping import Scraper, samples_of
from tests.builders import allocated, asking, node, slice_of, world

SHARES = b"""# HELP farthing_share_busy_ratio Part of the time.
# TYPE farthing_share_busy_ratio gauge
farthing_share_busy_ratio{namespace="team-a",claim="p-claim",share="s",device="gpu-0"} 0.25
farthing_share_compute_ratio{namespace="team-a",claim="p-claim",share="s",device="gpu-0"} 0.5
farthing_share_memory_used_bytes{namespace="team-a",claim="p-claim",share="s",device="gpu-0"} 1.048576e+06
farthing_share_memory_bytes{namespace="team-a",claim="p-claim",share="s",device="gpu-0"} 2.097152e+06
python_info{version="3"} 1
"""


@asynccontextmanager
async def serving(pages):
    """A server of pages, as functions; its address."""

    async def answer(request):
        return await pages[request.path](request)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def page(text):
    async def answer(_):
        return web.Response(body=text)

    return answer


def tokens(count):
    return f'vllm:generation_tokens_total{{engine="0",model_name="m"}} {count}\nvllm:prompt_tokens_total 5\n'.encode()


async def scraped(pages, *pods, times=2):
    """What comes of reading pages a few times, ten seconds apart; pods as (name, namespace, path, holds a share)."""
    instants = iter(float(10 * i) for i in range(1, 10))
    use, metrics = UseMeter("c"), Metrics()
    async with serving(pages) as url, aiohttp.ClientSession() as session:
        things = [node(), slice_of(devices=4)]
        for i, (name, namespace, path, holds) in enumerate(pods):
            pod, claim = asking(name, "0.25", namespace, gated=False, node="n0", metrics=f"{url}{path}" if path else "")
            things += [pod, allocated(claim, pod, f"gpu-{i}") if holds else claim]
        here = world(*things)
        scraper = Scraper(use, metrics, "farthing-system", lambda: next(instants))
        for _ in range(times):
            await scraper.once(here, session)
    unread = metrics.registry.get_sample_value("farthing_unread_pages_total")
    return use.take(), unread


async def test_a_drivers_page_tells_what_shares_use():
    pods = [("driver", "farthing-system", "/metrics", False), ("p", "team-a", "", True)]
    (found,), unread = await scraped({"/metrics": page(SHARES)}, *pods)
    assert (found.team, found.namespace, found.workload) == ("team-a", "team-a", "Pod/p")
    assert (found.busy, found.granted, found.used_mib, found.granted_mib) == (2500, 5000, 10, 20)
    assert unread == 0


async def test_nobody_else_is_believed_about_shares():
    pods = [("liar", "team-b", "/metrics", True), ("p", "team-a", "", True)]
    assert (await scraped({"/metrics": page(SHARES)}, *pods))[0] == ()


async def test_a_server_tells_how_many_tokens_it_made():
    count = iter((100, 250))

    async def counting(_):
        return web.Response(body=tokens(next(count)))

    (found,), _ = await scraped({"/m": counting}, ("chat", "team-a", "/m", True))
    assert (found.workload, found.generated_tokens, found.prompt_tokens) == ("Pod/chat", 150, 0)


async def test_a_pod_without_a_share_is_not_asked():
    async def never(_):
        pytest.fail("asked")

    assert (await scraped({"/m": never}, ("chat", "team-a", "/m", False))) == ((), 0)


async def test_pages_that_are_wrong_late_or_elsewhere_harm_nobody():
    async def late(_):
        await asyncio.sleep(60)

    async def elsewhere(_):
        raise web.HTTPFound("/good")

    async def broken(_):
        return web.Response(status=500, body=tokens(7))

    count = iter((1, 2))

    async def good(_):
        return web.Response(body=tokens(next(count)))

    pages = {
        "/late": late,
        "/elsewhere": elsewhere,
        "/broken": broken,
        "/good": good,
        "/wrong": page(b"vllm:prompt_tokens_total x\n"),
    }
    pods = [(name, "team-a", f"/{name}", True) for name in ("elsewhere", "broken", "wrong", "good")]
    (found,), unread = await scraped(pages, *pods)
    assert (found.workload, found.generated_tokens) == ("Pod/good", 1)
    assert unread == 2, "wrong was read twice in vain"


def test_only_what_is_wanted_is_read_of_a_page():
    large = b"some_other_metric 1\n" * 200_000
    assert [(s.name, s.value) for s in samples_of(large + tokens(3))] == [
        ("vllm:generation_tokens_total", 3.0),
        ("vllm:prompt_tokens_total", 5.0),
    ]
