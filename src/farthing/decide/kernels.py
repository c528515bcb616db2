"""The kernels, compiled by numba. `vectors` says the same in numpy; a property test holds the two together.

All arithmetic is in integers, so that both give the same scores to the last bit.
"""

import numpy as np

from farthing.decide.board import (
    ANY_TEAM, BLOCK, COUNT, CPU, IMPOSSIBLE, LEVEL, MEMORY, MILLI, SCALE, TEAM, WHOLE)
from farthing.decide.jit import kernel


@kernel
def rest_of(b, d):
    s = b.shape[d]
    if not b.usable[d]:
        b.rest[0, d] = b.rest[1, d] = 0
        return
    if not b.multi[d] or (b.size[0, s] <= 0 and b.size[1, s] <= 0):
        b.rest[0, d] = b.rest[1, d] = 0 if b.on[0, d] else 1000
        return
    for i in range(2):
        size = b.size[i, s]
        b.rest[i, d] = max(0, b.left[i, d]) * 1000 // size if size > 0 else 1000


@kernel
def _waste(b, n, cpu, free, enough, slivers):
    total = 0
    for m in range(b.wants.shape[1]):
        if cpu < b.wants[1, m] or enough[m] < b.wants[0, m]:
            total += b.wants[2, m] * free
        else:
            total += b.wants[2, m] * slivers[m]
    return total


@kernel
def refresh(b, n):
    """Bring what is derived of one node in step with its devices."""
    free = 0
    m_count = b.wants.shape[1]
    for m in range(m_count):
        b.enough[n, m] = 0
        b.slivers[n, m] = 0
    for d in range(b.first[n], b.first[n + 1]):
        r = min(b.rest[0, d], b.rest[1, d])
        free += r
        s = b.shape[d]
        for m in range(m_count):
            if r >= b.least[m, s]:
                b.enough[n, m] += 1
            else:
                b.slivers[n, m] += r
    b.free[n] = free
    b.waste[n] = _waste(b, n, b.room[0, n], free, b.enough[n], b.slivers[n])


@kernel
def fits(b, d, ask, amounts, ok):
    if not ok[d]:
        return False
    s = b.shape[d]
    if b.left[0, d] < amounts[0, s] or b.left[1, d] < amounts[1, s]:
        return False
    users = b.on[0, d]
    if ask[WHOLE]:
        return users == 0
    if users and not b.multi[d]:
        return False
    mode = b.on[1, d]
    return mode == 0 or (mode == ask[LEVEL] and (ask[ANY_TEAM] or b.on[2, d] == ask[TEAM]))


