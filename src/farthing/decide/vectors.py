"""Scores and choices in numpy, many nodes at once, where numba is missing or not worth loading.

Each function takes what its namesake in `kernels` or `compiled` takes, and gives the same answers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from farthing.decide.board import (
    ANY_TEAM,
    BLOCK,
    COUNT,
    CPU,
    CPU_PER_GPU,
    IMPOSSIBLE,
    LEVEL,
    MEMORY,
    MOST_CPU,
    RANKS,
    STEP,
    STRAND,
    TEAM,
    WHOLE,
    Asked,
    Board,
    Flags,
    Floats,
    Rows,
    Scores,
)
from farthing.state.fleet import Bools, Ints


def refresh(b: Board, begin: int, end: int) -> None:
    """Bring what is derived of the nodes from `begin` to `end` in step with their devices."""
    rows = slice(b.first[begin], b.first[end])
    s, size = b.shape[rows], b.size[:, b.shape[rows]]
    b.rest[:, rows] = np.where(size > 0, _parts(b.left[:, rows], size), 1000)
    alone = (b.multi[rows] == 0) | (size.sum(axis=0) <= 0)
    b.rest[:, rows] = np.where(alone, np.where(b.on[0, rows], 0, 1000), b.rest[:, rows])
    b.rest[:, rows] *= b.usable[rows]
    part = b.rest[:, rows].min(axis=0)
    node = np.repeat(np.arange(end - begin), np.diff(b.first[begin : end + 1]))
    can = part[:, None] >= b.least[s]
    nodes = slice(begin, end)
    b.enough[nodes], b.slivers[nodes] = 0, 0
    np.add.at(b.enough[nodes], node, can)
    np.add.at(b.slivers[nodes], node, np.where(can, 0, part[:, None]))
    b.free[nodes] = np.bincount(node, part, minlength=end - begin)
    b.waste[nodes] = _lost(b, b.room[0, nodes], b.free[nodes], b.enough[nodes], b.slivers[nodes])


def _parts(left: Ints, size: Ints) -> Ints:
    small = np.minimum(size, 1 << 53)
    left = np.maximum(left, 0)
    exact = np.where(size < 1 << 53, left, 0) * 1000 // np.maximum(small, 1)
    return np.asarray(np.where(size < 1 << 53, exact, np.minimum(1000, left // np.maximum(size // 1000, 1))))


def _lost(b: Board, cpu: Ints, free: Ints, enough: NDArray[np.int32], slivers: NDArray[np.int32]) -> Floats:
    """The parts of use to no typical ask, by weight; the last axis of `enough` and `slivers` is the asks'."""
    useless = (cpu[..., None] < b.wants[1]) | (enough < b.wants[0])
    return np.asarray(np.where(useless, free[..., None], slivers) @ b.wants[2])


