"""What anybody may write on a claim: it is refused with a sentence, or it stands and harms nobody who reads claims."""

import asyncio
import time

import pytest

from farthing.kube.connection import Connection
from farthing.kube.resources import CLAIMS
from farthing.kube.share import ask_of_share
from farthing.kube.watch import Inbox, follow
from farthing.model.errors import FarthingError
from farthing.model.plan import Listed, Seen
from farthing.node.claims import ClaimWatch
from farthing.node.share import ClaimName
from tests.api.objects import DRY, claims, eventually

pytestmark = pytest.mark.cluster

OURS = '"apiVersion": "farthing.dev/v1", "kind": "Share"'
DEEPEST = 4900
"""Lists within each other that fit into the 10 KiB that Kubernetes allows."""

DEEP = "[" * DEEPEST + "]" * DEEPEST


def body(parameters: str, *, name="c", driver="gpu.farthing.dev", requests=1, configs=1) -> bytes:
    """A claim as text, since parameters may be what no program writes by itself."""
    asked = ",".join(f'{{"name": "r{i}", "exactly": {{"deviceClassName": "x"}}}}' for i in range(requests))
    said = ",".join([f'{{"opaque": {{"driver": "{driver}", "parameters": {parameters}}}}}'] * configs)
    return f'{{"metadata": {{"name": "{name}"}}, "spec": {{"devices": {{"requests": [{asked}], "config": [{said}]}}}}}}'.encode()


REFUSED = {
    "a thousand requests": (body(f'{{{OURS}, "gpu": "1"}}', requests=1000), "must have at most 32 items"),
    "a thousand configurations": (body(f'{{{OURS}, "gpu": "1"}}', configs=1000), "must have at most 32 items"),
    "more than a request may have": (body(f'{{{OURS}, "gpu": "{"9" * 3_200_000}"}}'), "too large"),
    "11 kB": (body(f'{{{OURS}, "gpu": "{"9" * 11_000}"}}'), "may not be more than 10240 bytes"),
    "lists in lists": (body(f'{{{OURS}, "gpu": {DEEP}}}'), "gpu: what is no text is not an amount"),
    "a list of lists instead of fields": (body(DEEP), "must be a valid JSON object"),
    "a zero byte": (body(f'{{{OURS}, "gpu": "1\\u0000"}}'), "is not an amount of GPU"),
    "half a character": (body(f'{{{OURS}, "gpu": "1", "gpuModel": "\\ud800"}}'), "names no models"),
    "a path": (body(f'{{{OURS}, "gpu": "1", "gpuModel": "../../etc/passwd"}}'), "names no models"),
    "a field in capitals": (body(f'{{{OURS}, "GPU": "1"}}'), "GPU: a Share has no such field"),
    "nothing for a field": (body(f'{{{OURS}, "gpu": null}}'), "gpu: what is no text is not an amount"),
    "a field of nonsense": (body(f'{{{OURS}, "gpu": "1", "a\\n\\u0000": 1}}'), "a Share has no such field"),
    "a field twice, wrong in the end": (body(f'{{{OURS}, "gpu": "1", "gpu": "../x"}}'), "'../x' is not an amount"),
}


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_makes_no_sense_is_refused_when_it_is_written(admin: Connection, namespace, content, sentence):
    with pytest.raises(FarthingError) as refused:
        await admin.create(claims(namespace), content, DRY)
    assert sentence in str(refused.value)


async def test_a_field_twice_is_read_as_it_was_judged(admin: Connection, namespace):
    made = await admin.create(claims(namespace), body(f'{{{OURS}, "gpu": "../x", "gpu": "0.25"}}'))
    ask = ask_of_share(made["spec"]["devices"]["config"][0]["opaque"]["parameters"])
    assert ask
    assert ask.amount() == "0.25"


async def test_a_claim_of_lists_in_lists_stops_nobody_who_reads_claims(admin: Connection, namespace):
    """For another driver Kubernetes lets it in; the spoke and the nodes see it, and what comes after it."""
    deep = f'{{"pool": "n1", "x": {DEEP}}}'
    await admin.create(claims(namespace), body(deep, name="before", driver="gpu.example.com"))
    inbox, listed, seen = Inbox(pytest.fail), asyncio.Event(), set[str]()
    node = ClaimWatch(admin, "n1", time.monotonic)
    readers = [asyncio.create_task(work) for work in (node.run(), follow(admin, CLAIMS, inbox, listed))]
    await asyncio.wait_for(listed.wait(), 30)
    made = [await admin.create(claims(namespace), body(deep, name=name, driver="gpu.example.com")) for name in "abc"]
    last = ClaimName(namespace, "c", made[-1]["metadata"]["uid"])

    async def followed() -> bool:
        assert not any(reader.done() for reader in readers)
        for news in inbox.drain():
            things = news.things if isinstance(news, Listed) else (news.thing,) if isinstance(news, Seen) else ()
            seen.update(one.key.name for one in things)
        return {"before", "a", "b", "c"} <= seen and node.get(last) is not None

    try:
        assert await eventually(followed)
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
