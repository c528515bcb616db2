"""Helm, for the tests of the chart: from PATH, from FARTHING_HELM, or as `make helm` built it from its pinned module."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from farthing.local.gobuild import go
from farthing.local.paths import cache

VERSION: Final = "3.19.0"
PACKAGE: Final = "helm.sh/helm/v3/cmd/helm"
BUILT: Final = cache() / "bin" / f"helm-{VERSION}" / "helm"
HELM: Final = os.environ.get("FARTHING_HELM") or shutil.which("helm") or (str(BUILT) if BUILT.exists() else "")

needs_helm = pytest.mark.skipif(
    not HELM, reason="no helm (PATH, FARTHING_HELM, `make helm`): what Helm makes of the chart is not looked at"
)


def build() -> None:
    """Build Helm into Farthing's cache, where it is not there yet; takes some minutes."""
    if BUILT.exists():
        return
    BUILT.parent.mkdir(parents=True, exist_ok=True)
    partial = BUILT.with_name(f".partial-{os.getpid()}")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
    flags = f"-s -w -X helm.sh/helm/v3/internal/version.version=v{VERSION}"
    command = [go(), "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(partial)]
    subprocess.run([*command, PACKAGE], cwd=Path(__file__).parent, env=environment, check=True)
    partial.rename(BUILT)


def helm(*arguments: object) -> str:
    """What Helm says. Raises RuntimeError with its words where it fails."""
    done = subprocess.run([HELM, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout
