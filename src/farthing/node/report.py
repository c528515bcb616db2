"""The level and the limits in force, written on the claim's status, where the meter and people read them."""

import asyncio
from typing import Any, Final

import structlog

from farthing.kube.connection import Connection
from farthing.kube.resources import claim_path
from farthing.model.cluster import Key
from farthing.model.errors import FarthingError, NotFoundError, TransientError
from farthing.node.checkpoint import Record
from farthing.node.devices import Device, Inventory
from farthing.node.limits import compute_of, memory_of
from farthing.node.share import Share

_log = structlog.get_logger(__name__)

MANAGER: Final = "farthing-node"
CONDITION: Final = "Ready"
_ATTEMPTS: Final = 5


def device_status(record: Record, driver: str, pool: str, inventory: Inventory, now: str) -> list[dict[str, Any]]:
    """`status.devices` of a claim. Shares of devices that are gone since are left out."""
    found = ((share, inventory.device(share.device)) for share in record.shares)
    return [_entry(share, device, driver, pool, now) for share, device in found if device]


def _entry(share: Share, device: Device, driver: str, pool: str, now: str) -> dict[str, Any]:
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
            }
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


async def report(connection: Connection, record: Record, devices: list[dict[str, Any]]) -> bool:
    """Write it; whether it stands. The container does not wait for this, so what is refused is only logged."""
    path = claim_path(Key(record.claim.namespace, record.claim.name), "/status")
    body = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": record.claim.name, "namespace": record.claim.namespace, "uid": record.claim.uid},
        "status": {"devices": devices},
    }
    for attempt in range(_ATTEMPTS):
        try:
            await connection.patch(path, body, "apply-patch", {"fieldManager": MANAGER, "force": "true"})
        except TransientError as error:
            await asyncio.sleep(error.retry_after or 2.0**attempt)
        except NotFoundError:
            return False
        except FarthingError as error:
            _log.warning("claim status not written", claim=str(record.claim), error=str(error))
            return False
        else:
            return True
    return False
