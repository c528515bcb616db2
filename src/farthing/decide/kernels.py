"""Scores and choices, compiled by numba. `vectors` says the same in numpy; property tests hold the two together.

All numbers are whole, those in floating point too, so that both give the same scores to the last bit in whatever order
they add. `choosing` builds on what is here. Arrays get local names first: numba counts references to each array that
it takes out of a tuple, and a loop that does so is four times slower.
"""

import numpy as np

from farthing.decide.board import (
    ANY_TEAM,
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
    Board,
    Flags,
    Floats,
    Scores,
)
from farthing.decide.jit import kernel
from farthing.state.fleet import Ints


@kernel
def refresh(b: Board, begin: int, end: int) -> None:
    """Bring what is derived of the nodes from `begin` to `end` in step with their devices."""
    first, shape, size, usable, multi, left, on = b.first, b.shape, b.size, b.usable, b.multi, b.left, b.on
    rest, least, enough, slivers, free, waste, room = b.rest, b.least, b.enough, b.slivers, b.free, b.waste, b.room
    want_count, want_cpu, weight = b.wants[0], b.wants[1], b.wants[2]
    typical = weight.shape[0]
    for n in range(begin, end):
        enough[n] = 0
        slivers[n] = 0
        total = 0
        for d in range(first[n], first[n + 1]):
            s = shape[d]
            for i in range(2):
                if not usable[d]:
                    rest[i, d] = 0
                elif not multi[d] or size[0, s] + size[1, s] <= 0:
                    rest[i, d] = 0 if on[0, d] else 1000
                else:
                    rest[i, d] = _part(left[i, d], size[i, s])
            part = min(rest[0, d], rest[1, d])
            total += part
            for m in range(typical):
                if part >= least[s, m]:
                    enough[n, m] += 1
                else:
                    slivers[n, m] += part
        free[n] = total
        lost = 0.0
        for m in range(typical):
            useless = room[0, n] < want_cpu[m] or enough[n, m] < want_count[m]
            lost += weight[m] * (total if useless else slivers[n, m])
        waste[n] = lost


