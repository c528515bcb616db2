"""Budget objects say how they stand: at once where their state changes, else once a minute; what fails is tried again."""

from farthing.ledger.budget import WINDOWS, Budget, Sum, account
from farthing.ledger.interval import DAY
from farthing.ledger.period import day_of
from farthing.model.errors import NotFoundError, TransientError
from farthing.spoke.standings import EVERY_SECONDS, Standings, status_of

FIRST = day_of("2026-11-01") * DAY
AT = FIRST + 10 * DAY
BUDGET = Budget("b", "vision", limit=1_000_000_000)


def stands(spent, last_hours=0, budget=BUDGET):
    sums = Sum(spent, spent)
    windows = {window: {"vision": Sum(last_hours, last_hours)} for window in WINDOWS}
    return account(budget, "GBP", AT, {"vision": sums}, windows, {})


class Objects:
    """The objects; one that is `away` cannot be written."""

    def __init__(self, away=None):
        self.written = []
        self.away = away

    async def write(self, name, status):
        if self.away is not None:
            raise self.away
        self.written.append((name, status["spent"], status["state"]))


def test_a_status_says_what_is_spent_left_and_to_be_expected():
    assert status_of(stands(250_000_000, last_hours=6_000_000), AT) == {
        "unit": "GBP",
        "limit": "1000.000000",
        "spent": "250.000000",
        "left": "750.000000",
        "forecast": "730.000000",  # 20 more days of 4 times six hours at 6.00
        "state": "ok",
        "burning": False,
        "resetsAt": "2026-12-01T00:00:00Z",
        "asOf": "2026-11-11T00:00:00Z",
    }


def test_what_is_overspent_leaves_nothing_and_hours_are_hours():
    found = status_of(stands(9_000_000, budget=Budget("b", "vision", limit=7_200_000, of_time=True)), AT)
    assert (found["unit"], found["limit"], found["spent"]) == ("GPU hours", "2.000000", "2.500000")
    assert (found["left"], found["state"]) == ("0.000000", "exhausted")


async def test_what_changes_is_written_once_a_minute_and_a_new_state_at_once():
    objects = Objects()
    standings = Standings(objects.write)
    for seconds, spent in ((0, 1), (15, 2), (30, 2), (EVERY_SECONDS, 3), (EVERY_SECONDS + 15, 900_000_000)):
        await standings.say([stands(spent)], {"b"}, AT + seconds)
    await standings.say([stands(900_000_000)], {"b"}, AT + 9 * EVERY_SECONDS)
    assert objects.written == [
        ("b", "0.000001", "ok"),
        ("b", "0.000003", "ok"),
        ("b", "900.000000", "warning"),
    ]


async def test_budgets_that_are_no_objects_are_not_written():
    objects = Objects()
    await Standings(objects.write).say([stands(1)], {"other"}, AT)
    assert objects.written == []


async def test_what_could_not_be_written_is_written_the_next_time():
    objects = Objects(TransientError("away"))
    standings = Standings(objects.write)
    await standings.say([stands(1)], {"b"}, AT)
    objects.away = NotFoundError("gone")
    await standings.say([stands(1)], {"b"}, AT)
    objects.away = None
    await standings.say([stands(1)], {"b"}, AT)
    assert objects.written == [("b", "0.000001", "ok")]
