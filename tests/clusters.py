"""A real control plane for tests, started once and gone afterwards."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farthing.local.binaries import obtain
from farthing.local.controlplane import ControlPlane
from farthing.local.machine import Machine


@dataclass(frozen=True)
class Cluster(Machine):
    """An embedded cluster in a temporary folder."""

    where: Path = Path()

    @property
    def folder(self) -> Path:
        return self.where

    @property
    def kubeconfig(self) -> Path:
        return self.plane.kubeconfig


@contextmanager
def running_cluster(*, node_lifecycle: bool = True, audit: str = "") -> Iterator[Cluster]:
    """A control plane of its own, so that several runs can go side by side."""
    programs = obtain(None, lambda what, done, total: print(f"getting {what} ({done} of {total} s)", file=sys.stderr))
    where = Path(tempfile.mkdtemp(prefix="farthing-test-"))
    cluster = Cluster("test", programs, where)
    try:
        ControlPlane(where, programs, node_lifecycle, audit).start()
        yield cluster
    finally:
        cluster.spoke.stop()
        cluster.plane.stop()
        shutil.rmtree(where, ignore_errors=True)
