"""Where a device sits: PCIe root and NUMA node, from sysfs, under Kubernetes' own names.

The names and what they hold are those of `k8s.io/dynamic-resource-allocation/deviceattribute`: the root is the first
part of a device's path in sysfs, such as `pci0000:17`; a device without NUMA node has no such attribute.
"""

import re
from pathlib import Path
from typing import Final

from farthing.model.cluster import Attribute

DOMAIN: Final = "resource.kubernetes.io"
_ROOT: Final = re.compile(r"pci[0-9a-f]{4,}:[0-9a-f]{2}")


def place_of(bus: str, root: Path = Path("/")) -> dict[str, Attribute]:
    """What sysfs says of a PCI device (`0000:1b:00.0`), as far as it says anything. `root` stands for `/` in tests."""
    found: dict[str, Attribute] = {f"{DOMAIN}/pciBusID": bus}
    device = root / "sys/bus/pci/devices" / bus
    for part in device.resolve().parts:
        if _ROOT.fullmatch(part):
            found[f"{DOMAIN}/pcieRoot"] = part
            break
    try:
        node = int((device / "numa_node").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return found
    return {**found, **({f"{DOMAIN}/numaNode": node} if node >= 0 else {})}
