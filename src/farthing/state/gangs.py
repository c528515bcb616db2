"""Gangs as they are: who belongs to each, how many of them have started, and how many must."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from farthing.model.cluster import Key, Pod
from farthing.model.gang import Member, Role
from farthing.model.group import Group


@dataclass(frozen=True)
class Gang:
    """One gang at an instant. `key` is its namespace and what tells it from others, `name` what people call it.

    `started` counts by role the pods that have their devices, run, or have done what they were to do; `waiting` those
    that are gated. `nodes` are where the started ones are. `newest` is when the last of its pods was created. `unseen`:
    the object that would say how large it is has not been seen; then `roles` are empty.
    """

    key: Key
    name: str
    roles: tuple[Role, ...]
    started: Counter[str]
    waiting: Counter[str]
    nodes: frozenset[str] = frozenset()
    newest: float = 0.0
    unseen: bool = False

    @cached_property
    def lacking(self) -> Counter[str]:
        """How many of each role must still start, and do so together."""
        return Counter({role.name: lack for role in self.roles if (lack := role.least - self.started[role.name]) > 0})

    @property
    def begun(self) -> bool:
        """Whether it was let go once: some of its pods have started."""
        return self.started.total() > 0

    @property
    def broken(self) -> bool:
        """It was let go, and has fewer pods than it needs."""
        return self.begun and bool(self.lacking)

    @property
    def size(self) -> int:
        """How many start together."""
        return sum(role.least for role in self.roles)


class Gangs:
    """The members of all gangs, by gang."""

    def __init__(self) -> None:
        self._members: dict[Key, set[Key]] = defaultdict(set)

    def learn(self, key: Key, old: Pod | None, new: Pod | None) -> None:
        """A pod has changed."""
        before, after = (Key(key.namespace, pod.gang.id) if pod and pod.gang else None for pod in (old, new))
        if before == after:
            return
        if before is not None:
            self._members[before].discard(key)
            if not self._members[before]:
                del self._members[before]
        if after is not None:
            self._members[after].add(key)

    def mates(self, pod: Pod) -> Iterable[Key]:
        """The pods of a pod's gang, itself included."""
        return self._members.get(Key(pod.key.namespace, pod.gang.id), ()) if pod.gang else ()


def gang_key(pod: Pod, member: Member, group: Group | None) -> Key:
    """What tells a pod's gang from others."""
    of_role = f" {member.role}" if group is not None and group.in_turn else ""
    return Key(pod.key.namespace, f"{member.id}{of_role}")


def gang_of(pod: Pod, member: Member, group: Group | None, mates: Iterable[Pod], placed: Callable[[Pod], str]) -> Gang:
    """The gang of a pod. `placed` gives the node on which a pod's devices are; empty where it has none."""
    if member.size is not None:
        roles: tuple[Role, ...] = (Role("", *member.size),)
    else:
        roles = group.roles if group is not None else ()
    if group is not None and group.in_turn:
        roles = tuple(role for role in roles if role.name == member.role)
    names = {role.name for role in roles}
    started, waiting = Counter[str](), Counter[str]()
    nodes, newest = set(), 0.0
    for mate in mates:
        role = mate.role if member.size is None else ""
        if mate.deleting or (mate.over and not mate.succeeded) or (group is not None and role not in names):
            continue
        newest = max(newest, mate.created)
        node = mate.node or placed(mate)
        if node and not mate.over:
            nodes.add(node)
        (started if node or mate.over or not mate.gated else waiting)[role] += 1
    called = f"{member.name} {member.role}" if group is not None and group.in_turn else member.name
    unseen = group is None and member.size is None
    return Gang(gang_key(pod, member, group), called, roles, started, waiting, frozenset(nodes), newest, unseen)
