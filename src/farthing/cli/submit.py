"""Submitting manifests to a cluster: what `kubectl apply` does, for the handful of kinds that the demo uses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from farthing.kube.connection import Connection
from farthing.model.errors import FarthingError, InvalidError, NotFoundError, PermanentError

MANAGER: Final = "farthing-demo"
_PATHS: Final = {
    ("v1", "Namespace"): "/api/v1/namespaces",
    ("v1", "Pod"): "/api/v1/namespaces/{namespace}/pods",
    ("batch/v1", "Job"): "/apis/batch/v1/namespaces/{namespace}/jobs",
    ("apps/v1", "Deployment"): "/apis/apps/v1/namespaces/{namespace}/deployments",
    ("apps/v1", "StatefulSet"): "/apis/apps/v1/namespaces/{namespace}/statefulsets",
    (
        "resource.k8s.io/v1",
        "ResourceClaimTemplate",
    ): "/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaimtemplates",
}


@dataclass(frozen=True)
class Submitted:
    """One object: what became of it. `refusal` is the API server's sentence, empty where it was accepted."""

    kind: str
    name: str
    refusal: str = ""


def manifests_in(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Every manifest of a folder with its file, in the order of the files' names."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise NotFoundError(f"no manifests (*.yaml) in {folder}")
    return [(path, manifest) for path in files for manifest in _load(path)]


async def submit(connection: Connection, manifests: list[tuple[Path, dict[str, Any]]]) -> list[Submitted]:
    """Submit manifests in their order. What is there already stays as it is."""
    return [await _one(connection, manifest, path) for path, manifest in manifests]


def _load(path: Path) -> list[dict[str, Any]]:
    try:
        return [found for found in yaml.safe_load_all(path.read_text(encoding="utf-8")) if found]
    except yaml.YAMLError as error:
        raise InvalidError(str(path), f"is not YAML: {error}") from error


async def _one(connection: Connection, manifest: dict[str, Any], path: Path) -> Submitted:
    kind, meta = manifest.get("kind", ""), manifest.get("metadata", {})
    place = _PATHS.get((manifest.get("apiVersion", ""), kind))
    if place is None:
        raise InvalidError(str(path), f"holds a {kind or 'thing without a kind'}, which the demo does not submit")
    address = place.format(namespace=meta.get("namespace", "default"))
    try:
        await connection.get(f"{address}/{meta['name']}")
    except NotFoundError:
        try:
            await connection.create(address, manifest, {"fieldManager": MANAGER})
        except (InvalidError, PermanentError) as error:
            return Submitted(kind, meta["name"], _shortened(error))
    return Submitted(kind, meta["name"])


def _shortened(error: FarthingError) -> str:
    """The API server's sentence without the part that names the policy."""
    return str(error).rsplit("denied request: ", 1)[-1]
