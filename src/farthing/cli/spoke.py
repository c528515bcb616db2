"""`farthing spoke`: be the one that places pods, in the foreground, until told to stop."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from farthing.api.names import NAMESPACE, SPOKE, SPOKE_USER
from farthing.cli.options import Context, Kubeconfig, find_kubeconfig
from farthing.kube.connection import Connection
from farthing.ledger.interval import MOST_TAGS
from farthing.ledger.meter import TAGS
from farthing.local.paths import home
from farthing.logs import LogFormat, configure_logging
from farthing.model.ask import DURATION_REFUSED, parse_duration
from farthing.model.errors import InvalidError, TransientError
from farthing.spoke.lease import DURATION_SECONDS, SHORTEST_SECONDS
from farthing.spoke.run import run
from farthing.spoke.settings import LedgerSettings, Settings

_LABEL: Final = "([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
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
    half_life: Annotated[
        str,
        typer.Option(
            "--half-life", help="How soon what teams borrowed is half forgotten, such as 12h or 7d; default: at once."
        ),
    ] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            help="A label of pods that becomes a tag in the books, repeatable; default: "
            f"{', '.join(name.partition('/')[2] for name in TAGS)} of app.kubernetes.io.",
        ),
    ] = None,
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
        ledger=LedgerSettings(ledger, ledger_log or home() / "meter" / cluster, cluster, _tags(tag))
        if ledger
        else None,
        half_life=_half_life(half_life),
    )
    asyncio.run(check_identity(settings))
    try:
        _run(settings)
    except OSError as error:
        raise InvalidError(
            f"--metrics-port {metrics_port}", f"cannot listen on {metrics_address}: {error.strerror}; choose another"
        ) from error


def _half_life(text: str) -> float:
    try:
        return parse_duration(text) if text else 0.0
    except InvalidError as error:
        raise InvalidError("--half-life", f"{text!r} {DURATION_REFUSED}") from error


def _ledger(url: str, log: Path | None, cluster: str, tags: list[str] | None) -> LedgerSettings:
    return LedgerSettings(url, log or home() / "meter" / cluster, cluster, _tags(tags))


def _tags(names: list[str] | None) -> tuple[str, ...]:
    """The labels that become tags."""
    if names is None:
        return TAGS
    if len(set(names)) > MOST_TAGS:
        raise InvalidError("--tag", f"{len(set(names)):,} labels; expected at most {MOST_TAGS}")
    for name in names:
        if not re.fullmatch(_LABEL, name):
            raise InvalidError(
                "--tag", f"{name[:60]!r} is no name of a label; expected one such as example.com/project"
            )
    return tuple(sorted(set(names)))


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
