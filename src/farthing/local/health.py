"""Whether a component of the control plane answers that it is well."""

import http.client
import ssl
from typing import Final

_SECONDS: Final = 2
_PATHS: Final = {
    "etcd": ("http", "/health"),
    "kube-apiserver": ("https", "/readyz"),
    "kube-controller-manager": ("https", "/healthz"),
    "kube-scheduler": ("https", "/readyz"),
    "kwok": ("http", "/healthz"),
}


def is_well(component: str, port: int) -> bool:
    """Ask it. No secret is sent, and the certificate may be in the making, so it is not checked."""
    scheme, path = _PATHS[component]
    connection = _connection(scheme, port)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(scheme: str, port: int) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=_SECONDS, context=context)