@kernel
def _strand(b, cpu, free):
    return max(0, free - cpu * 1000 // b.knobs[0])


@kernel
def _step(b, gain):
    if b.steps.shape[0]:
        return np.searchsorted(b.steps, gain, side="right")
    return gain // b.knobs[2]


@kernel
def _gain(b, n, cpu, free, waste, price):
    stranded = _strand(b, cpu, free) - _strand(b, b.room[0, n], b.free[n])
    return b.waste[n] - waste - b.knobs[1] * stranded - price


@kernel
def score(b, n, ask, amounts, ok, out):
    """The score of an ask on a node, IMPOSSIBLE where it cannot be; `out` gets the devices."""
    cpu = b.room[0, n] - ask[CPU]
    if cpu < 0 or b.room[1, n] < ask[MEMORY] or b.room[2, n] < 1:
        return IMPOSSIBLE
    count = ask[COUNT]
    if count == 0:
        waste = _waste(b, n, cpu, b.free[n], b.enough[n], b.slivers[n])
        return _step(b, _gain(b, n, cpu, b.free[n], waste, 0))
    if count == 1:
        return _score_one(b, n, cpu, ask, amounts, ok, out)
    return _score_many(b, n, cpu, ask, amounts, ok, out)


@kernel
def _score_one(b, n, cpu, ask, amounts, ok, out):
    best = IMPOSSIBLE
    before = after = shape = -1
    m_count = b.wants.shape[1]
    for d in range(b.first[n], b.first[n + 1]):
        if not fits(b, d, ask, amounts, ok):
            continue
        s = b.shape[d]
        r = min(b.rest[0, d], b.rest[1, d])
        left = max(0, min(b.rest[0, d] - amounts[2, s], b.rest[1, d] - amounts[3, s]))
        if r == before and left == after and s == shape:
            continue
        before, after, shape = r, left, s
        free = b.free[n] - r + left
        total = 0
        for m in range(m_count):
            least = b.least[m, s]
            enough, slivers = b.enough[n, m], b.slivers[n, m]
            if r >= least:
                enough -= 1
            else:
                slivers -= r
            if left >= least:
                enough += 1
            else:
                slivers += left
            if cpu < b.wants[1, m] or enough < b.wants[0, m]:
                total += b.wants[2, m] * free
            else:
                total += b.wants[2, m] * slivers
        found = _step(b, _gain(b, n, cpu, free, total, b.price[s] * (r - left)))
        if found > best:
            best = found
            out[0] = d
    return best


@kernel
def _score_many(b, n, cpu, ask, amounts, ok, out):
    count = ask[COUNT]
    found = 0
    first, last = b.first[n], b.first[n + 1]
    # insertion by least rest
    for d in range(first, last):
        if not fits(b, d, ask, amounts, ok):
            continue
        r = min(b.rest[0, d], b.rest[1, d])
        i = found if found < count else count - 1
        if found >= count:
            w = out[count - 1]
            if r >= min(b.rest[0, w], b.rest[1, w]):
                continue
        while i > 0 and r < min(b.rest[0, out[i - 1]], b.rest[1, out[i - 1]]):
            out[i] = out[i - 1]
            i -= 1
        out[i] = d
        if found < count:
            found += 1
    if found < count:
        return IMPOSSIBLE
    m_count = b.wants.shape[1]
    free = 0
    price = 0
    enough = b.enough[n].copy()
    slivers = b.slivers[n].copy()
    free = b.free[n]
    for i in range(count):
        d = out[i]
        s = b.shape[d]
        r = min(b.rest[0, d], b.rest[1, d])
        left = max(0, min(b.rest[0, d] - amounts[2, s], b.rest[1, d] - amounts[3, s]))
        free += left - r
        price += b.price[s] * (r - left)
        for m in range(m_count):
            least = b.least[m, s]
            if r >= least:
                enough[m] -= 1
            else:
                slivers[m] -= r
            if left >= least:
                enough[m] += 1
            else:
                slivers[m] += left
    waste = _waste(b, n, cpu, free, enough, slivers)
    return _step(b, _gain(b, n, cpu, free, waste, price))


@kernel
def _rescore(b, rows, k, n, ask, amounts, ok, out):
    rows.scores[k, n] = score(b, n, ask, amounts, ok, out)


@kernel
def _block_best(rows, k, block):
    found = IMPOSSIBLE
    last = min((block + 1) * BLOCK, rows.scores.shape[1])
    for n in range(block * BLOCK, last):
        if rows.scores[k, n] > found:
            found = rows.scores[k, n]
    rows.best[k, block] = found


@kernel
def update(b, rows, k, ask, amounts, ok, out):
    """Bring a row up to date: rescore the nodes that changed since it was looked at."""
    nodes, size = rows.scores.shape[1], rows.log.shape[0]
    position = rows.clock[0]
    if rows.seen[k, 1] != rows.clock[1] or position - rows.seen[k, 0] > min(nodes, size):
        for n in range(nodes):
            _rescore(b, rows, k, n, ask, amounts, ok, out)
        for block in range(rows.best.shape[1]):
            _block_best(rows, k, block)
    else:
        rows.clock[2] += 1
        mark = rows.clock[2]
        for i in range(rows.seen[k, 0], position):
            n = rows.log[i % size]
            if rows.stamp[n] != mark:
                rows.stamp[n] = mark
                old = rows.scores[k, n]
                _rescore(b, rows, k, n, ask, amounts, ok, out)
                new = rows.scores[k, n]
                block = n // BLOCK
                if new >= rows.best[k, block]:
                    rows.best[k, block] = new
                elif old == rows.best[k, block]:
                    _block_best(rows, k, block)
    rows.seen[k, 0] = position
    rows.seen[k, 1] = rows.clock[1]


@kernel
def choose(b, rows, k, coarse, coarse_amounts, ask, amounts, ok, out):
    """The node with the highest score that can take the ask, the smallest of several; -1 where none can."""
    update(b, rows, k, coarse, coarse_amounts, ok, out)
    best, node = IMPOSSIBLE, -1
    nodes = rows.scores.shape[1]
    for block in range(rows.best.shape[1]):
        if rows.best[k, block] <= best:
            continue
        for n in range(block * BLOCK, min((block + 1) * BLOCK, nodes)):
            if rows.scores[k, n] > best and score(b, n, ask, amounts, ok, out) != IMPOSSIBLE:
                best, node = rows.scores[k, n], n
    if node >= 0:
        score(b, node, ask, amounts, ok, out)
    return node


@kernel
def note(rows, n):
    """Write into the log that a node changed."""
    rows.log[rows.clock[0] % rows.log.shape[0]] = n
    rows.clock[0] += 1


@kernel
def take(b, rows, n, ask, amounts, devices, sign):
    """Take an ask's amounts off a node and devices (`sign` 1), or give them back (-1)."""
    b.room[0, n] -= sign * ask[CPU]
    b.room[1, n] -= sign * ask[MEMORY]
    b.room[2, n] -= sign
    for i in range(ask[COUNT]):
        d = devices[i]
        s = b.shape[d]
        b.left[0, d] -= sign * amounts[0, s]
        b.left[1, d] -= sign * amounts[1, s]
        b.on[0, d] += sign
        if b.on[0, d]:
            b.on[1, d] |= ask[LEVEL]
            b.on[2, d] = ask[TEAM]
        else:
            b.on[1, d] = 0
            b.on[2, d] = -1
        rest_of(b, d)
    refresh(b, n)
    note(rows, n)