def _stranded(b: Board, free: Ints, cpu: Ints) -> Ints:
    return np.asarray(np.maximum(0, free - np.minimum(cpu, MOST_CPU) * 1000 // b.knobs[CPU_PER_GPU]))


def _steps(b: Board, gain: Floats) -> Ints:
    if len(b.steps):
        return np.asarray(np.searchsorted(b.steps, gain, side="right"))
    return np.asarray(np.floor(gain / b.knobs[STEP]).astype(np.int64))


def _open(b: Board, nodes: Ints, ask: Ints) -> Bools:
    """Nodes with room for the ask's pod."""
    return np.asarray((b.room[0, nodes] >= ask[CPU]) & (b.room[1, nodes] >= ask[MEMORY]) & (b.room[2, nodes] >= 1))


def _may_take(b: Board, d: Ints, ask: Ints, wants: Ints, ok: Flags) -> Bools:
    """Devices that have what an ask takes of them, and let it in."""
    s, users, mode = b.shape[d], b.on[0, d], b.on[1, d]
    has = (ok[d] != 0) & (b.left[0, d] >= wants[0, s]) & (b.left[1, d] >= wants[1, s])
    if ask[WHOLE]:
        return np.asarray(has & (users == 0))
    mates = (mode == ask[LEVEL]) & ((ask[ANY_TEAM] != 0) | (b.on[2, d] == ask[TEAM]))
    return np.asarray(has & ((users == 0) | (b.multi[d] != 0)) & ((mode == 0) | mates))


def rate(b: Board, nodes: Ints, ask: Ints, wants: Ints, ok: Flags, scores: Scores, chosen: Ints) -> None:
    """The scores of an ask for one device, or none, on nodes; `chosen` gets the devices."""
    scores[: len(nodes)] = IMPOSSIBLE
    at = np.flatnonzero(_open(b, nodes, ask))
    n = nodes[at]
    if not ask[COUNT]:
        cpu = b.room[0, n] - ask[CPU]
        scores[at] = _steps(b, _gain(b, n, cpu, b.free[n], b.enough[n], b.slivers[n])) * RANKS
        return
    sizes = b.first[n + 1] - b.first[n]
    at, n = np.repeat(at, sizes), np.repeat(n, sizes)
    d = np.arange(len(n)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + b.first[n]
    able = _may_take(b, d, ask, wants, ok)
    at, n, d = at[able], n[able], d[able]
    s = b.shape[d]
    part, after = b.rest[:, d].min(axis=0), np.maximum(0, (b.rest[:, d] - wants[2:, s]).min(axis=0))
    before, now, limit = part[:, None], after[:, None], b.least[s]
    enough = b.enough[n] - (before >= limit) + (now >= limit)
    slivers = b.slivers[n] - np.where(before < limit, before, 0) + np.where(now < limit, now, 0)
    gain = _gain(b, n, b.room[0, n] - ask[CPU], b.free[n] - part + after, enough, slivers)
    found = _steps(b, gain - b.price[s] * (part - after)) * RANKS + b.rank[s]
    best_last = np.lexsort((-d, found))  # of what is written to one place the last stays
    scores[at[best_last]], chosen[at[best_last]] = found[best_last], d[best_last]


def _gain(b: Board, n: Ints, cpu: Ints, free: Ints, enough: NDArray[np.int32], slivers: NDArray[np.int32]) -> Floats:
    """What nodes gain by what becomes of them, without the price of what is taken."""
    stranded = _stranded(b, free, cpu) - _stranded(b, b.free[n], b.room[0, n])
    found: Floats = b.waste[n] - _lost(b, cpu, free, enough, slivers) - b.knobs[STRAND] * stranded
    return found


def rate_many(b: Board, n: int, ask: Ints, wants: Ints, ok: Flags, out: Ints) -> int:
    """The score of an ask for several devices on a node; `out` gets them: close to each other, then least left."""
    count, devices = int(ask[COUNT]), np.arange(b.first[n], b.first[n + 1])
    able = devices[_may_take(b, devices, ask, wants, ok)]
    if len(able) < count or not _open(b, np.array([n]), ask)[0]:
        return IMPOSSIBLE
    able, level = _close(b, able, count)
    chosen = able[np.argsort(b.rest[:, able].min(axis=0), kind="stable")][:count]
    out[:count] = chosen
    s, before = b.shape[chosen], b.rest[:, chosen].min(axis=0)
    after = np.maximum(0, (b.rest[:, chosen] - wants[2:, s]).min(axis=0))
    limit, old, new = b.least[s], before[:, None], after[:, None]
    enough = b.enough[n] + ((new >= limit).astype(np.int32) - (old >= limit)).sum(axis=0)
    slivers = b.slivers[n] + (np.where(new < limit, new, 0) - np.where(old < limit, old, 0)).sum(axis=0)
    free, node = b.free[n] + (after - before).sum(), np.array([n])
    gain = _gain(b, node, b.room[0, node] - ask[CPU], np.array([free]), enough[None], slivers[None])
    known = (b.domains[: level + 1, b.first[n]] >= 0).any()
    cost = (b.price[s] * (before - after)).sum() + (b.knobs[STEP] * level if known else 0)
    return int(_steps(b, gain - cost)[0] * RANKS + b.rank[s[0]])


def _close(b: Board, able: Ints, count: int) -> tuple[Ints, int]:
    """Of devices those of the tightest domain that has enough, and how many levels of closeness were missed."""
    for level, domains in enumerate(b.domains):
        names, sizes = np.unique(domains[able], return_counts=True)
        enough = np.flatnonzero((names >= 0) & (sizes >= count))
        if len(enough):
            best = enough[np.argmin(sizes[enough])]
            return able[domains[able] == names[best]], level
    return able, len(b.domains)


# What `compiled` has too ----------------------------------------------------------------------------------------------


Held = tuple[Board, Rows]


def hold(*arrays: Any) -> Any:
    """The arrays of a Board and Rows, or of an Asked, as the functions below take them."""
    if len(arrays) == len(Asked._fields):
        return Asked(*arrays)
    return Board(*arrays[: len(Board._fields)]), Rows(*arrays[len(Board._fields) :])


def touch(table: Held, n: int) -> None:
    """A node has changed."""
    b, rows = table
    refresh(b, n, n + 1)
    b.alike[n] = -1
    rows.log[rows.clock[0] % len(rows.log)] = n
    rows.clock[0] += 1


def renew(table: Held) -> None:
    """Every node may have changed, or the mix has."""
    b, rows = table
    refresh(b, 0, len(rows.stamp))
    rows.clock[1] += 1


def pick(table: Held, a: Asked, n: int, out: Ints) -> int:
    """The score of an ask on one node, and the devices into `out`."""
    b, rows = table
    if a.ask[COUNT] > 1:
        return rate_many(b, n, a.ask, a.wants, a.ok, out)
    rows.todo[0] = n
    rate(b, rows.todo[:1], a.ask, a.wants, a.ok, rows.fresh, out)
    return int(rows.fresh[0])


def update(table: Held, a: Asked, k: int, even: bool, out: Ints) -> None:  # noqa: ARG001 -- only compiled code spares
    """Bring a row up to date: rescore the nodes that changed since it was looked at."""
    b, rows = table
    since, position, size = int(rows.seen[k, 0]), int(rows.clock[0]), len(rows.log)
    if rows.seen[k, 1] != rows.clock[1] or position - since > size:
        nodes = np.arange(rows.scores.shape[1])
    else:
        nodes = np.unique(rows.log[np.arange(since, position) % size])
    if a.row_ask[COUNT] > 1:
        rows.scores[k, nodes] = [rate_many(b, int(n), a.row_ask, a.row_wants, a.ok, out) for n in nodes]
    else:
        rate(b, nodes, a.row_ask, a.row_wants, a.ok, rows.fresh, rows.chosen)
        rows.scores[k, nodes] = rows.fresh[: len(nodes)]
    blocks = np.arange(0, rows.scores.shape[1], BLOCK)
    rows.best[k] = np.maximum.reduceat(rows.scores[k], blocks) if len(blocks) else IMPOSSIBLE
    rows.seen[k] = rows.clock[:2]


def choose(table: Held, a: Asked, k: int, joined: bool, even: bool, out: Ints) -> int:
    """The first node of the highest score in a row that can take the ask, or -1; the devices into `out`."""
    update(table, a, k, even, out)
    b, rows = table
    room = (b.room[0] >= a.ask[CPU]) & (b.room[1] >= a.ask[MEMORY])
    scores = np.where(room, rows.scores[k], IMPOSSIBLE)
    while len(scores):
        node = int(np.argmax(scores))
        if scores[node] == IMPOSSIBLE:
            break
        if not (a.ask[COUNT] or joined) or pick(table, a, node, out) != IMPOSSIBLE:
            return node
        scores[node] = IMPOSSIBLE
    return -1


def place(table: Held, a: Asked, k: int, joined: bool, even: bool, out: Ints) -> int:
    """Choose, and take what was chosen."""
    node = choose(table, a, k, joined, even, out)
    if node >= 0:
        take(table, a, node, out, 1)
    return node


def take(table: Held, a: Asked, n: int, devices: Ints, sign: int) -> None:
    """Take an ask's amounts off a node and devices (`sign` 1), or give them back (-1)."""
    b, _ = table
    b.room[:, n] -= sign * np.array([a.ask[CPU], a.ask[MEMORY], 1])
    d = devices[: a.ask[COUNT]]
    b.left[:, d] -= sign * a.takes[:, b.shape[d]]
    b.on[0, d] += sign
    b.on[1, d] = np.where(b.on[0, d], b.on[1, d] | a.ask[LEVEL], 0)
    b.on[2, d] = np.where(b.on[0, d], a.ask[TEAM], -1)
    touch(table, n)
