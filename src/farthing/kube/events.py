"""Events on pods and nodes: what people see with `kubectl describe`. Whoever tells them counts or logs what fails."""

import hashlib
from collections.abc import Callable

from farthing.kube.connection import Connection, Json
from farthing.model.cluster import Key, Pod
from farthing.model.errors import ExistsError
from farthing.model.reason import Reason

LONGEST_NOTE = 1024
"""Characters; Kubernetes' own limit."""


class Events:
    """Writes events.k8s.io/v1 Events. `stamp` is the time as Kubernetes writes it, to the microsecond."""

    def __init__(
        self, connection: Connection, identity: str, stamp: Callable[[], str], *, program: str = "spoke"
    ) -> None:
        self._controller = f"farthing.dev/{program}"
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
            "reportingController": self._controller,
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
