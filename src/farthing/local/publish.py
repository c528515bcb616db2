"""Putting a simulated fleet into a cluster."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from farthing.kube.connection import Connection
from farthing.model.errors import ExistsError

AT_ONCE: Final = 16
_PATHS: Final = {"Node": "/api/v1/nodes", "ResourceSlice": "/apis/resource.k8s.io/v1/resourceslices"}


async def publish(
    connection: Connection, manifests: Sequence[dict[str, Any]], progress: Callable[[int, int], None]
) -> int:
    """Create what is not there yet; how many were. Nodes come before slices, and are given room by KWOK's stages."""
    slots = asyncio.Semaphore(AT_ONCE)
    done = created = 0

    async def put(manifest: dict[str, Any]) -> None:
        nonlocal done, created
        async with slots:
            try:
                await connection.create(_PATHS[manifest["kind"]], manifest)
                created += 1
            except ExistsError:
                pass  # it is what we wanted
            done += 1
            progress(done, len(manifests))

    for kind in _PATHS:
        await asyncio.gather(*(put(manifest) for manifest in manifests if manifest["kind"] == kind))
    return created
