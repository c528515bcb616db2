"""What a team may still have, worked out by hand."""

import pytest

from farthing.decide.fairness import SCALE, share
from farthing.decide.governor import Governor
from farthing.decide.needs import needs_of
from farthing.decide.quota import Binding, Books, potential
from farthing.model.team import Team
from tests.builders import asking, device, node, slice_of, snapshot
from tests.teams import quota, team


def books_of(*teams, devices=10):
    return Books.of(snapshot(node(), slice_of("n0", devices), *teams))


def take(books, name, devices):
    books.take(books.tree.at(name), ((0, round(devices * 1000)),))


def left(books, name):
    return books.available(books.tree.at(name), 0) / 1000


def test_what_is_lent_is_there_for_others_until_it_is_wanted():
    books = books_of(team("a", H100=6), team("b", H100=quota(4, lending=1)))
    assert (left(books, "a"), left(books, "b")) == (7, 10)
    take(books, "a", 7)
    assert (left(books, "a"), left(books, "b")) == (0, 3)
    take(books, "b", 3)
    assert (left(books, "a"), left(books, "b")) == (0, 0)


def test_what_a_team_keeps_to_itself_is_used_before_what_it_lends():
    books = books_of(team("a", H100=6), team("b", H100=quota(4, lending=1)))
    take(books, "b", 3)
    assert left(books, "a") == 7
    take(books, "b", 1)
    assert left(books, "a") == 6


def test_a_parents_limit_to_borrowing_holds_for_its_children_together():
    books = books_of(team("p", H100=quota(4, borrowing=1)), team("a", "p", H100=2), team("b", "p", H100=2))
    take(books, "a", 4)
    assert left(books, "b") == 1
    assert books.binding(books.tree.at("b"), ((0, 2000),)) == Binding(
        books.tree.at("p"), 0, "borrowing", 5000, 1000, 2000
    )


def test_a_maximum_counts_descendants():
    books = books_of(team("p", maximum=3), team("a", "p"), team("b", "p"))
    take(books, "a", 2)
    assert books.below_maximum(books.tree.at("b")) == 1000
    assert books.binding(books.tree.at("b"), ((0, 2000),)).kind == "maximum"


def test_what_could_ever_be_had():
    books = books_of(team("a", H100=quota(2, borrowing=3)), team("b", H100=quota(4, lending=0)))
    take(books, "b", 4)
    take(books, "a", 5)
    assert potential(books.tree, books.tree.at("a"), 0) == 5000


def test_what_is_given_back_is_as_if_it_had_never_been_taken():
    books = books_of(team("a", H100=6), team("b", H100=quota(4, lending=1)))
    before = [list(row) for row in books.usage], list(books.held)
    take(books, "b", 4)
    books.give_back(books.tree.at("b"), ((0, 4000),))
    assert (books.usage, books.held) == before


def test_a_share_is_what_is_borrowed_of_the_pool_by_weight():
    books = books_of(team("a", H100=2, weight=2), team("b"))
    take(books, "a", 6)
    take(books, "b", 1)
    a, b = (share(books, (), books.tree.at(name)) for name in "ab")
    assert (a, b) == (4 * SCALE // 10 // 2, SCALE // 10)


@pytest.mark.parametrize(
    ("teams", "taken", "sentence"),
    [
        (
            [team("a", H100=quota(2, borrowing=1))],
            3,
            "team a has, with what it may borrow, 3 of H100, of which 0 is left; 1 is lacking",
        ),
        ([team("a", H100=1, maximum=3)], 3, "team a may have 3 devices in all, of which 0 is left; 1 is lacking"),
        ([team("a", H100=1)], 10, "0 of 10 H100 is left; most is with a 10"),
    ],
)
def test_a_refusal_names_the_limit_and_the_number(teams, taken, sentence):
    seen = snapshot(node(), slice_of("n0", 10), *teams)
    governor = Governor(seen.fleet, Books.of(seen))
    take(governor.books, "a", taken)
    need = needs("1")
    assert sentence in str(governor.why_not(governor.books.tree.at("a"), need))


def needs(gpu):
    _, claim = asking("p", gpu)
    return tuple(need for _, need in needs_of(claim))


def test_an_ask_is_charged_to_the_class_of_the_device_it_gets():
    devices = [device("gpu-0", model="H100"), device("gpu-1", model="L4", memory=24 << 30)]
    seen = snapshot(node(), slice_of("n0", devices), Team("a", 1, compute=(("H100", quota(1)), ("L4", quota(1)))))
    governor = Governor(seen.fleet, Books.of(seen))
    charges = governor.charges(governor.books.tree.at("a"), needs("12Gi"))
    assert charges == (((0, 150),), ((1, 500),))
