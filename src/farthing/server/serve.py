"""Running the cost server until told to stop: the connection to Kubernetes, HTTP with or without TLS, metrics."""

import asyncio
import contextlib
import ipaddress
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from prometheus_client import CollectorRegistry, start_http_server

from farthing.kube.connection import Connection
from farthing.model.errors import InvalidError
from farthing.server.access import Access, Everybody, Reviews
from farthing.server.app import cost_app
from farthing.server.context import Context
from farthing.server.metrics import LedgerMetrics, budgets_left
from farthing.store.ledger import Ledger

_log = structlog.get_logger(__name__)

MOST_AT_ONCE: Final = 100
"""Requests that are answered at a time; more are told to come again (503)."""


@dataclass(frozen=True)
class CostSettings:
    """How the cost server runs. Without TLS it serves this machine only, unless `plain` says that TLS is in front.

    `check` False: whoever asks sees everything; on this machine only. `metrics_port` 0: no metrics.
    """

    ledger: str
    host: str = "127.0.0.1"
    port: int = 9443
    tls_cert: Path | None = None
    tls_key: Path | None = None
    plain: bool = False
    check: bool = True
    kubeconfig: Path | None = None
    context: str = ""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0


def check_settings(settings: CostSettings) -> None:
    """Refuse what would show costs, or tokens, to whoever listens."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise InvalidError("--tls-key", "a certificate and its key go together; give --tls-cert and --tls-key")
    here = is_loopback(settings.host)
    if not here and settings.tls_cert is None and not settings.plain:
        raise InvalidError("--host", f"tokens would go to {settings.host} unencrypted; give --tls-cert and --tls-key")
    if not here and not settings.check:
        raise InvalidError("--no-auth", f"everybody who reaches {settings.host} would see all costs; serve 127.0.0.1")
    if settings.tls_cert and settings.tls_key:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise InvalidError("--tls-cert", f"{settings.tls_cert} and {settings.tls_key}: {error}") from error


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def serve(settings: CostSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    check_settings(settings)
    async with contextlib.AsyncExitStack() as stack:
        ledger = stack.enter_context(contextlib.closing(Ledger.open(settings.ledger)))
        context = Context.of(ledger, await _access(settings, stack), time.time, time.monotonic)
        if settings.metrics_port:
            registry = CollectorRegistry()
            registry.register(LedgerMetrics(ledger, time.monotonic, lambda: budgets_left(ledger, int(time.time()))))
            start_http_server(settings.metrics_port, settings.metrics_host, registry=registry)
        await _Server(_config(settings, context)).serve()


async def _access(settings: CostSettings, stack: contextlib.AsyncExitStack) -> Access:
    if not settings.check:
        return Everybody()
    connection = await stack.enter_async_context(Connection.from_kubeconfig(settings.kubeconfig, settings.context))
    return Reviews(connection, time.monotonic)


def _config(settings: CostSettings, context: Context) -> uvicorn.Config:
    return uvicorn.Config(
        cost_app(context),
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        limit_concurrency=MOST_AT_ONCE,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        access_log=False,
        log_config=None,
        server_header=False,
    )


class _Server(uvicorn.Server):
    """Says where it listens, which is not known before where the port is 0; ends well when it is told to."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn's own would raise the signal again in the end, and leave the ledger open."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                scheme = "https" if self.config.is_ssl else "http"
                _log.info("listening", url=f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")
