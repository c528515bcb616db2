"""Whether an NVIDIA GPU is well: critical XID errors, memory errors, rows that could not be remapped, heat.

What fails is a taint that evicts (`NoExecute`), what announces itself a warning (`None`). A critical XID stays until
this driver is started anew, when somebody has looked after the GPU; everything else recovers by itself.
"""

from collections.abc import Callable
from typing import Any, Final

import pynvml
import structlog

from farthing.node.devices import Effect, Trouble

_log = structlog.get_logger(__name__)

OF_APPLICATIONS: Final = frozenset({13, 31, 43, 45, 68, 109})
"""XIDs that a program's own mistake causes, and that say nothing about the GPU: as NVIDIA's device plugin skips them
(k8s-device-plugin, internal/rm/health.go)."""

WARM_BELOW_SLOWDOWN: Final = 5
"""Degrees below the temperature at which the GPU slows itself down."""


_Finding = tuple[str, str, Effect, str]


class Health:
    """The troubles of this node's GPUs, as far as they have shown. `stamp` gives the time of a first sight."""

    def __init__(self, stamp: Callable[[], str]) -> None:
        self._stamp = stamp
        self._since: dict[tuple[str, str, str], str] = {}
        self._fatal: dict[str, set[int]] = {}
        self._registered: set[str] = set()
        self._events: Any = None

    def of(self, handle: Any, uuid: str) -> tuple[Trouble, ...]:
        """What is wrong with one GPU now."""
        self._listen(handle, uuid)
        self._drain()
        fatal = sorted(self._fatal.get(uuid, ()))
        found: list[_Finding] = [("xid", str(xid), "NoExecute", f"critical XID {xid}") for xid in fatal]
        found += [*_memory(handle), *_heat(handle)]
        return tuple(self._trouble(uuid, *one) for one in found)

    def lost(self, name: str) -> Trouble:
        return self._trouble(name, "lost", "bus", "NoExecute", "the GPU does not answer any more")

    def unset(self, uuid: str, sentence: str) -> Trouble:
        return self._trouble(uuid, "time-slice", "unset", "None", sentence)

    def _trouble(self, about: str, name: str, value: str, effect: Effect, sentence: str) -> Trouble:
        since = self._since.setdefault((about, name, value), self._stamp())
        return Trouble(name, value, effect, since, sentence)

    def _listen(self, handle: Any, uuid: str) -> None:
        """Have NVML tell us of critical XIDs; GPUs that cannot are believed to be well."""
        if uuid in self._registered:
            return
        self._registered.add(uuid)
        try:
            if self._events is None:
                self._events = pynvml.nvmlEventSetCreate()
            pynvml.nvmlDeviceRegisterEvents(handle, pynvml.nvmlEventTypeXidCriticalError, self._events)
        except pynvml.NVMLError as error:
            _log.warning("this GPU does not tell of XID errors", uuid=uuid, error=str(error))

    def _drain(self) -> None:
        """Take note of all events that wait."""
        while self._events is not None:
            try:
                event = pynvml.nvmlEventSetWait(self._events, 0)
                uuid = pynvml.nvmlDeviceGetUUID(event.device)
            except pynvml.NVMLError:
                return
            if event.eventData not in OF_APPLICATIONS:
                self._fatal.setdefault(uuid if isinstance(uuid, str) else uuid.decode(), set()).add(event.eventData)


def _memory(handle: Any) -> list[_Finding]:
    found: list[_Finding] = []
    remapped = _asked(lambda: pynvml.nvmlDeviceGetRemappedRows(handle))
    if remapped:
        _, uncorrectable, pending, failed = remapped
        if failed:
            found.append(("ecc", "remap-failed", "NoExecute", "a row of memory is broken and no spare is left"))
        elif pending:
            found.append(("ecc", "remap-pending", "None", f"{uncorrectable} rows wait for a reset to be remapped"))
    broken = _asked(
        lambda: pynvml.nvmlDeviceGetTotalEccErrors(
            handle, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC
        )
    )
    if broken:
        found.append(("ecc", "uncorrected", "NoSchedule", f"{broken} memory errors since the driver was loaded"))
    return found


def _heat(handle: Any) -> list[_Finding]:
    now = _asked(lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    slow = _asked(lambda: pynvml.nvmlDeviceGetTemperatureThreshold(handle, pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN))
    if now and slow and now >= slow - WARM_BELOW_SLOWDOWN:
        return [("thermal", "hot", "None", f"within {WARM_BELOW_SLOWDOWN} degrees of its slowdown at {slow}")]
    return []


def _asked(question: Callable[[], Any]) -> Any:
    """The answer; None where this GPU does not know such a thing. Other errors are the GPU's trouble."""
    try:
        return question()
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        return None
