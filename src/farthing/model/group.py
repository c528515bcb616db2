"""What makes gangs: a JobSet, a LeaderWorkerSet, a PyTorchJob, a RayCluster, cut down to who starts together."""

from dataclasses import dataclass, field

from farthing.model.cluster import Key
from farthing.model.gang import Role


@dataclass(frozen=True, slots=True)
class Group:
    """An object whose pods are a gang, or several gangs alike. The name in its `key` is Kind/name.

    `in_turn`: it makes the pods of one role only when those of another run, so that each role is a gang of its own.
    """

    key: Key
    version: int = field(compare=False)
    roles: tuple[Role, ...] = ()
    in_turn: bool = False
