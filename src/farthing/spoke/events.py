"""Events on pods: what people see with `kubectl describe`. Best effort: an event that cannot be written is counted."""

import hashlib
from collections.abc import Callable

from farthing.kube.connection import Connection, Json
from farthing.model.cluster import Key, Pod
from farthing.model.errors import ExistsError
from farthing.model.reason import Reason

CONTROLLER = "farthing.dev/spoke"
LONGEST_NOTE = 1024
"""Characters; Kubernetes' own limit."""


class Events:
    """Writes events.k8s.io/v1 Events. `stamp` is the time as Kubernetes writes it."""

    def __init__(self, connection: Connection, identity: str, stamp: Callable[[], str]) -> None:
        self._connection = connection
        self._identity = identity
        self._stamp = stamp

    async def tell(self, pod: Pod, reason: Reason, action: str, *, warning: bool) -> None:
        """One event about a pod."""
        regarding = {
            "apiVersion": "v1",
            "kind": "Pod",
            "uid": pod.uid,
            "name": pod.key.name,
            "namespace": pod.key.namespace,
        }
        await self._write(pod.key, regarding, reason, action, warning=warning)

    async def tell_node(self, node: str, reason: Reason, action: str) -> None:
        """One warning about a node; such events live in the namespace `default`, as kubelet's do."""
        await self._write(
            Key("default", node), {"apiVersion": "v1", "kind": "Node", "name": node}, reason, action, warning=True
        )

    async def tell_written(self, kind: str, name: str, reason: Reason) -> None:
        """One warning about a Budget or PriceBook object, in the namespace `default` as well."""
        regarding = {"apiVersion": "farthing.dev/v1alpha1", "kind": kind, "name": name}
        await self._write(Key("default", name), regarding, reason, "Accounting", warning=True)

    async def _write(self, about: Key, regarding: Json, reason: Reason, action: str, *, warning: bool) -> None:
        at = self._stamp()
        unique = hashlib.sha256(f"{at}{regarding}{reason}".encode()).hexdigest()[:16]
        body = {
            "metadata": {"name": f"{about.name[:230]}.{unique}", "namespace": about.namespace},
            "eventTime": at,
            "reportingController": CONTROLLER,
            "reportingInstance": self._identity[:128],
            "action": action,
            "reason": reason.why.value,
            "note": reason.sentence[:LONGEST_NOTE],
            "type": "Warning" if warning else "Normal",
            "regarding": regarding,
        }
        try:
            await self._connection.create(f"/apis/events.k8s.io/v1/namespaces/{about.namespace}/events", body)
        except ExistsError:
            return
