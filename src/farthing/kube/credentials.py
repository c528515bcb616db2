"""Who we are and where the API server is: kubeconfig files, or the service account of the pod we run in.

Supported: tokens, token files, client certificates, `exec` plugins (client.authentication.k8s.io/v1 and v1beta1).
Not supported, and refused by name: `auth-provider` (removed from Kubernetes in 1.26), and user name with password.
"""

import asyncio
import base64
import json
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from farthing.model.errors import InvalidError, NotFoundError, PermanentError

_IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass
class Credentials:
    """An API server and a way to prove who we are. `token_file` is read anew for each connection, as it rotates.

    `namespace` is the one that the context prefers.
    """

    server: str
    ssl: ssl.SSLContext | None
    token: str = ""
    token_file: Path | None = None
    exec: dict[str, Any] = field(default_factory=dict)
    namespace: str = "default"

    async def bearer(self, *, renew: bool = False) -> str:
        """The token to send, empty where a certificate does the work. `renew` asks an exec plugin for a new one."""
        if self.token_file is not None:
            return self.token_file.read_text(encoding="utf-8").strip()
        if self.exec and (renew or not self.token):
            self.token = await _run_plugin(self.exec)
        return self.token


def load_credentials(kubeconfig: Path | None = None, context: str = "") -> Credentials:
    """Credentials from a kubeconfig, by default `$KUBECONFIG`, `~/.kube/config`, or the pod's service account."""
    if kubeconfig is None:
        named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
        kubeconfig = Path(named) if named else Path.home() / ".kube" / "config"
        if not named and not kubeconfig.exists() and (_IN_CLUSTER / "token").exists():
            return _in_cluster()
    return _from_file(kubeconfig.expanduser(), context)


def _in_cluster() -> Credentials:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    context = ssl.create_default_context(cafile=str(_IN_CLUSTER / "ca.crt"))
    return Credentials(f"https://{host}:{port}", context, token_file=_IN_CLUSTER / "token")


def _from_file(path: Path, context: str) -> Credentials:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFoundError(
            f"no kubeconfig at {path}; name one with --kubeconfig or KUBECONFIG, or start a local cluster: farthing up"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidError(str(path), f"is not a readable kubeconfig: {error}") from error
    if not isinstance(config, dict):
        raise InvalidError(str(path), "is not a kubeconfig; expected a mapping with clusters, users and contexts")
    chosen = context or config.get("current-context") or ""
    link = _entry(config, "contexts", chosen, path)
    cluster = _entry(config, "clusters", link.get("cluster", ""), path)
    user = _entry(config, "users", link["user"], path) if link.get("user") else {}
    found = _credentials(path, cluster, user)
    found.namespace = link.get("namespace") or found.namespace
    return found


def _entry(config: dict[str, Any], kind: str, name: str, path: Path) -> dict[str, Any]:
    entries = {entry["name"]: entry.get(kind.removesuffix("s")) or {} for entry in config.get(kind) or []}
    if name not in entries:
        known = ", ".join(sorted(entries)) or "none"
        raise InvalidError(str(path), f"has no entry {name!r} under {kind}; it has: {known}")
    found: dict[str, Any] = entries[name]
    return found


def _credentials(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Credentials:
    server = cluster.get("server", "")
    if not server.startswith(("https://", "http://")):
        raise InvalidError(str(path), f"cluster server {server!r} is not an http or https address")
    for refused in ("auth-provider", "username"):
        if user.get(refused):
            raise InvalidError(str(path), f"user entry uses {refused}, which is not supported; use a token or exec")
    token_file = user.get("tokenFile")
    return Credentials(
        server.rstrip("/"),
        _tls(path, cluster, user) if server.startswith("https://") else None,
        token=user.get("token", ""),
        token_file=path.parent / token_file if token_file else None,
        exec=user.get("exec") or {},
    )


def _tls(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    authority = _data(cluster, "certificate-authority", path)
    try:
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate, key = _data(user, "client-certificate", path), _data(user, "client-key", path)
        if certificate and key:
            _load_pair(context, certificate, key)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidError(str(path), f"holds a certificate or key that cannot be read: {error}") from error
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Python's ssl reads certificates from files only: for a moment, one that nobody else can read."""
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        context.load_cert_chain(pair.name)


def _data(entry: dict[str, Any], name: str, path: Path) -> bytes | None:
    if entry.get(f"{name}-data"):
        return base64.b64decode(str(entry[f"{name}-data"]))
    if not entry.get(name):
        return None
    try:
        return (path.parent / str(entry[name])).read_bytes()
    except OSError as error:
        raise InvalidError(str(path), f"names {name} {entry[name]!r}, which cannot be read: {error}") from error


async def _run_plugin(plugin: dict[str, Any]) -> str:
    version = plugin.get("apiVersion", "")
    if version not in _EXEC_VERSIONS:
        raise InvalidError("kubeconfig exec", f"apiVersion {version!r} is not one of {', '.join(_EXEC_VERSIONS)}")
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    extra = {entry["name"]: entry["value"] for entry in plugin.get("env") or []}
    try:
        process = await asyncio.create_subprocess_exec(
            plugin["command"],
            *(plugin.get("args") or []),
            env={**os.environ, **extra, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        hint = plugin.get("installHint", "install it or choose another context")
        raise PermanentError(f"cannot run the login program {plugin['command']!r}: {error}; {hint}") from error
    out, complaint = await process.communicate()
    if process.returncode != 0:
        raise PermanentError(
            f"the login program {plugin['command']!r} failed: {complaint.decode(errors='replace')[-500:]}"
        )
    try:
        return str(json.loads(out)["status"]["token"])
    except (ValueError, KeyError) as error:
        raise PermanentError(f"the login program {plugin['command']!r} printed no token") from error
