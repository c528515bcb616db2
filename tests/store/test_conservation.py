"""Whatever happens to meters, batches and the ledger itself, money is neither lost nor made.

The truth is what devices and shares did, in steps of half an hour. The expected books are worked out from it slot by
slot, by other arithmetic than the ledger's. `FARTHING_HYPOTHESIS=long` takes more than 10,000 steps on each database.
"""

import contextlib
import itertools
import os
from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import event

from farthing.ledger.entry import IdleRule
from farthing.ledger.interval import DAY, Batch, Interval, Supply, Used
from farthing.ledger.period import last_day, period_of
from farthing.model.errors import ConflictError, FarthingError, NotFoundError
from farthing.store.archive import archive
from farthing.store.restore import restore
from tests.ledgers import GIB, book, interval, supply
from tests.store.sums import by_kind, by_team, capacity_cost, daily_recomputed, daily_sums, dump, standing, tokens

_numbers = itertools.count()
SLOT = 1800
DEVICES = ("d/n0/gpu-0", "d/n0/gpu-1")
AMOUNTS = (100, 250, 500, 1000)
LONG = os.environ.get("FARTHING_HYPOTHESIS") == "long"
STEPS = settings(max_examples=350 if LONG else 15, stateful_step_count=60)


class CrashError(Exception):
    """The process was killed."""


