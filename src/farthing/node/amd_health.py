"""Whether an AMD GPU is well, from sysfs: errors of memory, pages that are broken, heat.

Which files and what they mean: the kernel's "AMDGPU RAS Support" (docs.kernel.org/gpu/amdgpu/ras.html: `ras/
umc_err_count` holds `ue:` and `ce:` lines; `ras/gpu_vram_bad_pages` flags each page R reserved, P to be reserved, F
cannot be reserved) and "GPU Power/Thermal Controls" (`hwmon/hwmonN/tempM_input` and `tempM_crit`, in thousandths of a
degree). A GPU without such files is believed to be well.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from farthing.node.devices import Effect, Trouble

WARM_BELOW_CRITICAL: Final = 5
"""Degrees below the temperature at which the GPU is shut down."""

_UNCORRECTED: Final = re.compile(r"^ue:\s*(\d+)", re.MULTILINE)
_FLAG: Final = re.compile(r":\s*([RPF])\s*$", re.MULTILINE)


class Health:
    """The troubles of this node's GPUs. `stamp` gives the time of a first sight."""

    def __init__(self, stamp: Callable[[], str]) -> None:
        self._stamp = stamp
        self._since: dict[tuple[str, str, str], str] = {}

    def of(self, device: Path, name: str) -> tuple[Trouble, ...]:
        """What is wrong with one GPU now; `device` is its folder in sysfs."""
        found = tuple(self._trouble(name, *one) for one in (*_memory(device), *_heat(device)))
        kept = {(name, trouble.name, trouble.value) for trouble in found}
        self._since = {key: at for key, at in self._since.items() if key[0] != name or key in kept}
        return found

    def lost(self, name: str) -> Trouble:
        """The GPU was here and is no more."""
        return self._trouble(name, "lost", "bus", "NoExecute", "the GPU is not in sysfs any more")

    def _trouble(self, about: str, name: str, value: str, effect: Effect, sentence: str) -> Trouble:
        since = self._since.setdefault((about, name, value), self._stamp())
        return Trouble(name, value, effect, since, sentence)


def _memory(device: Path) -> Iterator[tuple[str, str, Effect, str]]:
    broken = _UNCORRECTED.search(_text(device / "ras/umc_err_count"))
    if broken and int(broken[1]):
        yield "ecc", "uncorrected", "NoSchedule", f"{broken[1]} memory errors since the driver was loaded"
    flags = _FLAG.findall(_text(device / "ras/gpu_vram_bad_pages"))
    if "F" in flags:
        yield "ecc", "page-failed", "NoExecute", f"{flags.count('F')} broken pages of memory cannot be taken out of use"
    elif "P" in flags:
        yield "ecc", "page-pending", "None", f"{flags.count('P')} broken pages of memory wait to be taken out of use"


def _heat(device: Path) -> Iterator[tuple[str, str, Effect, str]]:
    for critical in sorted(device.glob("hwmon/hwmon*/temp*_crit")):
        now = _text(critical.with_name(critical.name.replace("_crit", "_input")))
        limit = _text(critical)
        if now.isdecimal() and limit.isdecimal() and int(now) >= int(limit) - 1000 * WARM_BELOW_CRITICAL:
            degrees = f"within {WARM_BELOW_CRITICAL} degrees of its limit at {int(limit) // 1000}"
            yield "thermal", "hot", "None", degrees
            return


def _text(path: Path) -> str:
    """A file of sysfs, empty where it is not there or cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
