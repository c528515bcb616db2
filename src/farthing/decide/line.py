"""The line of everybody who waits, as it would be taken up if there were room for all: who is ahead of whom."""

from farthing.decide.fairness import Line, queues_of
from farthing.decide.governor import Governor
from farthing.decide.needs import needs_lacking
from farthing.decide.order import in_order, team_order
from farthing.decide.quota import Books, Charge
from farthing.state.snapshot import Snapshot, Waiting


def in_line(snapshot: Snapshot) -> list[Waiting]:
    """Everybody who waits, who is next first. Where there are teams, each start makes its team's next one wait."""
    books = Books.of(snapshot)
    if books is None:
        return in_order(snapshot.waiting)
    governor, tree = Governor(snapshot.fleet, books), books.tree

    def costs(team: int, waiting: Waiting) -> tuple[Charge, ...]:
        return governor.charges(team, needs_lacking(waiting))

    queues = {
        team: team_order(found, tree.teams[team].queueing) for team, found in queues_of(books, snapshot.waiting).items()
    }
    line = Line(snapshot, books, queues, costs, lambda _: None)
    found = []
    while (head := line.head()) is not None:
        team, waiting = head
        found.append(waiting)
        books.take(team, line.charge())
        line.advance()
    return found
