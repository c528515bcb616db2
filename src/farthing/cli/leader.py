"""Which spoke decides, as its Lease says."""

from dataclasses import dataclass

from farthing.api.names import NAMESPACE
from farthing.kube.connection import Connection
from farthing.kube.convert import instant
from farthing.model.errors import NotFoundError
from farthing.spoke.lease import DURATION_SECONDS, NAME


@dataclass(frozen=True)
class Leader:
    """The holder of the Lease. `leads` is False where nobody holds it, or has renewed it for too long.

    `renewed_seconds` is how long ago it was renewed by this machine's clock; None where there is no Lease.
    """

    leads: bool
    holder: str = ""
    renewed_seconds: float | None = None
    sentence: str = ""


async def read_leader(connection: Connection, at: float, namespace: str = NAMESPACE) -> Leader:
    """Who leads at the instant `at`."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{NAME}"
    try:
        spec = (await connection.get(path))["spec"]
    except NotFoundError:
        return Leader(False, sentence=f"no spoke has ever run in namespace {namespace}; start one: farthing spoke")
    holder = spec.get("holderIdentity") or ""
    renewed = at - instant(spec.get("renewTime") or "")
    if not holder:
        return Leader(False, "", renewed, "the last spoke has stopped; start one: farthing spoke")
    if renewed > float(spec.get("leaseDurationSeconds") or DURATION_SECONDS):
        return Leader(False, holder, renewed, f"spoke {holder} has been silent for {renewed:.0f} s; start it again")
    return Leader(True, holder, max(0.0, renewed), "")
