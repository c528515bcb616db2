"""Settings for all tests. CI tries the same examples each time; `FARTHING_HYPOTHESIS=long` tries many more."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.clusters import Cluster, running_cluster

settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("FARTHING_HYPOTHESIS") or ("ci" if os.environ.get("CI") else "dev"))


PROGRAMS = ("api", "e2e", "focus", "local", "node")
"""Folders of tests that start control planes and nodes, and mostly wait for them."""


class ProgramsApart(LoadScopeScheduling):  # type: ignore[misc]
    """With several workers (`make test`), one runs what waits for programs, the others what thinks or asks databases.

    Two control planes at work at once would wait for each other on a small machine.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "programs" if Path(file).parts[1] in PROGRAMS else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ProgramsApart:
    return ProgramsApart(config, log)


def pytest_configure() -> None:
    """A run that is told to end gives back what it started, as it does on Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A real control plane, shared by all tests of this run."""
    with running_cluster() as found:
        yield found
