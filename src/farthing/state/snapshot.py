"""Everything one decision may look at, frozen at one instant."""

from dataclasses import dataclass, field
from typing import Any

from farthing.model.budget import Budgets
from farthing.model.cluster import Allocation, Claim, Key, Pod, Slice
from farthing.state.fleet import Fleet, Ints
from farthing.state.gangs import Gang
from farthing.state.mix import NOTHING, Typical
from farthing.state.teams import Tree, Used


@dataclass(frozen=True, slots=True, eq=False)
class Free:
    """What is left, in the columns' order and units of the Fleet.

    `users` counts the shares on a device; `mode` is how it is shared, a bit of `LEVEL_BIT` (0: nobody is on it; several
    bits: somebody broke the rules); `team` is the index of the team whose shares are on it (-1: nobody's, -2: several).
    `counters` is what is left of each shared counter, `extras` of a device's other capacities by (device index, name),
    for devices on which a share was ever seen. `ports` are the host ports in use by node index; `others` what
    is left of other resources by (node index, name), for nodes on which a pod was ever seen.
    """

    compute: Ints
    memory: Ints
    users: Ints
    mode: Ints
    team: Ints
    cpu: Ints
    memory_of_node: Ints
    pods: Ints
    counters: Ints
    extras: dict[tuple[int, str], int]
    ports: dict[int, frozenset[tuple[str, str, int]]]
    others: dict[tuple[int, str], int]

    def copy(self) -> "Free":
        """Columns of its own, to plan in."""
        return Free(
            compute=self.compute.copy(),
            memory=self.memory.copy(),
            users=self.users.copy(),
            mode=self.mode.copy(),
            team=self.team.copy(),
            cpu=self.cpu.copy(),
            memory_of_node=self.memory_of_node.copy(),
            pods=self.pods.copy(),
            counters=self.counters.copy(),
            extras=dict(self.extras),
            ports=dict(self.ports),
            others=dict(self.others),
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pod without a node that has claims. `claims` are those that Kubernetes has made, in the pod's order.

    `complete`: all of them are made. `team` is the pod's, its namespace's, or else the namespace itself.
    `since`: when we first saw the allocation that it has (None: it has none of ours).
    `avoid`: nodes on which kube-scheduler refused it lately. `refusals`: how many of its shares went back for that.
    `gang`: those with whom it starts.
    `memo` is for what decisions remember of it.
    """

    pod: Pod
    claims: tuple[Claim, ...]
    complete: bool
    team: str
    since: float | None = None
    avoid: frozenset[str] = frozenset()
    refusals: int = 0
    gang: Gang | None = None
    memo: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Stray:
    """A pod on a node without all its shares there: kube-scheduler bound it while one was being taken back.

    `kept` are the allocations that are still kept for it, by claim; `since` is when we first saw it so.
    """

    pod: Pod
    claims: tuple[Claim, ...]
    team: str
    since: float
    kept: tuple[tuple[Key, Allocation], ...] = ()


@dataclass(frozen=True, slots=True)
class Resident:
    """A pod on a node with the claims of ours that it holds there. `team` as in `Waiting`."""

    pod: Pod
    claims: tuple[Claim, ...]
    team: str


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A pod that holds shares."""

    pod: Pod
    team: str
    allocations: tuple[Allocation, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One cluster at the instant `at` (seconds since 1970).

    `teams` gives the names behind the indices in `free.team`. `orphans` are allocated claims whose users are all gone,
    with the instant since when. `crowded` are devices of which more was given than they have, with their claims.
    `stale` are slices whose node is gone. `mix` is what has been asked for lately. `budgets` is what teams may spend,
    None where nobody set any. `under_way` are the pods that budgets look at: those that say how long they run, and all
    where a budget stops work; none where there are no budgets. `tree` are the teams and
    `used` what they use; None while there is no Team: then nothing is governed. `leaving` were told to go for others,
    or are being deleted.
    """

    at: float
    fleet: Fleet
    free: Free
    teams: tuple[str, ...]
    waiting: tuple[Waiting, ...]
    templates: frozenset[Key]
    orphans: tuple[tuple[Claim, float], ...] = ()
    crowded: tuple[tuple[str, tuple[Claim, ...]], ...] = ()
    stale: tuple[Slice, ...] = ()
    strays: tuple[Stray, ...] = ()
    mix: Typical = NOTHING
    tree: Tree | None = None
    used: Used | None = None
    leaving: tuple[Resident, ...] = ()
    budgets: Budgets | None = None
    under_way: tuple[UnderWay, ...] = ()
