"""Settings for all tests. CI tries the same examples each time; `FARTHING_HYPOTHESIS=long` tries many more."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.clusters import Cluster, running_cluster

settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("FARTHING_HYPOTHESIS") or ("ci" if os.environ.get("CI") else "dev"))


def pytest_configure() -> None:
    """A run that is told to end gives back what it started, as it does on Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A real control plane, shared by all tests of this run."""
    with running_cluster() as found:
        yield found
