"""`farthing spoke`: be the one that places pods, in the foreground, until told to stop."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from farthing.api.names import NAMESPACE, SPOKE, SPOKE_USER
from farthing.cli.options import Context, Kubeconfig, find_kubeconfig
from farthing.kube.connection import Connection
from farthing.local.paths import home
from farthing.logs import LogFormat, configure_logging
from farthing.model.errors import InvalidError, TransientError
from farthing.spoke.lease import DURATION_SECONDS, SHORTEST_SECONDS
from farthing.spoke.run import run
from farthing.spoke.settings import LedgerSettings, Settings

_REVIEW: Final = "SelfSubjectReview"
_REVIEWS: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def spoke(
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Where the Lease is kept.")] = NAMESPACE,
    metrics_address: Annotated[
        str, typer.Option("--metrics-address", help="Address the metrics are served on.")
    ] = "127.0.0.1",
    metrics_port: Annotated[
        int, typer.Option("--metrics-port", min=0, max=65535, help="Port of the metrics; 0: none are served.")
    ] = 0,
    lease_seconds: Annotated[
        int,
        typer.Option(
            "--lease-seconds", min=SHORTEST_SECONDS, help="Seconds of silence after which another spoke takes over."
        ),
    ] = DURATION_SECONDS,
    ledger: Annotated[
        str,
        typer.Option(
            "--ledger",
            envvar="FARTHING_LEDGER",
            show_envvar=False,
            help="URL of the ledger that usage is metered into, or $FARTHING_LEDGER; default: nothing is metered.",
        ),
    ] = "",
    ledger_log: Annotated[
        Path | None,
        typer.Option("--ledger-log", help="Folder where what is metered waits for the ledger; on a disk that lasts."),
    ] = None,
    cluster: Annotated[str, typer.Option("--cluster", help="What the ledger calls this cluster.")] = "local",
    log: Annotated[LogFormat, typer.Option("--log", help="Lines for people, or JSON.")] = LogFormat.text,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log details, too.")] = False,
) -> None:
    """Be a spoke: watch the cluster, place pods, take shares back; until SIGTERM or Ctrl-C.

    Several may run; one leads, the others stand by. Logs go to standard error.

    \b
    farthing spoke
    farthing spoke --metrics-port 9100 --log json
    farthing spoke --ledger sqlite:////var/lib/farthing/ledger.db --cluster london
    """
    configure_logging(log, verbose=verbose)
    settings = Settings(
        kubeconfig=find_kubeconfig(kubeconfig),
        context=context,
        namespace=namespace,
        metrics_host=metrics_address,
        metrics_port=metrics_port,
        lease_seconds=lease_seconds,
        ledger=LedgerSettings(ledger, ledger_log or home() / "meter" / cluster, cluster) if ledger else None,
    )
    asyncio.run(check_identity(settings))
    try:
        _run(settings)
    except OSError as error:
        raise InvalidError(
            f"--metrics-port {metrics_port}", f"cannot listen on {metrics_address}: {error.strerror}; choose another"
        ) from error


async def check_identity(settings: Settings) -> None:
    """Refuse to run as somebody whose writes are all refused. For a server that is away the spoke itself waits."""
    async with Connection.from_kubeconfig(settings.kubeconfig, settings.context) as connection:
        try:
            review = await connection.create(_REVIEWS, {"apiVersion": "authentication.k8s.io/v1", "kind": _REVIEW})
        except TransientError:
            return
    user = review["status"]["userInfo"].get("username", "")
    if user != SPOKE_USER:
        raise InvalidError(
            "--kubeconfig",
            f"this is the kubeconfig of {user}, and Farthing's rules let nobody place pods but {SPOKE_USER}; use one "
            f"with a token of that account: kubectl create token {SPOKE} -n {NAMESPACE}",
        )


def _run(settings: Settings) -> None:
    """On uvloop where there is one."""
    if sys.platform == "win32":
        asyncio.run(run(settings))
    else:
        import uvloop  # noqa: PLC0415 -- does not exist on Windows

        uvloop.run(run(settings))
