"""An hour of work in fast time: what teams owe is what the API server's own audit of claims comes to.

Jobs of an hour come and go a hundred times as fast, at a hundred times the price, so that the statement is an hour's.
The audit is written by kube-apiserver; it is reckoned here in fractions, by other arithmetic than the ledger's.
"""

import asyncio
import json
import random
from collections import defaultdict
from contextlib import closing
from datetime import datetime
from fractions import Fraction
from importlib import resources

from sqlalchemy import select

from farthing.cli.install import install_into
from farthing.kube.connection import Connection
from farthing.ledger.read_prices import parse_price_book
from farthing.local.fleet import fleet_of_text
from farthing.local.publish import publish
from farthing.model.quantity import whole_units
from farthing.store.ask import Question, ask
from farthing.store.ledger import Ledger
from farthing.store.schema import intervals
from tests.clusters import running_cluster
from tests.e2e.conftest import Site, Spoke, eventually, leads, results

SPEED = 100
JOBS = 40
PER_HOUR = {"h100": 4, "a100": 2, "l4": 1}
MICRO = 1_000_000

AUDIT = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: RequestResponse
  verbs: [create, update, patch, delete]
  resources:
  - {group: resource.k8s.io, resources: [resourceclaims, resourceclaims/status]}
  - {group: "", resources: [pods/status]}
- level: None
"""
PRICES = {
    "version": 1,
    "since": "2026-01-01",
    "currency": "GBP",
    "lines": [{"perHour": "0"}, *({"model": m, "perHour": str(SPEED * price)} for m, price in PER_HOUR.items())],
}


def job(name, team, gpu, minutes, model):
    annotations = {"farthing.dev/gpu": gpu, "sim.farthing.dev/run": f"{minutes * 60 * 1000 // SPEED}ms"}
    annotations |= {"farthing.dev/gpu-model": model} if model else {}
    template = {
        "metadata": {"annotations": annotations, "labels": {"farthing.dev/team": team}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]},
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template}}


async def test_an_hours_statement_is_what_the_audit_of_claims_comes_to(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    with closing(Ledger.open(url)) as ledger:
        ledger.set_prices(parse_price_book(PRICES))
    with running_cluster(audit=AUDIT) as cluster:
        async with Connection.from_kubeconfig(cluster.kubeconfig) as connection:
            await install_into(connection, [])
            text = (resources.files("farthing.local") / "demo.yaml").read_text(encoding="utf-8")
            await publish(connection, list(fleet_of_text(text, "demo.yaml")), lambda _done, _total: None)
            await cluster.start_spoke(connection)
            await eventually(lambda: leads(connection), "the spoke leads")
            cluster.spoke.stop()
            options = ("--ledger", url, "--ledger-log", str(tmp_path / "log"))
            spoke = Spoke(cluster, "hour", options=options)
            spoke.start()
            try:
                await spoke.leading(connection)
                await an_hour(connection)
                devices = {
                    f"{s['spec']['driver']}/{s['spec']['pool']['name']}/{d['name']}": d
                    for s in (await connection.list_all("/apis/resource.k8s.io/v1/resourceslices"))[0]
                    for d in s["spec"]["devices"]
                }
            finally:
                spoke.process.stop()
        truth = audited(cluster.folder / "audit.log")
    with closing(Ledger.open(url)) as ledger:
        with ledger.database.reading() as connection:
            billed = connection.execute(select(intervals).where(intervals.c.use == "share")).all()
        days = (min(row.start for row in billed) // 86_400, max(row.end for row in billed) // 86_400)
        owed = {cost.names[0]: cost.amount for cost in ask(ledger.database, Question(("team",), *days)).costs}
    compare(truth, billed, devices, owed)


async def an_hour(connection):
    """Jobs come over an hour, and all of them end."""
    chance = random.Random(7)
    site = Site(None, connection, "default")
    path = "/apis/batch/v1/namespaces/default/jobs"
    for number in range(JOBS):
        gpu = chance.choice(["0.25", "0.5", "1", "2x0.5", "10Gi", "2"])
        model = chance.choice(["", "H100", "A100|L4"])
        await connection.create(
            path, job(f"j{number}", chance.choice(["vision", "speech"]), gpu, chance.randint(2, 20), model)
        )
        await asyncio.sleep(chance.expovariate(1) * 3600 / SPEED / JOBS)

    async def over():
        return (
            all(pod["status"]["phase"] == "Succeeded" for pod in await site.pods()) and len(await site.pods()) == JOBS
        )

    await eventually(over, "all jobs have ended", 120)
    await site.empty()


def instant(text):
    return datetime.fromisoformat(text).timestamp()


def audited(log):
    """What each claim had, by its uid: from when, until when, and the results of its allocation."""
    began, ended, had, pod_of, pod_ended = {}, {}, {}, {}, {}
    for line in log.read_text().splitlines():
        event = json.loads(line)
        found = event.get("responseObject") or {}
        if event["responseStatus"].get("code") not in (200, 201) or "metadata" not in found:
            continue
        uid = found["metadata"].get("uid")
        if event["objectRef"]["resource"] == "pods":
            if found["status"].get("phase") == "Succeeded":
                pod_ended.setdefault(uid, instant(event["requestReceivedTimestamp"]))
        elif results(found):
            began.setdefault(uid, instant(event["requestReceivedTimestamp"]))
            had[uid] = results(found)
            for user in found["status"].get("reservedFor", []):
                pod_of[uid] = user["uid"]
        elif uid in began:
            ended.setdefault(uid, instant(event["stageTimestamp"]))
    return {uid: (start, min(ended[uid], pod_ended[pod_of[uid]]), had[uid]) for uid, start in began.items()}


def part(result, device):
    """The larger of the parts of compute and memory that a result takes of a device."""
    has = {name: whole_units(capacity["value"]) for name, capacity in device["capacity"].items()}
    took = {name: whole_units(amount) for name, amount in result.get("consumedCapacity", {}).items()}
    return max(Fraction(took.get(name, whole), whole) for name, whole in has.items() if name in ("compute", "memory"))


def rate(device):
    """Micro-units a second."""
    model = device["attributes"]["model"]["string"].lower()
    price = next((price for name, price in PER_HOUR.items() if name in model.split("-") + model.split()), 0)
    return Fraction(SPEED * price * MICRO, 3600)


def compare(truth, billed, devices, owed):
    rows = defaultdict(list)
    for row in billed:
        rows[row.claim].append(row)
    assert len(truth) == JOBS
    assert set(rows) == set(truth)
    said, reckoned, slack, pieces = defaultdict(Fraction), defaultdict(Fraction), defaultdict(Fraction), 0
    for uid, (start, end, held) in truth.items():
        assert len(rows[uid]) == len(held)
        for row in rows[uid]:
            result = next(r for r in held if f"{r['driver']}/{r['pool']}/{r['device']}" == row.device)
            assert abs(row.start - int(start)) <= 1, (row, start)
            assert abs(row.end - int(end)) <= 1, (row, end)
            a_second = rate(devices[row.device]) * part(result, devices[row.device])
            said[row.team] += (row.end - row.start) * a_second
            reckoned[row.team] += Fraction(end - start) * a_second
            slack[row.team] += 2 * a_second
            pieces += 1
    assert set(said) == {"vision", "speech"}
    for team, amount in said.items():
        assert amount > 0
        assert abs(owed[team] - amount) <= 100 * pieces, "micro-units of rounding, a few a piece"
        assert abs(owed[team] - reckoned[team]) <= slack[team], "a second at each end"
