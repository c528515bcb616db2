"""What teams may spend, brought up to date every few seconds: budgets and prices of the ledger, spending of its books.

PriceBook objects of the cluster are taken over into the ledger on the way.

Decisions look at what was found last. Before the first time nothing is decided, so that a spoke that starts does not
start what a budget holds; but a ledger that does not answer holds nobody up for longer than a few seconds.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from farthing.kube.events import Events
from farthing.ledger.budget import Account, Budget, factors_now, prices_now
from farthing.ledger.price import PriceBook
from farthing.ledger.read_budgets import parse_budget
from farthing.ledger.read_prices import parse_price_book
from farthing.model.ask import TEAM
from farthing.model.budget import Budgets
from farthing.model.cluster import Namespace, Pod
from farthing.model.errors import FarthingError, InvalidError
from farthing.model.reason import Reason, Why
from farthing.model.team import Team
from farthing.model.written import BudgetObject, PriceBookObject
from farthing.spoke.metrics import Metrics
from farthing.spoke.settings import LedgerSettings
from farthing.spoke.standings import Standings, Write
from farthing.state.fleet import Fleet
from farthing.state.world import World
from farthing.store.budgets import accounts, read_budgets
from farthing.store.database import Database
from farthing.store.ledger import Ledger

_log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 15.0
ANSWER_SECONDS: Final = 5.0
"""So long the first answer is waited for."""

REST: Final = 10
"""Between two readings passes at least so many times what the last one took."""


@dataclass(frozen=True)
class Found:
    """How all budgets stand, what decisions need of that, and what could not be read, by the object's name."""

    accounts: tuple[Account, ...]
    budgets: Budgets | None
    faults: Mapping[str, str]
    unpriced: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What of a world the ledger is asked with: what people wrote, the devices, and the tree of teams.

    `teams` are the names that anything counts for: Teams, namespaces, and the labels on these and on pods.
    """

    budgets: tuple[BudgetObject, ...]
    books: tuple[PriceBookObject, ...]
    fleet: Fleet
    parents: Mapping[str, str]
    teams: frozenset[str] = frozenset()

    @classmethod
    def of(cls, world: World) -> "Seen":
        parents = {team.name: team.parent for team in world.all(Team) if team.parent}
        budgets = tuple(world.all(BudgetObject))
        teams = frozenset(_names(world)) if budgets else frozenset()
        return cls(budgets, tuple(world.all(PriceBookObject)), world.fleet, parents, teams)


def _names(world: World) -> Iterator[str]:
    yield from (team.name for team in world.all(Team))
    yield from (name for space in world.all(Namespace) for name in (space.name, space.team))
    yield from (pod.team for pod in world.all(Pod))


def find(database: Database, seen: Seen, cluster: str, at: float) -> Found:
    """Read the ledger. An object in the cluster goes before a budget of its name that the ledger holds."""
    wanted = {budget.name: budget for budget in read_budgets(database)}
    read, faults = read_objects(seen.budgets)
    wanted |= read
    if not wanted:
        return Found((), None, faults)
    now = int(at)
    found = accounts(database, tuple(wanted.values()), now, seen.parents)
    budgets = Budgets(
        allowances=tuple(account.allowance for account in found.accounts),
        counted=float(found.counted.get(cluster, now)),
        prices=prices_now(seen.fleet, cluster, found.prices, now),
        factors=factors_now(found.prices, now),
        parents=seen.parents,
    )
    return Found(found.accounts, budgets, faults, found.unpriced)


def read_objects(objects: Iterable[BudgetObject]) -> tuple[dict[str, Budget], dict[str, str]]:
    """The budgets in objects, and a sentence for each that cannot be read, by name."""
    read: dict[str, Budget] = {}
    faults: dict[str, str] = {}
    for written in objects:
        try:
            read[written.name] = parse_budget("spec", written.name, msgspec.json.decode(written.spec))
        except InvalidError as error:
            faults[written.name] = str(error)
    return read, faults


def take_over(ledger: Ledger, objects: Iterable[PriceBookObject]) -> dict[str, str]:
    """Add the books that the ledger does not have, in order of their versions; a sentence for each that it refuses."""
    found: list[tuple[PriceBook, str]] = []
    faults: dict[str, str] = {}
    for written in objects:
        try:
            found.append((parse_price_book(msgspec.json.decode(written.spec)), written.name))
        except InvalidError as error:
            faults[written.name] = f"spec.{error}"
    known = ledger.prices().books if found else ()
    for book, name in sorted(found, key=lambda entry: (entry[0].version, entry[1])):
        try:
            if book not in known and ledger.set_prices(book):
                _log.info("price book taken over", name=name, version=book.version)
        except InvalidError as error:
            faults[name] = f"spec.{error}"
    return faults


class Treasury:
    """One term's view of the budgets. `ready` turns True once decisions may be made."""

    def __init__(
        self, settings: LedgerSettings, metrics: Metrics, events: Events, write: Write, now: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._events = events
        self._standings = Standings(write)
        self._now = now
        self._ledger: Ledger | None = None
        self._told: dict[tuple[str, str], frozenset[Why]] = {}
        self._unpriced: set[str] = set()
        self.ready = False

    async def run(self, world: World, *, caught_up: Callable[[], bool], steady: Callable[[], float]) -> None:
        """Bring the world's budgets up to date until cancelled."""
        while not caught_up():  # noqa: ASYNC110 -- an inbox tells when it is full, not when it is empty
            await asyncio.sleep(0.05)
        looking = asyncio.create_task(self._look(world))
        await asyncio.wait([looking], timeout=ANSWER_SECONDS)
        if not looking.done():
            _log.error("the ledger does not answer; until it does no budget holds anybody")
        self.ready = True
        try:
            while True:
                began = steady()
                await looking
                await asyncio.sleep(max(EVERY_SECONDS, REST * (steady() - began)))
                looking = asyncio.create_task(self._look(world))
        finally:
            looking.cancel()
            if self._ledger is not None:
                self._ledger.close()

    async def _look(self, world: World) -> None:
        seen = Seen.of(world)
        try:
            found, faults = await asyncio.to_thread(self._find, seen)
        except FarthingError as error:
            self._metrics.budgets_unknown.set(1)
            _log.warning("budgets are as they were last known; the ledger is away", error=str(error))
            return
        self._metrics.budgets_unknown.set(0)
        world.budgets = _kept(world.budgets, found.budgets)
        self._metrics.show_budgets(found.accounts)
        written = {one.name for one in seen.budgets} - found.faults.keys()
        await self._standings.say(found.accounts, written, self._now())
        await self._tell(found, faults, seen)

    def _find(self, seen: Seen) -> tuple[Found, dict[str, str]]:
        if self._ledger is None:
            self._ledger = Ledger.open(self._settings.url)
        faults = take_over(self._ledger, seen.books)
        return find(self._ledger.database, seen, self._settings.cluster, self._now()), faults

    # Telling ------------------------------------------------------------------------------------------------------

    async def _tell(self, found: Found, books: Mapping[str, str], seen: Seen) -> None:
        """What is new: in the log, and as events of the objects."""
        written = {one.name for one in seen.budgets}
        news = {
            ("Budget", account.budget.name): (*reasons(account), *strangers(account, written, seen.teams))
            for account in found.accounts
        }
        for kind, faults in (("Budget", found.faults), ("PriceBook", books)):
            news |= {(kind, name): (Reason(Why.INVALID_OBJECT, sentence),) for name, sentence in faults.items()}
        told, self._told = self._told, {key: frozenset(reason.why for reason in said) for key, said in news.items()}
        for (kind, name), said in news.items():
            for reason in said if self._told[kind, name] != told.get((kind, name)) else ():
                _log.warning(kind, name=name, why=reason.why.value, sentence=reason.sentence)
                if kind == "PriceBook" or name in written:
                    await self._events.tell_written(kind, name, reason)
        for sentence in set(found.unpriced) - self._unpriced:
            _log.warning("not counted for any budget", why=sentence)
        self._unpriced = set(found.unpriced)


def reasons(account: Account) -> tuple[Reason, ...]:
    """What there is to say of a budget; nothing where all is well."""
    allowance, found = account.allowance, []
    spent = (
        f"{allowance.amount(account.spent)} of {allowance.amount(allowance.limit)} of team {allowance.team} are spent"
    )
    if account.state == "exhausted":
        found.append(Reason(Why.BUDGET_SPENT, f"{spent}; it resets on {allowance.until()}"))
    elif account.state == "warning":
        found.append(Reason(Why.BUDGET_LOW, f"{spent}; it resets on {allowance.until()}"))
    if account.burns and account.state != "exhausted":
        pace = max(account.paces)
        found.append(Reason(Why.BUDGET_BURNING, f"{spent}, now at {pace:g} times the pace that lasts for the period"))
    return tuple(found)


def strangers(account: Account, written: Collection[str], teams: Collection[str]) -> tuple[Reason, ...]:
    """What there is to say where an object of the cluster is about a team that nobody is of.

    What the ledger holds by itself may be about teams of other clusters.
    """
    team = account.allowance.team
    if account.budget.name not in written or team in teams:
        return ()
    sentence = (
        f"{team} is no Team and no namespace, and no label {TEAM} of a namespace or pod names it, so the budget holds "
        "nobody; see that the name is right"
    )
    return (Reason(Why.UNKNOWN_TEAM, sentence),)


def _kept(old: Budgets | None, new: Budgets | None) -> Budgets | None:
    """The new budgets with the old prices where they are equal: what is reckoned from them is kept with them."""
    if old is None or new is None or old.prices != new.prices or old.factors != new.factors:
        return new
    return Budgets(new.allowances, new.counted, old.prices, old.factors, new.parents)
