"""The public trace of Alibaba's GPU cluster (2023), "openb": where its files are and how they are fetched.

Published as data/csv of hkust-adsl/kubernetes-scheduler-simulator under Apache-2.0; described in Weng et al., "Beware
of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent", USENIX ATC 2023. Not part of
Farthing: it is read from a folder of the user's.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

import aiohttp

from farthing.local.paths import home
from farthing.model.errors import NotFoundError, PermanentError, TransientError

COMMIT: Final = "8f3d6417"
ORIGIN: Final = f"https://raw.githubusercontent.com/hkust-adsl/kubernetes-scheduler-simulator/{COMMIT}/data/csv"

FILES: Final = {
    "openb_node_list_gpu_node.csv": "2beca64b4d3dfa342036a34b56a495c6cef9225db836c81f541282cb1df320b5",
    "openb_pod_list_default.csv": "1ee7ed79c27a3b0861cda8ddba86a004c6aba904caafa329a76ae93ca63834a8",
    "openb_pod_list_cpu250.csv": "134c21ff96d57533df8a37b67632972884fec9396e77cd0898ddc370cc8e607d",
    "openb_pod_list_gpushare60.csv": "d31809628128a1f24491086eda4af3e23882b9213d3ef57a56ee2d1af69492fe",
    "openb_pod_list_gpuspec33.csv": "eca4f746db1e5b25864ad021b55ece3943e101a3ebd4574d09dcb95c46117652",
    "openb_pod_list_multigpu50.csv": "206f2f5959db30ecb7c44e7f13197c8ec50b7a35558ad3777cc3662ef0fe5373",
}
"""The files by name, with their SHA-256."""

LONGEST: Final = 16 << 20
"""Bytes; no file of the trace comes near, so an answer that is longer is not one."""


def folders(named: Path | None) -> list[Path]:
    """Where traces are looked for: what is named, else $FARTHING_TRACES, else beside the checkout and at home."""
    if named is not None:
        return [named]
    if variable := os.environ.get("FARTHING_TRACES"):
        return [Path(variable)]
    return [Path("../shared/traces"), home() / "traces"]


def path_of(name: str, named: Path | None) -> Path:
    """The path of a file that an option names: a path of the user's own, or a file of the trace."""
    return Path(name) if Path(name).is_file() else find_file(name, named)


def find_file(name: str, named: Path | None) -> Path:
    """The path of one file of the trace; a `name` that is a path is taken as it is."""
    candidates = [Path(name)] if os.sep in name else [f / sub / name for f in folders(named) for sub in ("openb", ".")]
    for path in candidates:
        if path.is_file():
            return path
    looked = ", ".join(str(folder) for folder in folders(named))
    raise NotFoundError(
        f"no trace {name} in {looked}; fetch it with `farthing traces fetch`, or name its folder with --traces or "
        f"FARTHING_TRACES. The trace's files are {', '.join(FILES)}"
    )


def checksum(path: Path) -> str:
    """A file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Fetching ---------------------------------------------------------------------------------------------------------


async def fetch(session: aiohttp.ClientSession, name: str, folder: Path, origin: str = ORIGIN) -> str:
    """Put one file into the folder, whole and checked or not at all; "kept" where it was there, else "fetched"."""
    target = folder / name
    if target.is_file() and checksum(target) == FILES[name]:
        return "kept"
    content = await _download(session, f"{origin}/{name}")
    found = hashlib.sha256(content).hexdigest()
    if found != FILES[name]:
        raise PermanentError(
            f"{origin}/{name} is not the file that Farthing knows: its SHA-256 is {found}, expected {FILES[name]}. "
            "Nothing was kept of it"
        )
    _put(target, content)
    return "fetched"


async def _download(session: aiohttp.ClientSession, url: str) -> bytes:
    try:
        async with session.get(url) as answer:
            if answer.status != 200:
                raise PermanentError(f"{url} was answered with status {answer.status} {answer.reason}")
            content = await answer.content.read(LONGEST)
            while more := await answer.content.read(LONGEST):
                content += more
                if len(content) > LONGEST:
                    raise PermanentError(f"{url} is longer than {LONGEST >> 20} MiB and thus not the trace")
            return content
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise TransientError(
            f"{url} cannot be fetched: {str(error) or type(error).__name__}. Without the internet, copy the trace from "
            "elsewhere and name its folder with --traces or FARTHING_TRACES"
        ) from error


def _put(target: Path, content: bytes) -> None:
    """Write a file so that it is there entirely or not at all."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as temporary:
            path = Path(temporary.name)
            try:
                temporary.write(content)
                temporary.flush()
                os.fsync(temporary.fileno())
                path.replace(target)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise PermanentError(f"{target} cannot be written: {error.strerror}") from error
