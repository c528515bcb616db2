"""Nodes whose devices nobody can use although they are free: cpu, memory or places for pods are gone.

What is looked for is room for the least that is typically asked for. A node counts once two looks in a row find it so,
since pods come and go all the time.
"""

from collections.abc import Iterable

import numpy as np

from farthing.model.cluster import Pod
from farthing.state.mix import WHOLE, Typical
from farthing.state.snapshot import Snapshot


def cramped(snapshot: Snapshot, pods: Iterable[Pod]) -> frozenset[str]:
    """The nodes on which none of the typical asks has room; `pods` are those whose memory is typical."""
    free = snapshot.free
    full = (free.cpu < _least_cpu(snapshot.mix)) | (free.memory_of_node < _least_memory(pods)) | (free.pods < 1)
    return frozenset(snapshot.fleet.nodes[i].name for i in np.flatnonzero(full))


def _least_cpu(mix: Typical) -> int:
    """Thousandths of a core; the hope for whole devices, which is in every mix, asks for none."""
    return min((kind.cpu for kind, _ in mix.classes[: mix.typical] if kind != WHOLE), default=0)


def _least_memory(pods: Iterable[Pod]) -> int:
    """Bytes."""
    return min((pod.memory for pod in pods if pod.claims), default=0)
