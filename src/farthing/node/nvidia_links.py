"""Which NVIDIA GPUs of a node NVLink connects, through NVML."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pynvml

from farthing.node.nvidia_profiles import text

SWITCH: Final = "switch"
"""The other end of a link that leads to an NVSwitch. A node's switches are connected among themselves."""


class Links:
    """The NVLink domains of a node: GPUs that reach each other by NVLink, directly or over others."""

    def __init__(self) -> None:
        self._domains: dict[frozenset[str], dict[str, str]] = {}

    def domains(self, handles: Mapping[str, Any]) -> Mapping[str, str]:
        """For each GPU's bus id, given with NVML's handles, the domain: the smallest bus id in it.

        A GPU that no link connects is in none. Links are looked at once, until other GPUs are here.
        """
        key = frozenset(handles)
        if key not in self._domains:
            self._domains = {key: _domains({bus: set(_ends(handle)) for bus, handle in handles.items()})}
        return self._domains[key]


def _domains(ends: Mapping[str, set[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for bus in sorted(ends):
        reached, new = {bus}, {bus}
        while new:
            beyond = set().union(*(ends[one] for one in new))
            over = {other for other, others in ends.items() if others & beyond & {SWITCH}}
            new = ((beyond & ends.keys()) | over) - reached
            reached |= new
        if len(reached) > 1:
            found[bus] = min(reached)
    return found


def _ends(handle: Any) -> Iterator[str]:
    """The other ends of a GPU's active links: bus ids, or `SWITCH`."""
    for link in range(pynvml.NVML_NVLINK_MAX_LINKS):
        try:
            if pynvml.nvmlDeviceGetNvLinkState(handle, link) != pynvml.NVML_FEATURE_ENABLED:
                continue
            kind = pynvml.nvmlDeviceGetNvLinkRemoteDeviceType(handle, link)
            if kind == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
                yield SWITCH
            elif kind == pynvml.NVML_NVLINK_DEVICE_TYPE_GPU:
                yield bus_id(pynvml.nvmlDeviceGetNvLinkRemotePciInfo(handle, link))
        except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_InvalidArgument, pynvml.NVMLError_FunctionNotFound):
            return


def bus_id(found: Any) -> str:
    """NVML's PCI information as Kubernetes writes a bus id: a domain of four digits, lower case."""
    return text(found.busId).lower()[-12:]
