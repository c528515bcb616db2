"""Running NVIDIA's programs: lists of arguments, never a shell, and not for longer than they may take."""

import subprocess
from collections.abc import Mapping, Sequence

from farthing.model.errors import TransientError


def run_program(
    command: Sequence[str], who: str, seconds: float, *, text: str = "", environment: Mapping[str, str] | None = None
) -> str:
    """What a program says, both to its output and to its errors; `text` is what it is told.

    Raises TransientError, which begins with `who`, where it cannot be run, takes too long, or ends badly.
    """
    try:
        done = subprocess.run(  # noqa: S603 -- NVIDIA's programs, on what NVML says and on paths and numbers of ours
            command,
            input=text,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TransientError(f"{who}: {error}") from error
    if done.returncode != 0:
        raise TransientError(f"{who}: {done.stdout.strip()[-300:] or f'exit status {done.returncode}'}")
    return done.stdout