@dataclass
class Meter:
    """One life of a meter: what it wrote to its log, and what it saw and has not written yet."""

    epoch: int
    seq: int = 0
    watermark: int = 0
    seen: dict[object, Interval | Supply] = field(default_factory=dict)

    def see(self, thing: Interval | Supply) -> None:
        self.seen[thing.id if isinstance(thing, Interval) else (thing.device, thing.start)] = thing

    def write(self, at: int) -> Batch:
        things = tuple(self.seen.values())
        self.seen.clear()
        self.seq, self.watermark = self.seq + 1, at
        intervals = tuple(thing for thing in things if isinstance(thing, Interval))
        used = (Used("c", at // DAY, "a", "n", "w", generated_tokens=self.seq),)
        return Batch("c", self.epoch, self.seq, at, intervals, tuple(t for t in things if isinstance(t, Supply)), used)


class Life(RuleBasedStateMachine):
    """One cluster of two devices, its meter, and the ledger."""

    def __init__(self, copies):
        super().__init__()
        self.copies = copies
        self.ledger = copies.new()
        self.folder = copies.folder / f"archive-{next(_numbers)}"
        self.at = 10 * DAY
        self.names = 0
        self.log: list[Batch] = []
        self.waiting: list[Batch] = []
        self.books = [book("3.60")]
        self.supplies: dict[str, Supply] = {}
        self.shares: dict[str, Interval] = {}
        self.billed: list[Interval] = []
        self.there: list[Supply] = []
        self.meter: Meter | None = None
        self.heard = 0
        self.forgotten: set[str] = set()
        self.lingering: list[Supply] = []

    @initialize()
    def begin(self):
        self.ledger.set_prices(self.books[0])
        for device in DEVICES:
            self.supplies[device] = supply(device, start=self.at)
        self.start_meter()
        for device in DEVICES:
            self.start(device, 250, "a")

    # The cluster ---------------------------------------------------------------------------------------------------

    @rule(slots=st.sampled_from([1, 3, 20, 48, 48 * 4, 48 * 12]))
    def time_passes(self, slots):
        self.at += slots * SLOT

    @rule(device=st.sampled_from(DEVICES), amount=st.sampled_from(AMOUNTS), team=st.sampled_from("abc"))
    def start(self, device, amount, team):
        used = sum(share.compute for share in self.shares.values() if share.device == device)
        if device not in self.supplies or used + amount > 1000:
            return
        self.names += 1
        found = interval(
            f"s{self.names}",
            device,
            start=self.at,
            compute=amount,
            memory=amount * GIB // 20,
            team=team,
            tags=(("name", f"s{self.names}"),),
        )
        self.shares[found.claim] = found
        if self.meter:
            self.meter.see(found)

    @rule(data=st.data())
    @precondition(lambda self: self.shares)
    def end(self, data):
        self.end_share(data.draw(st.sampled_from(sorted(self.shares))))

    def end_share(self, claim):
        """What nobody saw end is charged until the meter was last heard."""
        ended = replace(self.shares.pop(claim), end=self.at)
        if self.meter:
            self.meter.see(ended)
        else:
            ended = replace(ended, end=max(ended.start, min(self.at, self.heard)))
        self.billed.append(ended)

    @rule(data=st.data(), amount=st.sampled_from(AMOUNTS))
    @precondition(lambda self: self.shares)
    def resize(self, data, amount):
        """Kubernetes knows no resizing of shares: one ends, another begins."""
        old = self.shares[data.draw(st.sampled_from(sorted(self.shares)))]
        self.end_share(old.claim)
        self.start(old.device, amount, old.team)

    @rule(device=st.sampled_from(DEVICES))
    @precondition(lambda self: self.meter)
    def lose(self, device):
        if device in self.supplies:
            for claim in [claim for claim, share in self.shares.items() if share.device == device]:
                self.end_share(claim)
            lost = replace(self.supplies.pop(device), end=self.at)
            self.there.append(lost)
            self.meter.see(lost)

    @rule(device=st.sampled_from(DEVICES))
    @precondition(lambda self: self.meter)
    def come_back(self, device):
        if device not in self.supplies and all(s.end < self.at for s in self.there if s.device == device):
            self.supplies[device] = supply(device, start=self.at)
            self.meter.see(self.supplies[device])

    # The meter -----------------------------------------------------------------------------------------------------

    @rule()
    @precondition(lambda self: self.meter)
    def report(self):
        found = self.meter.write(self.at)
        self.log.append(found)
        self.waiting.append(found)

    @rule(slots=st.sampled_from([20, 48, 48 * 3]), device=st.sampled_from(DEVICES), team=st.sampled_from("abc"))
    @precondition(lambda self: self.meter)
    def an_ordinary_day(self, slots, device, team):
        """A share begins, another ends, and both are reported."""
        self.start(device, 250, team)
        self.time_passes(slots)
        self.report()
        if len(self.shares) > 2:
            self.end_share(min(self.shares))

    @rule(data=st.data())
    @precondition(lambda self: len(self.waiting) > 1)
    def all_but_one_arrive(self, data):
        late = data.draw(st.sampled_from(self.waiting))
        self.ledger.ingest(*(batch for batch in reversed(self.waiting) if batch is not late))
        self.waiting = [late]

    @rule()
    @precondition(lambda self: self.meter and self.meter.seq)
    def kill_meter(self):
        """What it saw and had not written is forgotten: what was written last counts, and what is open there ended."""
        self.heard = self.meter.watermark
        for thing in self.meter.seen.values():
            if isinstance(thing, Interval) and thing.end is not None:
                self.billed = [share for share in self.billed if share.id != thing.id]
                written = [(batch, share) for batch in self.log for share in batch.intervals if share.id == thing.id]
                if written:
                    self.billed.append(self.as_written(*written[-1]))
            elif isinstance(thing, Supply) and thing.end is not None:
                self.unseen_loss(thing)
            elif isinstance(thing, Supply):
                del self.supplies[thing.device]
                self.forgotten.add(thing.device)
        self.meter = None

    def as_written(self, batch, share):
        """What is open in the log of a meter ended when that meter was last heard; a later one knows nothing of it."""
        heard = max(found.watermark for found in self.log if found.epoch == batch.epoch)
        return replace(share, end=max(share.start, heard)) if share.end is None else share

    def unseen_loss(self, lost):
        """A device whose loss was not written stays, for the books, until the next meter looks."""
        self.there = [s for s in self.there if (s.device, s.start) != (lost.device, lost.start)]
        if any(known.device == lost.device and known.start == lost.start for b in self.log for known in b.supplies):
            self.lingering.append(lost)

    @rule()
    @precondition(lambda self: not self.meter)
    def start_meter(self):
        """It reports all that is there; shares by the start that is written on them, devices from now."""
        self.at += SLOT if self.log else 0
        self.meter = Meter(self.at)
        self.supplies |= {device: supply(device, start=self.at) for device in self.forgotten}
        self.there += [replace(lost, end=self.at) for lost in self.lingering]
        self.forgotten.clear()
        self.lingering.clear()
        for device, old in self.supplies.items():
            if old.start < self.at:
                self.there.append(replace(old, end=self.at))
            self.supplies[device] = replace(old, start=self.at)
            self.meter.see(self.supplies[device])
        for share in self.shares.values():
            self.meter.see(share)

    @rule(data=st.data(), team=st.sampled_from("abc"))
    @precondition(lambda self: self.meter and self.billed)
    def correct(self, data, team):
        """Something was said wrongly: a share was another team's, or ended earlier."""
        i = data.draw(st.integers(0, len(self.billed) - 1))
        old = self.billed[i]
        earlier = old.start + data.draw(st.integers(0, (old.end - old.start) // SLOT)) * SLOT
        self.billed[i] = data.draw(st.sampled_from([replace(old, team=team), replace(old, end=earlier)]))
        self.meter.see(self.billed[i])

    # The ledger ----------------------------------------------------------------------------------------------------

    @rule(data=st.data(), again=st.booleans())
    @precondition(lambda self: self.waiting)
    def deliver(self, data, again):
        """Any batch of those that have not arrived; sometimes it is sent once more."""
        found = data.draw(st.sampled_from(self.waiting))
        self.survive(lambda: self.ledger.ingest(found), data)
        if not again:
            self.waiting.remove(found)

    @rule(data=st.data())
    def settle(self, data):
        self.survive(self.ledger.settle, data)
        self.check_sums()

    @rule(price=st.sampled_from(["3.60", "7.20", "1.80"]), days=st.integers(0, 20))
    def reprice(self, price, days):
        open_from = max((last_day(period) + 1 for period in self.ledger.closed()), default=0)
        since = max(self.at // DAY - days, open_from) * DAY
        found = replace(book(price), version=len(self.books) + 1, since=since)
        self.ledger.set_prices(found)
        self.books.append(found)

    @rule(kind=st.sampled_from(["none", "use", "quota"]))
    def change_idle_rule(self, kind):
        open_from = max((last_day(period) + 1 for period in self.ledger.closed()), default=0)
        self.ledger.set_idle_rule(open_from, IdleRule(kind, (("a", 3), ("d", 1))))

    @rule()
    def close_a_month(self):
        try:
            self.ledger.close_period(period_of(self.at // DAY - 31), self.at)
        except ConflictError:
            return

    @rule(data=st.data())
    @precondition(lambda self: self.ledger.closed())
    def a_month_leaves(self, data):
        period = data.draw(st.sampled_from(self.ledger.closed()))

        def work():
            with contextlib.suppress(ConflictError):
                archive(self.ledger.database, period, self.folder)

        self.survive(work, data)

    @rule(data=st.data())
    @precondition(lambda self: self.ledger.closed())
    def a_month_comes_back(self, data):
        period = data.draw(st.sampled_from(self.ledger.closed()))

        def work():
            with contextlib.suppress(ConflictError, NotFoundError):
                restore(self.ledger.database, period)

        self.survive(work, data)

    def survive(self, work, data):
        """Do it; sometimes be killed at some statement or at the commit first, and begin again."""
        fatal = data.draw(st.integers(0, 40))
        engine = self.ledger.database.engine
        left = [fatal]

        def count(*_args, **_more):
            left[0] -= 1
            if left[0] == 0:
                raise CrashError

        events = ("before_cursor_execute", "commit")
        for name in events:
            event.listen(engine, name, count)
        try:
            work()
        except (CrashError, FarthingError):
            for name in events:
                event.remove(engine, name, count)
            engine.dispose()
            work()
        else:
            for name in events:
                event.remove(engine, name, count)

    # The proof -----------------------------------------------------------------------------------------------------

    def check_sums(self):
        kinds = by_kind(self.ledger)
        assert sum(amount for kind, amount in kinds.items() if kind != "adjustment") == capacity_cost(self.ledger)
        assert daily_sums(self.ledger) == daily_recomputed(self.ledger)

    def teardown(self):
        try:
            self.finish()
        finally:
            self.copies.drop(self.ledger)

    def finish(self):
        """All arrives in the end; then the books are the truth, and a replay of the log gives the same books."""
        if not self.meter:
            self.start_meter()
        self.report()
        for batch in self.waiting:
            self.ledger.ingest(batch)
        for period in reversed(self.ledger.closed()):
            with contextlib.suppress(NotFoundError):
                restore(self.ledger.database, period)
        self.ledger.set_idle_rule(max((last_day(p) + 1 for p in self.ledger.closed()), default=0), IdleRule())
        self.ledger.settle()
        self.check_sums()
        shares, cost = self.expected()
        assert by_team(self.ledger, kind="share") == shares
        assert capacity_cost(self.ledger) == cost
        assert tokens(self.ledger) == sum(one.generated_tokens for batch in self.log for one in batch.used)
        self.check_replay()

    def check_replay(self):
        """Twice, into empty ledgers: the same bytes; and what stands there stands here."""
        found = []
        for _ in range(2):
            fresh = self.copies.new()
            for one in self.books:
                fresh.set_prices(one)
            for batch in self.log:
                fresh.ingest(batch)
            fresh.settle()
            found.append((dump(fresh), standing(fresh)))
            self.copies.drop(fresh)
        assert found[0] == found[1]
        mine = {subject: digest for subject, digest in standing(self.ledger).items() if subject.startswith("device/")}
        assert mine == found[0][1]

    def expected(self):
        """What each team owes and all devices cost, slot by slot, up to the last midnight that was reported."""
        end = self.meter.watermark // DAY * DAY
        shares: Counter[str] = Counter()
        cost = 0
        for there in [*self.there, *self.supplies.values()]:
            for slot in range(there.start, min(there.end or end, end), SLOT):
                price = self.price_at(slot) * SLOT // 3600
                cost += price
                for share in [*self.billed, *self.shares.values()]:
                    if share.device == there.device and share.start <= slot < (share.end or end):
                        shares[share.team] += price * share.compute // 1000
        return {team: amount for team, amount in shares.items() if amount}, cost

    def price_at(self, at):
        return max((b for b in self.books if b.since <= at), key=lambda b: b.version).lines[0].price


def test_money_is_neither_lost_nor_made(copies):
    run_state_machine_as_test(lambda: Life(copies), settings=STEPS)
