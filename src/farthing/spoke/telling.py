"""Telling those who wait why they do: which of a plan's holds are worth a write.

Worth telling is what somebody was not told yet, another reason than before, and now and then new numbers. Only a few
are told at the same time, the others in later turns: where thousands wait, the API server would else be busy with
nothing but that, while those who could be placed wait in the same line.
"""

from collections.abc import Iterable
from heapq import nsmallest
from typing import Final

from farthing.model.plan import Hold
from farthing.model.reason import Reason

RETELL_SECONDS: Final = 30.0
"""A pod that waits for the same reason is told new numbers at most so often."""

TOLD_AT_ONCE: Final = 4
"""Holds being written at the same time. An API server at ease answers hundreds a second of these few; one that is busy
has better things to do."""

NEW, CHANGED, NUMBERS = range(3)
"""What goes first: a first reason, then another one than before, then only other numbers."""


class Telling:
    """Remembers who was told what, and how many are being told right now. Instants are of a steady clock."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[Reason, float]] = {}
        self._writing = 0

    def news(self, holds: Iterable[Hold], at: float) -> list[Hold]:
        """The holds to write now: those that say something new, as many as there is room for.

        Pods of a gang are told all at once: while one is being told, the others look as if it were not there.
        """
        ranked = [(rank, hold) for hold in holds if (rank := self._rank(hold, at)) is not None]
        gangs = [hold for _, hold in ranked if hold.pod.gang is not None]
        alone = (found for found in ranked if found[1].pod.gang is None)
        room = max(0, TOLD_AT_ONCE - self._writing)
        return [*gangs, *(hold for _, hold in nsmallest(room, alone, key=lambda found: found[0]))]

    def _rank(self, hold: Hold, at: float) -> tuple[int, float] | None:
        """How urgent a hold is, the least first; None where it says nothing new."""
        pod = hold.pod
        known, since = self._told.get(pod.uid, (pod.verdict, float("-inf")))
        if known is None or pod.verdict is None:
            return NEW, since
        if known.why is not hold.reason.why:
            return CHANGED, since
        return None if at - since < RETELL_SECONDS else (NUMBERS, since)

    def begin(self) -> None:
        """A hold is being written from now on."""
        self._writing += 1

    def end(self) -> None:
        """It is written, or was refused."""
        self._writing -= 1

    def note(self, hold: Hold, at: float) -> None:
        """A pod was told."""
        self._told[hold.pod.uid] = (hold.reason, at)

    def forget(self, uid: str) -> None:
        """A pod waits no more."""
        self._told.pop(uid, None)

    def sweep(self, at: float) -> None:
        """Forget what was told so long ago that it may be told anew."""
        self._told = {uid: told for uid, told in self._told.items() if at - told[1] < RETELL_SECONDS}