@kernel
def _part(left: int, size: int) -> int:
    """What is left of a device's capacity, in thousandths."""
    if size <= 0:
        return 1000
    if size < 1 << 53:
        return max(0, left) * 1000 // size
    return min(1000, max(0, left) // (size // 1000))


@kernel
def _may_take(
    compute: int, memory: int, users: int, mode: int, team: int, multi: int, wants: Ints, s: int, ask: Ints
) -> bool:
    """Whether a device has what an ask takes of it, and lets it in."""
    if compute < wants[0, s] or memory < wants[1, s]:
        return False
    if ask[WHOLE]:
        return bool(users == 0)
    if users and not multi:
        return False
    return bool(mode == 0 or (mode == ask[LEVEL] and (ask[ANY_TEAM] != 0 or team == ask[TEAM])))


@kernel
def _stranded(free: int, cpu: int, cpu_per_gpu: int) -> int:
    """Parts of a node's GPUs that its cpu does not suffice for."""
    return max(0, free - min(cpu, MOST_CPU) * 1000 // cpu_per_gpu)


@kernel
def _step(gain: float, step: int, steps: Floats) -> int:
    """A gain as a score."""
    if steps.shape[0]:
        return int(np.searchsorted(steps, gain, side="right"))
    return int(np.floor(gain / step))


@kernel
def rate(b: Board, nodes: Ints, ask: Ints, wants: Ints, ok: Flags, scores: Scores, chosen: Ints) -> None:
    """The scores of an ask for one device, or none, on nodes; `chosen` gets the devices."""
    first, shape, multi, left, on, room = b.first, b.shape, b.multi, b.left, b.on, b.room
    rest, least, enough, slivers, all_free, waste = b.rest, b.least, b.enough, b.slivers, b.free, b.waste
    want_count, want_cpu, weight, price, steps = b.wants[0], b.wants[1], b.wants[2], b.price, b.steps
    rank = b.rank
    cpu_per_gpu, strand, step = b.knobs[CPU_PER_GPU], b.knobs[STRAND], b.knobs[STEP]
    typical = weight.shape[0]
    for i in range(len(nodes)):
        n = nodes[i]
        scores[i] = IMPOSSIBLE
        cpu = room[0, n] - ask[CPU]
        if cpu < 0 or room[1, n] < ask[MEMORY] or room[2, n] < 1:
            continue
        before = _stranded(all_free[n], room[0, n], cpu_per_gpu)
        if ask[COUNT] == 0:
            lost = 0.0
            for m in range(typical):
                useless = cpu < want_cpu[m] or enough[n, m] < want_count[m]
                lost += weight[m] * (all_free[n] if useless else slivers[n, m])
            stranded = _stranded(all_free[n], cpu, cpu_per_gpu) - before
            scores[i] = _step(waste[n] - lost - strand * stranded, step, steps) * RANKS
            continue
        last_part = last_after = last_shape = -1
        for d in range(first[n], first[n + 1]):
            s = shape[d]
            if not ok[d]:
                continue
            if not _may_take(left[0, d], left[1, d], on[0, d], on[1, d], on[2, d], multi[d], wants, s, ask):
                continue
            part = min(rest[0, d], rest[1, d])
            after = max(0, min(rest[0, d] - wants[2, s], rest[1, d] - wants[3, s]))
            if part == last_part and after == last_after and s == last_shape:
                continue
            last_part, last_after, last_shape = part, after, s
            free = all_free[n] - part + after
            lost = 0.0
            for m in range(typical):
                limit = least[s, m]
                devices = enough[n, m] - (part >= limit) + (after >= limit)
                sliver = slivers[n, m] - (part if part < limit else 0) + (after if after < limit else 0)
                useless = (cpu < want_cpu[m]) | (devices < want_count[m])
                lost += weight[m] * (free if useless else sliver)
            stranded = _stranded(free, cpu, cpu_per_gpu) - before
            found = _step(waste[n] - lost - strand * stranded - price[s] * (part - after), step, steps)
            found = found * RANKS + rank[s]
            if found > scores[i]:
                scores[i] = found
                chosen[i] = d


@kernel
def _tightest(b: Board, n: int, ask: Ints, wants: Ints, ok: Flags, level: int, domain: int, out: Ints) -> int:
    """Into `out` the devices that could serve an ask for several, least left first; how many, at most what it wants.

    Only those of a domain of the level, unless it is -1.
    """
    first, shape, multi, left, on, rest, domains = b.first, b.shape, b.multi, b.left, b.on, b.rest, b.domains
    count, found = ask[COUNT], 0
    for d in range(first[n], first[n + 1]):
        if not ok[d] or (domain >= 0 and domains[level, d] != domain):
            continue
        if not _may_take(left[0, d], left[1, d], on[0, d], on[1, d], on[2, d], multi[d], wants, shape[d], ask):
            continue
        part = min(rest[0, d], rest[1, d])
        i = found
        while i > 0 and part < min(rest[0, out[i - 1]], rest[1, out[i - 1]]):
            if i < count:
                out[i] = out[i - 1]
            i -= 1
        if i < count:
            out[i] = d
            found = min(found + 1, count)
    return found


@kernel
def _domain(b: Board, n: int, ask: Ints, wants: Ints, ok: Flags, domains: Ints) -> int:
    """The domain on a node with enough devices for an ask and the fewest to spare, the smallest of several; or -1."""
    first, shape, multi, left, on = b.first, b.shape, b.multi, b.left, b.on
    fewest, found = 1 << 30, -1
    for d in range(first[n], first[n + 1]):
        if domains[d] < 0:
            continue
        able = 0
        for e in range(first[n], first[n + 1]):
            if domains[e] == domains[d] and ok[e]:
                able += _may_take(left[0, e], left[1, e], on[0, e], on[1, e], on[2, e], multi[e], wants, shape[e], ask)
        if able >= ask[COUNT] and (able < fewest or (able == fewest and domains[d] < found)):
            fewest, found = able, domains[d]
    return found


@kernel
def rate_many(b: Board, n: int, ask: Ints, wants: Ints, ok: Flags, out: Ints) -> int:
    """The score of an ask for several devices on a node; `out` gets them: close to each other, then least left."""
    first, shape, room, rest, least, price, domains = b.first, b.shape, b.room, b.rest, b.least, b.price, b.domains
    cpu, count = room[0, n] - ask[CPU], ask[COUNT]
    if cpu < 0 or room[1, n] < ask[MEMORY] or room[2, n] < 1 or first[n + 1] - first[n] < count:
        return IMPOSSIBLE
    level, domain, known = 0, -1, False
    while level < domains.shape[0] and domain < 0:
        domain = _domain(b, n, ask, wants, ok, domains[level])
        known = known or domains[level, first[n]] >= 0
        level += 0 if domain >= 0 else 1
    if _tightest(b, n, ask, wants, ok, level, domain, out) < count:
        return IMPOSSIBLE
    typical = b.wants.shape[1]
    enough, slivers, free, cost = b.enough[n].copy(), b.slivers[n].copy(), b.free[n], 0.0
    for i in range(count):
        s = shape[out[i]]
        part = min(rest[0, out[i]], rest[1, out[i]])
        after = max(0, min(rest[0, out[i]] - wants[2, s], rest[1, out[i]] - wants[3, s]))
        free += after - part
        cost += price[s] * (part - after)
        for m in range(typical):
            limit = least[s, m]
            enough[m] += (after >= limit) - (part >= limit)
            slivers[m] += (after if after < limit else 0) - (part if part < limit else 0)
    lost = 0.0
    for m in range(typical):
        useless = cpu < b.wants[1, m] or enough[m] < b.wants[0, m]
        lost += b.wants[2, m] * (free if useless else slivers[m])
    stranded = _stranded(free, cpu, b.knobs[CPU_PER_GPU]) - _stranded(b.free[n], room[0, n], b.knobs[CPU_PER_GPU])
    cost += b.knobs[STRAND] * stranded + (b.knobs[STEP] * level if known else 0)
    return _step(b.waste[n] - lost - cost, b.knobs[STEP], b.steps) * RANKS + int(b.rank[shape[out[0]]])
