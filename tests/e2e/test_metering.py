"""What the ledger holds is what an independent witness, who watches claims alone, saw: to the second."""

import asyncio
import contextlib
import json
import time

from sqlalchemy import select

from farthing.store.ledger import Ledger
from farthing.store.schema import intervals, supplies
from tests.e2e.conftest import Spoke, eventually, results

CLAIMS = "/apis/resource.k8s.io/v1/namespaces/{}/resourceclaims"


class Witness:
    """Watches the claims of a namespace and writes down when each had what."""

    def __init__(self, site):
        self._site = site
        self.began = {}
        self.ended = {}
        self.task = asyncio.create_task(self._watch())

    async def _watch(self):
        path = CLAIMS.format(self._site.namespace)
        _, version = await self._site.connection.list_all(path)
        async for line in self._site.connection.watch(path, version):
            event = json.loads(line)
            claim = event["object"]
            uid = claim["metadata"].get("uid")
            if event["type"] == "BOOKMARK":
                continue
            if results(claim) and event["type"] != "DELETED":
                self.began.setdefault(uid, time.time())
            elif uid in self.began:
                self.ended.setdefault(uid, time.time())

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def test_the_ledger_holds_what_a_witness_saw_also_when_the_spoke_is_killed(site, tmp_path):
    site.cluster.spoke.stop()
    url = f"sqlite:///{tmp_path}/ledger.db"
    spoke = Spoke(site.cluster, "metering", options=("--ledger", url, "--ledger-log", str(tmp_path / "log")))
    witness = Witness(site)
    try:
        spoke.start()
        await spoke.leading(site.connection)
        for name, gpu in (("a", "0.25"), ("b", "0.5"), ("c", "1"), ("d", "2x0.5")):
            await site.submit(name, gpu)
            await site.running(name)
        await site.connection.delete(site.pods_path("a"))
        await asyncio.sleep(7)
        spoke.process.kill()
        spoke.start()
        await spoke.leading(site.connection)
        await asyncio.sleep(7)
        for name in ("b", "d"):
            await site.connection.delete(site.pods_path(name))
        await eventually(lambda: _ended(witness, 3), "the shares of a, b and d have ended")
        await asyncio.sleep(1)
    finally:
        spoke.process.stop()
        await witness.stop()
        await site.cluster.start_spoke(site.connection)
    _compare(url, witness)


async def _ended(witness, count):
    return len(witness.ended) >= count


def _compare(url, witness):
    ledger = Ledger.open(url)
    with ledger.database.reading() as connection:
        rows = connection.execute(select(intervals).where(intervals.c.use == "share")).all()
        devices = connection.execute(select(supplies.c.device).distinct()).all()
    ledger.close()
    billed = {row.claim: row for row in rows}
    assert set(billed) == set(witness.began)
    assert len(rows) == len(witness.began) + 1, "one claim has two devices, each share is one interval"
    for claim, began in witness.began.items():
        assert abs(billed[claim].start - began) <= 2
        assert (billed[claim].end is None) == (claim not in witness.ended)
        if claim in witness.ended:
            assert abs(billed[claim].end - witness.ended[claim]) <= 2
    assert {row.compute for row in rows} == {250, 500, 1000}
    assert len(devices) > 5
