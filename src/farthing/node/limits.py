"""What a level of isolation means for a container. Pure.

CUDA reads `CUDA_MPS_*`; a client can only lower what its daemon allows, so what a daemon enforces is not given up to
whoever changes a variable in its container. `FARTHING_*` tells a workload what it got.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from farthing.model.quantity import MIB
from farthing.node.devices import WHOLE, Device, Edits
from farthing.node.share import Share

MPS_LEVELS: Final = ("soft", "hard")


def memory_of(share: Share, device: Device) -> int:
    """The bytes that the share may use."""
    return device.memory if share.memory is None else share.memory


def compute_of(share: Share, device: Device) -> int:
    """The milli-GPU that the share may use."""
    return device.compute if share.compute is None else share.compute


def is_part(share: Share, device: Device) -> bool:
    """Whether the share leaves anything of its device to others."""
    return memory_of(share, device) < device.memory or compute_of(share, device) < device.compute


def has_wall(share: Share, device: Device) -> bool:
    """Whether the memory of its containers is to be limited by cgroup as well: parts of whole GPUs at `hard`."""
    return share.level == "hard" and not share.admin and device.shared and is_part(share, device)


def needs_daemon(shares: Sequence[Share], devices: Mapping[str, Device]) -> bool:
    """Whether an MPS daemon has to keep the shares of one request within their limits."""
    return any(share.level in MPS_LEVELS and is_part(share, devices[share.device]) for share in shares)


def facts(shares: Sequence[Share], devices: Mapping[str, Device]) -> Edits:
    """What every container is told about the shares of one request."""
    found = [(share, devices[share.device]) for share in shares]
    return Edits(
        env={
            "FARTHING_CLAIM": str(shares[0].claim),
            "FARTHING_ISOLATION": shares[0].level,
            "FARTHING_DEVICES": ",".join(device.name for _, device in found),
            "FARTHING_SHARES": ",".join(share.share_id for share, _ in found),
            "FARTHING_MEMORY_MIB": ",".join(str(memory_of(share, device) // MIB) for share, device in found),
            "FARTHING_COMPUTE_MILLI": ",".join(str(compute_of(share, device)) for share, device in found),
        }
    )


def percentage(compute: int) -> int:
    """Milli-GPU as MPS takes them: whole percent, rounded down so that all shares together stay within 100."""
    return max(1, compute * 100 // WHOLE)


def mps_env(shares: Sequence[Share], devices: Mapping[str, Device]) -> dict[str, str]:
    """What a client of an MPS daemon is told. Devices are numbered as the daemon shows them: in the request's order."""
    found = [(share, devices[share.device]) for share in shares]
    env = {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(min(percentage(compute_of(*one)) for one in found))}
    if shares[0].level == "hard":
        limits = (f"{i}={memory_of(*one) // MIB}M" for i, one in enumerate(found))
        env["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] = ",".join(limits)
    return env
