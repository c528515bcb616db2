"""The level and the limits in force, written on the claim's status, where the meter and people read them."""

import asyncio
from typing import Any, Final

import structlog

from farthing.kube.connection import Connection
from farthing.kube.resources import claim_path
from farthing.model.cluster import Key
from farthing.model.errors import ConflictError, FarthingError, NotFoundError, TransientError
from farthing.node.checkpoint import Record
from farthing.node.devices import Device, Inventory
from farthing.node.limits import compute_of, has_wall, memory_of
from farthing.node.share import Share

_log = structlog.get_logger(__name__)

CONDITION: Final = "Ready"
WALL: Final = "MemoryLimitedByCgroup"
_ATTEMPTS: Final = 8


def device_status(
    record: Record, driver: str, pool: str, inventory: Inventory, now: str, *, walled: bool | None = None
) -> list[dict[str, Any]]:
    """`status.devices` of a claim. Shares of devices that are gone since are left out.

    `walled` is whether the memory of its containers is limited by their cgroups, None where that is not done here.
    """
    found = ((share, inventory.device(share.device)) for share in record.shares)
    return [_entry(share, device, driver, pool, now, walled) for share, device in found if device]


def _entry(share: Share, device: Device, driver: str, pool: str, now: str, walled: bool | None) -> dict[str, Any]:
    memory, compute = memory_of(share, device), compute_of(share, device)
    return {
        "driver": driver,
        "pool": pool,
        "device": share.device,
        **({"shareID": share.share_id} if share.share_id else {}),
        "conditions": [
            {
                "type": CONDITION,
                "status": "True",
                "reason": "Prepared",
                "message": f"{compute} thousandths and {memory} bytes of {share.device} at {share.level}",
                "lastTransitionTime": now,
            },
            *(_wall(now, inside=walled) if walled is not None and has_wall(share, device) else ()),
        ],
        "data": {
            "apiVersion": "farthing.dev/v1",
            "kind": "ShareInForce",
            "isolation": share.level,
            "team": share.team,
            "memory": memory,
            "compute": compute,
        },
    }


def _wall(now: str, *, inside: bool) -> list[dict[str, Any]]:
    status, reason, who = ("True", "Limited", "all") if inside else ("False", "MpsOnly", "not all")
    return [
        {
            "type": WALL,
            "status": status,
            "reason": reason,
            "message": f"{who} its containers are limited by cgroup, beside MPS",
            "lastTransitionTime": now,
        }
    ]


async def report(connection: Connection, record: Record, devices: list[dict[str, Any]]) -> bool:
    """Write it; whether it stands. The container does not wait for this, so what is refused is only logged.

    A patch by JSON pointer, since it leaves the bytes of the allocation's configuration as they are: server-side apply
    writes them anew in another order, which Kubernetes takes for a change of the allocation.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return await _write(connection, record, devices)
        except (ConflictError, TransientError) as error:
            wait = error.retry_after if isinstance(error, TransientError) else None
            await asyncio.sleep(wait or 0.1 * 2**attempt)
        except NotFoundError:
            return False
        except FarthingError as error:
            _log.warning("claim status not written", claim=str(record.claim), error=str(error))
            return False
    _log.warning("claim status not written", claim=str(record.claim), error=f"{_ATTEMPTS} attempts failed")
    return False


async def _write(connection: Connection, record: Record, devices: list[dict[str, Any]]) -> bool:
    key = Key(record.claim.namespace, record.claim.name)
    claim = await connection.get(claim_path(key))
    status = claim.get("status") or {}
    if claim["metadata"]["uid"] != record.claim.uid or not status.get("allocation"):
        return False
    drivers = {entry["driver"] for entry in devices}
    others = [entry for entry in status.get("devices") or [] if entry["driver"] not in drivers]
    patch: list[dict[str, Any]] = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": claim["metadata"]["resourceVersion"]},
        {"op": "add", "path": "/status/devices", "value": [*others, *devices]},
    ]
    await connection.patch(claim_path(key, "/status"), patch, "json-patch")
    return True
