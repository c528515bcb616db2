"""Those who wait in a replay, in the order in which they came."""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from farthing.sim.workload import Arrival, Kind


class Line:
    """A queue that knows who asks for the same, since where one of them has no place, none has."""

    def __init__(self, arrivals: Iterable[Arrival] = ()) -> None:
        self._next = 0
        self._alike: dict[Kind, deque[tuple[int, Arrival]]] = {}
        self.extend(arrivals)

    def __len__(self) -> int:
        return sum(map(len, self._alike.values()))

    def __iter__(self) -> Iterator[Arrival]:
        return (arrival for _, arrival in heapq.merge(*self._alike.values(), key=lambda entry: entry[0]))

    def extend(self, arrivals: Iterable[Arrival]) -> None:
        """Some more come to its end."""
        for arrival in arrivals:
            self._alike.setdefault(arrival.kind, deque()).append((self._next, arrival))
            self._next += 1

    def serve(self, place: Callable[[Arrival], bool]) -> None:
        """Try them in their order, but nobody like one who has found no place. O(kinds + who is placed)."""
        heads = [(alike[0][0], alike) for alike in self._alike.values()]
        heapq.heapify(heads)
        while heads:
            alike = heads[0][1]
            if place(alike[0][1]):
                alike.popleft()
            else:
                heapq.heappop(heads)
                continue
            if alike:
                heapq.heapreplace(heads, (alike[0][0], alike))
            else:
                heapq.heappop(heads)
        self._alike = {kind: alike for kind, alike in self._alike.items() if alike}
