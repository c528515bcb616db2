"""Whatever happens to a cluster, no device is given more than once over, nothing leaks, and everybody gets an answer.

The truth is a dictionary of objects with versions. The world sees it late and in pieces, effects succeed, conflict, or
succeed without an answer, spokes start over. It stands for no API server: it only keeps what was written.
"""

from collections import defaultdict
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from farthing.decide.audit import audit
from farthing.decide.cycle import plan
from farthing.model.cluster import Claim, DeviceId, Key, Node, Pod, Slice, Taint
from farthing.model.plan import DropSlice, Gone, Hold, Place, Release, Seen
from farthing.model.reason import Why
from farthing.state.world import World
from tests.builders import GIB, OWN_CLASS, OWN_PROFILE, asking, device, node, slice_of

ASKS = ["0.25", "0.5", "0.333", "1", "2", "2x0.5", "10Gi", "79Gi"]
NODES = [f"n{i}" for i in range(3)]


class ClusterLife(RuleBasedStateMachine):
    """One cluster with one spoke at a time."""

    def __init__(self):
        super().__init__()
        self.truth = {}
        self.version = 1_000_000
        self.news = []
        self.at = 0.0
        self.names = 0
        self.promised = {}

    # The truth ----------------------------------------------------------------------------------------------------

    def write(self, thing):
        self.version += 1
        found = replace(thing, version=self.version)
        self.truth[type(thing), thing.key] = found
        self.news.append(Seen(found))
        return found

    def erase(self, kind, key):
        if self.truth.pop((kind, key), None) is not None:
            self.version += 1
            self.news.append(Gone(kind, key, self.version))

    def all(self, kind):
        return [thing for (found, _), thing in self.truth.items() if found is kind]

    @initialize()
    def begin(self):
        for thing in (OWN_PROFILE, OWN_CLASS, *map(node, NODES), *(slice_of(name, 2) for name in NODES)):
            self.write(thing)
        for i in range(6):
            self.arrive(ASKS[i], "ab"[i % 2], hard=False, cpu=0)
        self.start_spoke()

    @rule()
    def start_spoke(self):
        """A new spoke knows what it lists, and nothing else."""
        self.world = World()
        self.news.clear()
        for thing in self.truth.values():
            self.world.fold(Seen(thing), self.at)

    @rule(count=st.integers(0, 8))
    def see(self, count):
        for item in self.news[:count]:
            self.world.fold(item, self.at)
        del self.news[:count]

    @rule(seconds=st.sampled_from([0.5, 5.0, 60.0]))
    def time_passes(self, seconds):
        self.at += seconds
        self.world.sweep(self.at)

    # What users, nodes and Kubernetes do ---------------------------------------------------------------------------

    @rule(
        gpu=st.sampled_from(ASKS),
        team=st.sampled_from(["a", "b"]),
        hard=st.booleans(),
        cpu=st.sampled_from([0, 30_000]),
    )
    def arrive(self, gpu, team, hard, cpu):
        self.names += 1
        pod, claim = asking(f"p{self.names}", gpu, team, isolation="hard" if hard else None, cpu=cpu)
        self.write(pod)
        self.write(claim)

    @rule(data=st.data())
    @precondition(lambda self: self.all(Pod))
    def end(self, data):
        """A pod is over or deleted; kube-controller-manager takes its share back."""
        pod = data.draw(st.sampled_from(sorted(self.all(Pod), key=lambda p: p.key)))
        if data.draw(st.booleans()):
            self.write(replace(pod, over=True))
        else:
            self.erase(Pod, pod.key)
        for claim in self.all(Claim):
            if claim.owner == pod.uid:
                self.erase(Claim, claim.key)

    @rule()
    def bind(self):
        """kube-scheduler binds pods that were let go to where their shares are."""
        for pod in self.all(Pod):
            claim = next((c for c in self.all(Claim) if c.owner == pod.uid), None)
            if not pod.gated and pod.waits and claim and claim.allocation:
                self.write(replace(pod, node=claim.allocation.node))

    @rule(data=st.data())
    @precondition(lambda self: self.promised)
    def bind_late(self, data):
        """kube-scheduler binds from what it saw some moments ago: to a node that the pod was promised once."""
        uid = data.draw(st.sampled_from(sorted(self.promised)))
        pod = next((p for p in self.all(Pod) if p.uid == uid and p.waits and not p.gated), None)
        if pod is not None and (Node, Key("", self.promised[uid])) in self.truth:
            self.write(replace(pod, node=self.promised[uid], refusal=""))

    @rule()
    def bind_while_taking_back(self):
        """A refused pod is bound in the very moment in which its share is taken back."""
        claims = {claim.owner: claim for claim in self.all(Claim)}
        loose = (p for p in self.all(Pod) if not p.gated and p.waits)
        pod = next((p for p in loose if p.uid in claims and claims[p.uid].allocation), None)
        if pod is None:
            return
        old = claims[pod.uid].allocation.node
        self.write(replace(pod, refusal="0/3 nodes are available"))
        self.see(len(self.news))
        self.at += 60
        for effect in plan(self.world.snapshot(self.at)):
            self.world.assume(effect, self.at)
            self.apply(effect, answer=True)
            self.world.settle(effect, self.at)
        now = self.truth[Pod, pod.key]
        if now.waits and (Node, Key("", old)) in self.truth:
            self.write(replace(now, node=old, refusal=""))

    @rule(data=st.data())
    def refuse(self, data):
        loose = sorted((p for p in self.all(Pod) if not p.gated and p.waits), key=lambda p: p.key)
        if loose:
            self.write(replace(data.draw(st.sampled_from(loose)), refusal="0/3 nodes are available"))

    @rule(name=st.sampled_from(NODES), broken=st.booleans(), generation=st.integers(2, 9))
    def republish(self, name, broken, generation):
        taints = (Taint("xid", "79", "NoExecute"),) if broken else ()
        devices = [device("gpu-0", taints=taints), device("gpu-1")]
        old = self.truth.get((Slice, Key("", f"{name}-gpu")))
        if old is not None:
            self.write(replace(slice_of(name, devices), generation=max(generation, old.generation)))

    @rule(name=st.sampled_from(NODES))
    def lose_node(self, name):
        self.erase(Node, Key("", name))
        for pod in [p for p in self.all(Pod) if p.node == name]:
            self.erase(Pod, pod.key)
            for claim in [c for c in self.all(Claim) if c.owner == pod.uid]:
                self.erase(Claim, claim.key)

    @rule(name=st.sampled_from(NODES))
    def add_node(self, name):
        if (Node, Key("", name)) not in self.truth:
            self.write(node(name))
            self.write(slice_of(name, 2))

    # The spoke ----------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def decide_and_apply(self, data):
        for effect in plan(self.world.snapshot(self.at)):
            self.world.assume(effect, self.at)
            outcome = data.draw(st.sampled_from(["done", "done", "done", "refused", "crash"]))
            if outcome == "crash":
                self.apply(effect, answer=False)
                self.start_spoke()
                return
            if outcome == "done":
                self.apply(effect, answer=True)
            self.world.settle(effect, self.at)

    def apply(self, effect, *, answer):
        """Write as the API server would: only on the version that was decided on."""
        before = len(self.news)
        if isinstance(effect, Place):
            stands = all(self.grant(grant, effect.pod) for grant in effect.grants)
            pod = self.truth.get((Pod, effect.pod.key))
            if stands and pod is not None and pod.uid == effect.pod.uid:
                self.write(replace(pod, gated=False, verdict=effect.reason, placed=True))
        elif isinstance(effect, Release):
            claim = self.truth.get((Claim, effect.claim.key))
            if claim is not None and claim.version == effect.claim.version:
                self.write(replace(claim, allocation=None, users=()))
        elif isinstance(effect, Hold):
            pod = self.truth.get((Pod, effect.pod.key))
            if pod is not None:
                self.write(replace(pod, verdict=effect.reason, placed=False))
        elif isinstance(effect, DropSlice):
            self.erase(Slice, effect.slice.key)
        if answer:
            for item in self.news[before:]:
                self.world.fold(item, self.at)

    def grant(self, grant, pod):
        claim = self.truth.get((Claim, grant.claim.key))
        if claim is None or claim.version != grant.claim.version:
            return False
        self.promised[pod.uid] = grant.allocation.node
        self.write(replace(claim, allocation=grant.allocation, users=((pod.key.name, pod.uid),)))
        return True

    # What always holds --------------------------------------------------------------------------------------------

    @invariant()
    def no_device_is_over_capacity(self):
        used = defaultdict(lambda: [0, 0])
        mates = defaultdict(set)
        for claim in self.all(Claim):
            for result in claim.allocation.results if claim.allocation else ():
                for i, what in enumerate(("compute", "memory")):
                    used[result.device][i] += dict(result.consumed)[what]
                mates[result.device].add((claim.allocation.isolation, claim.allocation.team))
        assert all(compute <= 1000 and memory <= 80 * GIB for compute, memory in used.values())
        assert all(len(found) == 1 for found in mates.values())

    @invariant()
    def nobody_is_let_go_without_a_share(self):
        claims = {claim.owner: claim for claim in self.all(Claim)}
        for pod in self.all(Pod):
            if pod.waits and not pod.gated and not pod.refusal:
                claim = claims.get(pod.uid)
                lost = claim is not None and claim.allocation is None
                assert claim is None or not lost or pod.verdict is not None

    def teardown(self):
        """When all is quiet: everybody has a share or a reason, and the books are right."""
        if not self.truth:
            return
        self.start_spoke()
        at_rest = 0
        for _ in range(60):
            self.at += 61
            self.world.sweep(self.at)
            effects = plan(self.world.snapshot(self.at))
            for effect in effects:
                self.world.assume(effect, self.at)
                self.apply(effect, answer=True)
                self.world.settle(effect, self.at)
            for pod in [p for p in self.all(Pod) if p.refusal]:
                self.news.append(Seen(self.write(replace(pod, refusal=""))))
            self.see(len(self.news))
            at_rest = 0 if effects else at_rest + 1
            if at_rest == 2:  # the first look only notes when it saw a pod without its share
                break
        else:
            raise AssertionError("the plan never comes to rest")
        claims = {claim.owner: claim for claim in self.all(Claim)}
        for pod in self.all(Pod):
            if not (pod.over or pod.deleting) and pod.uid in claims:
                held, said = claims[pod.uid].allocation, pod.verdict
                if pod.node and held is None:
                    assert said is not None, "bound without a share, and not told"
                    assert said.why is Why.MISPLACED, "bound without a share, and told something else"
                elif pod.node:
                    assert held.node == pod.node, "bound to another node than its share is on"
                else:
                    assert held is not None or said is not None, "neither a share nor a reason"
        snapshot = self.world.snapshot(self.at)
        live = {DeviceId(*d) for d in snapshot.fleet.devices}
        found = audit(snapshot.fleet, snapshot.free, self.all(Claim))
        assert [d for d in found if "no slice publishes" not in d.sentence] == []
        assert len(live) == len(snapshot.fleet.devices)


ClusterLife.TestCase.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
TestClusterLife = ClusterLife.TestCase
