"""Rows of scores, compiled by numba: brought up to date, and searched for the best node. See `kernels`.

Numbers go from kernel to kernel as results and lengths, not as constants: numba compiles a function once more for each
constant that it is handed.
"""

from farthing.decide.board import BLOCK, COUNT, CPU, IMPOSSIBLE, LEVEL, MEMORY, TEAM, Asked, Board, Flags, Rows, Scores
from farthing.decide.jit import kernel
from farthing.decide.kernels import rate, rate_many, refresh
from farthing.state.fleet import Ints

# What changes ---------------------------------------------------------------------------------------------------------


@kernel
def touch(b: Board, rows: Rows, n: int) -> None:
    """A node has changed."""
    refresh(b, n, n + 1)
    b.alike[n] = -1
    rows.log[rows.clock[0] % rows.log.shape[0]] = n
    rows.clock[0] += 1


@kernel
def renew(b: Board, rows: Rows) -> None:
    """Every node may have changed, or the mix has: derive everything anew, of nodes that are alike once."""
    alike, stamp, clock, kept, first = b.alike, rows.stamp, rows.clock, rows.chosen, b.first
    enough, slivers, free, waste, rest = b.enough, b.slivers, b.free, b.waste, b.rest
    clock[1] += 1
    clock[2] += 1
    for n in range(len(stamp)):
        a = alike[n]
        if a < 0 or stamp[a] != clock[2]:
            refresh(b, n, n + 1)
            if a >= 0:
                stamp[a], kept[a] = clock[2], n
            continue
        m = kept[a]
        free[n], waste[n] = free[m], waste[m]
        for i in range(enough.shape[1]):
            enough[n, i], slivers[n, i] = enough[m, i], slivers[m, i]
        for i in range(first[n + 1] - first[n]):
            rest[0, first[n] + i], rest[1, first[n] + i] = rest[0, first[m] + i], rest[1, first[m] + i]


@kernel
def take(b: Board, rows: Rows, n: int, ask: Ints, takes: Ints, devices: Ints, sign: int) -> None:
    """Take an ask's amounts off a node and devices (`sign` 1), or give them back (-1)."""
    shape, left, on, room = b.shape, b.left, b.on, b.room
    room[0, n] -= sign * ask[CPU]
    room[1, n] -= sign * ask[MEMORY]
    room[2, n] -= sign
    for i in range(ask[COUNT]):
        d = devices[i]
        left[0, d] -= sign * takes[0, shape[d]]
        left[1, d] -= sign * takes[1, shape[d]]
        on[0, d] += sign
        on[1, d] = on[1, d] | ask[LEVEL] if on[0, d] else 0
        on[2, d] = ask[TEAM] if on[0, d] else -1
    touch(b, rows, n)


# Bringing a row up to date --------------------------------------------------------------------------------------------


@kernel
def _block_best(scores: Scores, best: Scores, block: int) -> None:
    found = IMPOSSIBLE
    for n in range(block * BLOCK, min((block + 1) * BLOCK, scores.shape[0])):
        found = max(found, scores[n])
    best[block] = found


@kernel
def _rescore(b: Board, rows: Rows, nodes: Ints, a: Asked, out: Ints) -> None:
    """Into `fresh` the scores of nodes."""
    if a.row_ask[COUNT] > 1:
        for i in range(len(nodes)):
            rows.fresh[i] = rate_many(b, nodes[i], a.row_ask, a.row_wants, a.ok, out)
    else:
        rate(b, nodes, a.row_ask, a.row_wants, a.ok, rows.fresh, rows.chosen)


@kernel
def _apart(b: Board, rows: Rows, even: bool) -> Ints:
    """Every node, but of those that are alike only the first, if the ask's `ok` is `even` among them."""
    alike, stamp, todo, clock = b.alike, rows.stamp, rows.todo, rows.clock
    clock[2] += 1
    count = 0
    for n in range(len(stamp)):
        if not even or alike[n] < 0 or stamp[alike[n]] != clock[2]:
            todo[count] = n
            count += 1
            if alike[n] >= 0:
                stamp[alike[n]] = clock[2]
    return todo[:count]


