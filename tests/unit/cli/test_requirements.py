"""Clusters that cannot carry Farthing, told before anything is written."""

import pytest

from farthing.cli.requirements import NEEDED, check_server
from farthing.model.errors import NotFoundError, UnsupportedError


class Server:
    """An API server of some version that serves some resources."""

    def __init__(self, minor, served=None):
        self.minor = minor
        self.served = NEEDED if served is None else served

    async def get(self, path):
        if path == "/version":
            return {"major": "1", "minor": self.minor, "gitVersion": f"v1.{self.minor}.0"}
        if path not in self.served:
            raise NotFoundError(path)
        return {"resources": [{"name": name} for name in self.served[path]]}


@pytest.mark.parametrize("minor", ["36", "36+", "37", "100"])
async def test_a_new_enough_cluster_is_fine(minor):
    assert await check_server(Server(minor)) == f"v1.{minor}.0"


@pytest.mark.parametrize("minor", ["35", "35+", "9", ""])
async def test_an_old_cluster_is_refused(minor):
    with pytest.raises(UnsupportedError, match=rf"Kubernetes v1\.{minor.replace('+', '.')}\.0; Farthing needs 1\.36"):
        await check_server(Server(minor))


async def test_a_missing_api_is_named():
    served = NEEDED | {"/apis/resource.k8s.io/v1": ("resourceclaims",)}
    with pytest.raises(UnsupportedError) as refused:
        await check_server(Server("37", served))
    assert "does not serve deviceclasses, resourceclaimtemplates, resourceslices of resource.k8s.io/v1" in str(
        refused.value
    )


async def test_a_missing_group_is_named():
    served = {"/apis/resource.k8s.io/v1": NEEDED["/apis/resource.k8s.io/v1"]}
    with pytest.raises(UnsupportedError, match=r"does not serve mutatingadmissionpolicies, .*Nothing was changed"):
        await check_server(Server("36", served))
