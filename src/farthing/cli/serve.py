"""`farthing serve`: the servers, in the foreground, until told to stop."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from farthing.cli.cost import LedgerUrl
from farthing.cli.options import Context, Kubeconfig, find_kubeconfig
from farthing.logs import LogFormat, configure_logging
from farthing.model.errors import InvalidError

app = typer.Typer(help="Serve costs to programs and dashboards.", no_args_is_help=True)


@app.callback()
def serve() -> None:
    """Serve costs to programs and dashboards."""


@app.command()
def cost(
    ledger: LedgerUrl = "",
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0: the system chooses.")] = 9443,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate chain, as PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key, as PEM.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="No TLS here, since something in front speaks it.")] = False,
    auth: Annotated[
        bool, typer.Option("--auth/--no-auth", help="Ask for Kubernetes tokens; without, on this machine only.")
    ] = True,
    metrics_address: Annotated[
        str, typer.Option("--metrics-address", help="Address the metrics are served on.")
    ] = "127.0.0.1",
    metrics_port: Annotated[
        int, typer.Option("--metrics-port", min=0, max=65535, help="Port of the metrics; 0: none are served.")
    ] = 0,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    log: Annotated[LogFormat, typer.Option("--log", help="Lines for people, or JSON.")] = LogFormat.text,
) -> None:
    """Serve the cost API and OpenCost's /allocation, read only, until SIGTERM or Ctrl-C.

    Callers send a Kubernetes token and see the teams that RBAC lets them get or use. The server's own account needs the
    role system:auth-delegator.

    \b
    farthing serve cost --no-auth
    farthing serve cost --host 0.0.0.0 --tls-cert tls.crt --tls-key tls.key --metrics-port 9101
    """
    if not ledger:
        raise InvalidError("--ledger", "no ledger is named; give its URL, or set $FARTHING_LEDGER")
    from farthing.server.serve import CostSettings  # noqa: PLC0415 -- SQL and HTTP take a second to import
    from farthing.server.serve import serve as run  # noqa: PLC0415 -- as above

    configure_logging(log, verbose=False)
    settings = CostSettings(
        ledger=ledger,
        host=host,
        port=port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        plain=plain,
        check=auth,
        kubeconfig=find_kubeconfig(kubeconfig) if auth else None,
        context=context,
        metrics_host=metrics_address,
        metrics_port=metrics_port,
    )
    asyncio.run(run(settings))