@kernel
def _changed(rows: Rows, k: int) -> Ints:
    """The nodes that changed since a row was looked at, each once."""
    log, stamp, todo, clock = rows.log, rows.stamp, rows.todo, rows.clock
    clock[2] += 1
    count = 0
    for i in range(rows.seen[k, 0], clock[0]):
        n = log[i % len(log)]
        if stamp[n] != clock[2]:
            stamp[n] = clock[2]
            todo[count] = n
            count += 1
    return todo[:count]


@kernel
def _score_all(b: Board, rows: Rows, a: Asked, k: int, even: bool, out: Ints) -> None:
    """Score every node, those that are alike once."""
    alike, fresh, same, scores, best = b.alike, rows.fresh, rows.same, rows.scores[k], rows.best[k]
    nodes = _apart(b, rows, even)
    _rescore(b, rows, nodes, a, out)
    i = 0
    for n in range(len(scores)):
        if i < len(nodes) and nodes[i] == n:
            scores[n] = fresh[i]
            i += 1
            if alike[n] >= 0:
                same[alike[n]] = scores[n]
        else:
            scores[n] = same[alike[n]]
    for block in range(best.shape[0]):
        _block_best(scores, best, block)


@kernel
def _score_changed(b: Board, rows: Rows, a: Asked, k: int, out: Ints) -> None:
    """Score the nodes that changed since the row was looked at."""
    fresh, scores, best = rows.fresh, rows.scores[k], rows.best[k]
    nodes = _changed(rows, k)
    _rescore(b, rows, nodes, a, out)
    for i in range(len(nodes)):
        n = nodes[i]
        old, new, block = scores[n], fresh[i], n // BLOCK
        scores[n] = new
        if new >= best[block]:
            best[block] = new
        elif old == best[block]:
            _block_best(scores, best, block)


@kernel
def update(b: Board, rows: Rows, a: Asked, k: int, even: bool, out: Ints) -> None:
    """Bring a row up to date."""
    clock, seen = rows.clock, rows.seen
    if seen[k, 1] != clock[1] or clock[0] - seen[k, 0] > len(rows.log):
        _score_all(b, rows, a, k, even, out)
    else:
        _score_changed(b, rows, a, k, out)
    seen[k, 0] = clock[0]
    seen[k, 1] = clock[1]


# Choosing -------------------------------------------------------------------------------------------------------------


@kernel
def pick(b: Board, rows: Rows, n: int, ask: Ints, wants: Ints, ok: Flags, out: Ints) -> int:
    """The score of an ask on one node, and the devices into `out`."""
    if ask[COUNT] > 1:
        return rate_many(b, n, ask, wants, ok, out)
    rows.todo[0] = n
    rate(b, rows.todo[:1], ask, wants, ok, rows.fresh, out)
    return int(rows.fresh[0])


@kernel
def _search(b: Board, rows: Rows, a: Asked, k: int, joined: bool, out: Ints) -> int:
    """The first node of the highest score in a row that can take the ask, or -1.

    A `joined` row stands for several asks, so that each node must be asked whether it can take this one.
    """
    scores, best, room, cpu, memory = rows.scores[k], rows.best[k], b.room, a.ask[CPU], a.ask[MEMORY]
    highest, node = IMPOSSIBLE, -1
    for block in range(best.shape[0]):
        if best[block] <= highest:
            continue
        for n in range(block * BLOCK, min((block + 1) * BLOCK, scores.shape[0])):
            if scores[n] <= highest or room[0, n] < cpu or room[1, n] < memory:
                continue
            if joined and pick(b, rows, n, a.ask, a.wants, a.ok, out) == IMPOSSIBLE:
                continue
            highest, node = scores[n], n
    return node


@kernel
def choose(b: Board, rows: Rows, a: Asked, k: int, joined: bool, even: bool, out: Ints) -> int:
    """The best node for an ask, or -1; the devices into `out`."""
    update(b, rows, a, k, even, out)
    node = _search(b, rows, a, k, joined, out)
    if node >= 0 and a.ask[COUNT] > 0:
        pick(b, rows, node, a.ask, a.wants, a.ok, out)
    return node


@kernel
def place(b: Board, rows: Rows, a: Asked, k: int, joined: bool, even: bool, out: Ints) -> int:
    """Choose, and take what was chosen."""
    node = choose(b, rows, a, k, joined, even, out)
    if node >= 0:
        take(b, rows, node, a.ask, a.takes, out, 1)
    return node
