"""How long each of those who take turns on an NVIDIA GPU has it before the next.

Set as NVIDIA's own DRA driver sets it (`setComputeMode` and `setTimeSlice` of its kubelet plugin): by nvidia-smi, since
NVML has no call for it; the compute mode first, since turns are only taken in mode DEFAULT.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import structlog

from farthing.model.errors import TransientError
from farthing.node.nvidia_program import run_program

_log = structlog.get_logger(__name__)

SECONDS: Final = 10.0
"""For one run of nvidia-smi."""

_WARNED: Final = "treating as warning"
"""What nvidia-smi says, and then ends well, where a GPU does not know the setting."""


class TimeSlice(StrEnum):
    """The lengths that a GPU knows, in the order in which nvidia-smi numbers them; `default` is its own."""

    default = "default"
    short = "short"
    medium = "medium"
    long = "long"


class TimeSlices:
    """Sets the time slice of GPUs while they have shares in turns. `program` is nvidia-smi.

    `failures` are the sentences of the GPUs that did not take it, by UUID. They work on with the slice they have.
    """

    def __init__(self, program: str, wanted: TimeSlice) -> None:
        self._program = program
        self._wanted = wanted
        self._done: set[str] = set()
        self.failures: dict[str, str] = {}

    def begin(self, uuids: Iterable[str]) -> None:
        """GPUs that shares in turns come to; once for each until `end`, since nvidia-smi takes its time."""
        for uuid in sorted(set(uuids) - self._done):
            self._done.add(uuid)
            self._set(uuid, self._wanted)

    def end(self, uuids: Iterable[str]) -> None:
        """GPUs that nobody takes turns on any more: their own slice again."""
        for uuid in sorted(uuids):
            self._done.discard(uuid)
            self._set(uuid, TimeSlice.default)

    def _set(self, uuid: str, slice_: TimeSlice) -> None:
        try:
            self._run("-i", uuid, "-c", "DEFAULT")
            self._run("compute-policy", "-i", uuid, "--set-timeslice", str(list(TimeSlice).index(slice_)))
        except TransientError as error:
            self.failures[uuid] = str(error)
            _log.error("the time slice is as it was", uuid=uuid, wanted=slice_.value, error=str(error))
        else:
            self.failures.pop(uuid, None)

    def _run(self, *arguments: str) -> None:
        said = run_program([self._program, *arguments], self._program, SECONDS).strip()
        if _WARNED in said.lower():
            raise TransientError(f"{self._program}: {said[-300:]}")
