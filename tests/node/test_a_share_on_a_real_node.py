"""From the annotation to the container, on a real kubelet and containerd; and back."""

import pytest

from tests.e2e.conftest import eventually

pytestmark = pytest.mark.cluster


async def test_a_container_is_told_its_share_and_its_limits(site):
    await site.start(
        "quarter", "0.25", annotations={"farthing.dev/isolation": "hard", "farthing.dev/gpu-model": "H100"}
    )
    said = await site.printed("quarter")
    assert said["FARTHING_ISOLATION"] == "hard"
    assert said["FARTHING_MEMORY_MIB"] == "20480"
    assert said["FARTHING_COMPUTE_MILLI"] == "250"
    assert said["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "25"
    assert said["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=20480M"
    assert f"{site.node.name}/{said['FARTHING_DEVICES']}" in await site.devices("quarter")


async def test_the_claim_says_which_limits_are_in_force(site):
    await site.start("half", "0.5")
    await site.running("half", 60)

    async def entries():
        return [d for claim in await site.claims() for d in claim["status"].get("devices", [])]

    await eventually(entries, "the driver reports")
    (entry,) = await entries()
    assert entry["data"]["isolation"] == "shared"
    assert entry["data"]["compute"] == 500
    assert entry["conditions"][0]["status"] == "True"
