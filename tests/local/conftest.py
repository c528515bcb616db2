"""A control plane of its own for tests that take it apart."""

from collections.abc import AsyncIterator, Iterator

import pytest

from farthing.kube.connection import Connection
from tests.clusters import Cluster, running_cluster


@pytest.fixture(scope="package")
def own() -> Iterator[Cluster]:
    with running_cluster() as found:
        yield found


@pytest.fixture
async def admin(own: Cluster) -> AsyncIterator[Connection]:
    """The administrator, on a cluster that runs completely whatever the last test did to it."""
    own.plane.start()
    async with Connection.from_kubeconfig(own.kubeconfig) as connection:
        yield connection
