"""Kubernetes says who asks for costs and which teams they may see; tried on the real one, as users run the server."""

import os
import re
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from farthing.server.access import EVERY, Reviews, view
from farthing.server.problems import RefusedError
from farthing.store.ledger import Ledger
from tests.api.conftest import make_namespace
from tests.serving import ask
from tests.store.focus_month import a_month

pytestmark = pytest.mark.cluster

RBAC = "/apis/rbac.authorization.k8s.io/v1"
COSTS = "/v1/costs?since=2026-11-01&until=2026-11-30"


class Clock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


async def account(admin, namespace, name, *, role=None, rules=None):
    """A service account with a cluster role, one that is there or one of its own; its token."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    await admin.create(accounts, {"metadata": {"name": name}})
    if rules is not None:
        role = f"{namespace}-{name}"
        await admin.create(f"{RBAC}/clusterroles", {"metadata": {"name": role}, "rules": rules})
    if role is not None:
        binding = {
            "metadata": {"name": f"{namespace}-{name}"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        await admin.create(f"{RBAC}/clusterrolebindings", binding)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return (await admin.create(f"{accounts}/{name}/token", request))["status"]["token"]


def teams_rule(verb, *names):
    return [{"apiGroups": ["farthing.dev"], "resources": ["teams"], "verbs": [verb], "resourceNames": list(names)}]


@pytest.fixture
async def people(admin):
    """The server's account, somebody of team vision, one of speech, one who sees everything, and one of no team."""
    namespace = await make_namespace(admin)
    everything = [{"apiGroups": ["farthing.dev"], "resources": ["teams"], "verbs": ["get"]}]
    yield {
        "namespace": namespace,
        "server": await account(admin, namespace, "server", role="system:auth-delegator"),
        "ann": await account(admin, namespace, "ann", rules=teams_rule("use", "vision", "vision-2")),
        "sam": await account(admin, namespace, "sam", rules=teams_rule("get", "speech")),
        "fin": await account(admin, namespace, "fin", rules=everything),
        "nobody": await account(admin, namespace, "nobody"),
    }
    await admin.delete(f"/api/v1/namespaces/{namespace}")


async def test_people_are_who_their_tokens_say_and_see_what_rbac_lets_them(people, login):
    reviews = Reviews(await login(people["namespace"], "server"), Clock())
    known = ["speech", "vision", "vision-2"]
    seen = {}
    for name in ("ann", "sam", "fin"):
        caller = await reviews.caller(people[name])
        assert caller.name == f"system:serviceaccount:{people['namespace']}:{name}"
        seen[name] = (await view(reviews, caller, "", lambda: known)).teams
    assert seen == {"ann": {"vision", "vision-2"}, "sam": {"speech"}, "fin": None}
    nobody = await reviews.caller(people["nobody"])
    for team in ("", "vision"):
        with pytest.raises(RefusedError):
            await view(reviews, nobody, team, lambda: known)


async def test_a_token_that_kubernetes_does_not_know_is_good_for_nobody(people, login):
    reviews = Reviews(await login(people["namespace"], "server"), Clock())
    for token in ("", "made-up", people["ann"][:-4] + "AAAA"):
        assert await reviews.caller(token) is None


async def test_answers_are_kept_for_a_short_time_only(people, login, admin):
    clock = Clock()
    reviews = Reviews(await login(people["namespace"], "server"), clock, keep_seconds=30)
    caller = await reviews.caller(people["fin"])
    assert await reviews.may_see(caller, EVERY)
    await admin.delete(f"{RBAC}/clusterrolebindings/{people['namespace']}-fin")
    assert await reviews.may_see(caller, EVERY)
    clock.seconds += 31
    for _ in range(50):
        if not await reviews.may_see(caller, EVERY):
            break
        clock.seconds += 31  # the API server's own caches take their time
    assert not await reviews.may_see(caller, EVERY)


@contextmanager
def served(folder: Path, *options: str):
    """`farthing serve cost`; yields where it listens, and its log's path."""
    command = [sys.executable, "-m", "farthing", "serve", "cost", "--port", "0", *options]
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, stderr=out, env={**os.environ, "NO_COLOR": "1"})
    try:
        for _ in range(900):
            found = re.findall(r"url=(\S+)", log.read_text())
            if found:
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield found[0], log
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text()


async def test_the_server_shows_each_their_own_and_logs_no_token(people, login, tmp_path):
    await login(people["namespace"], "server")
    url = f"sqlite:///{tmp_path}/ledger.db"
    with closing(Ledger.open(url)) as ledger:
        a_month(ledger)
    kubeconfig = tmp_path / f"{people['namespace']}-server.yaml"
    with served(tmp_path, "--ledger", url, "--kubeconfig", str(kubeconfig)) as (address, log):
        found = {name: ask(f"{address}{COSTS}", people[name]) for name in ("ann", "sam", "fin", "nobody")}
        assert ask(f"{address}{COSTS}").status == 401
    assert [found[name].status for name in found] == [200, 200, 200, 403]
    seen = {name: {item["names"]["team"] for item in found[name].body["items"]} for name in ("ann", "sam", "fin")}
    assert seen["ann"] == {"vision", "vision-2"}
    assert seen["sam"] == {"speech"}
    assert seen["fin"] == {"vision", "vision-2", "speech", "(idle)", "(stranded)"}
    said = log.read_text()
    assert "system:serviceaccount" in said
    assert not any(people[name] in said for name in ("ann", "sam", "fin", "server"))
