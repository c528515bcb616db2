"""NVIDIA's limits on the GPU memory of a cgroup: drivers from R615 on, cgroup v2, no MIG.

After docs.nvidia.com/deploy/mps/mpsv3-memory-partitioning.html; the structures are those of nvml.h, as nvidia-ml-py has
them. Set through NVML only: it finds the device's key, and the kernel's controller or the driver's own.
"""

from pathlib import Path

import pynvml

from farthing.model.errors import TransientError, UnsupportedError
from farthing.node.devices import Device


def limit_memory(device: Device, group: Path, memory: int) -> None:
    """Let the processes of a cgroup have so many bytes of a GPU. Nothing is reserved: the soft limit is 0.

    Raises UnsupportedError where the driver or the GPU cannot, TransientError where this time it did not work.
    """
    path = str(group).encode()
    kept = pynvml.c_nvmlGetMemoryLimits_v1_t(path)
    try:
        handle = pynvml.nvmlDeviceGetHandleByUUID(device.attributes["uuid"])
        pynvml.nvmlDeviceSetMemoryLimits_v1(handle, pynvml.c_nvmlSetMemoryLimits_v1_t(path, 0, memory))
        pynvml.nvmlDeviceGetMemoryLimits_v1(handle, kept)
    except (pynvml.NVMLError_FunctionNotFound, pynvml.NVMLError_NotSupported, pynvml.NVMLError_NoPermission) as error:
        raise UnsupportedError(f"NVIDIA's driver does not limit memory by cgroup here ({error})") from error
    except pynvml.NVMLError as error:
        raise TransientError(f"NVIDIA's driver did not limit {group} ({error})") from error
    if kept.hardLimit == pynvml.NVML_DEVICE_MEMORY_LIMIT_MAX:
        raise TransientError(f"NVIDIA's driver took the limit of {group} and does not keep it")
