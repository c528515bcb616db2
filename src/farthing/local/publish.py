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

    async def put(manifest: dict[str, Any], *, there: bool) -> None:
        nonlocal done, created
        if not there:
            async with slots:
                created += await _create(connection, manifest)
        done += 1
        progress(done, len(manifests))

    for kind, path in _PATHS.items():
        there = {found["metadata"]["name"] for found in (await connection.list_all(path))[0]}
        wanted = [manifest for manifest in manifests if manifest["kind"] == kind]
        await asyncio.gather(*(put(one, there=one["metadata"]["name"] in there) for one in wanted))
    return created


async def _create(connection: Connection, manifest: dict[str, Any]) -> bool:
    """Whether it was us who made it; somebody else may have been quicker, which is as good."""
    try:
        await connection.create(_PATHS[manifest["kind"]], manifest)
    except ExistsError:
        return False
    return True
