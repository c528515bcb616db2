"""How a spoke runs."""

from dataclasses import dataclass
from pathlib import Path

from farthing.ledger.meter import TAGS
from farthing.spoke.audit import AUDIT_SECONDS
from farthing.spoke.lease import DURATION_SECONDS


@dataclass(frozen=True)
class LedgerSettings:
    """Where the ledger and the meter's log are, what the cluster is called in the books, which labels become tags."""

    url: str
    log: Path
    cluster: str
    tags: tuple[str, ...] = TAGS


@dataclass(frozen=True)
class Settings:
    """`metrics_port` 0 means no metrics server; it listens on `metrics_host` only.

    Without a `ledger` nothing is metered. What teams borrowed is half forgotten after `half_life` seconds; 0: at once.
    """

    kubeconfig: Path | None = None
    context: str = ""
    namespace: str = "farthing-system"
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    lease_seconds: int = DURATION_SECONDS
    audit_seconds: float = AUDIT_SECONDS
    ledger: LedgerSettings | None = None
    half_life: float = 0.0
