"""Fair shares of random teams: never more than there is, guarantees first, nothing left over that somebody may have."""

from hypothesis import given
from hypothesis import strategies as st

from farthing.decide.entitlement import entitlements
from farthing.decide.quota import Books
from farthing.model.team import Quota, Team
from tests.builders import device, node, slice_of, world

DEVICES = 8
AMOUNTS = st.integers(0, 3000)
LIMITS = st.none() | st.none() | st.integers(0, 2000)


@st.composite
def teams(draw):
    """Up to eight teams in a tree; whoever has a parent has a part of what that has left."""
    found, left = [], {}
    for i in range(draw(st.integers(1, 8))):
        parent = draw(st.sampled_from(["", *left]))
        amount = min(draw(AMOUNTS), left.get(parent, 3000))
        lending = draw(LIMITS)
        quota = Quota(amount, draw(LIMITS), None if lending is None else min(lending, amount))
        weight = draw(st.sampled_from([0, 500, 1000, 3000]))
        found.append(Team(f"t{i}", 1, parent=parent, compute=(("h100", quota),), weight=weight))
        if parent:
            left[parent] -= amount
        left[f"t{i}"] = amount
    return found


@given(teams(), st.lists(st.integers(0, 5000), min_size=9, max_size=9))
def test_fair_shares(found, wants):
    seen = world(node(), slice_of("n0", [device(f"gpu-{i}") for i in range(DEVICES)]), *found).snapshot(0.0)
    books = Books.of(seen)
    assert books is not None
    tree = books.tree
    column = next(i for i, c in enumerate(tree.columns) if c.device_class == "h100")
    wanted = {n: {column: wants[n]} for n in range(1, len(tree.teams))}
    fair = [row[column] for row in entitlements(books, wanted)]
    there = DEVICES * 1000
    guaranteed = sum(quota.amount for team in found if not team.parent for _, quota in team.compute)
    assert fair[0] <= max(there, guaranteed)
    assert fair[0] == sum(fair[n] for n in tree.children[0])
    for n in range(1, len(tree.teams)):
        assert fair[n] >= sum(fair[c] for c in tree.children[n])
        if not tree.children[n]:
            assert min(wants[n], tree.subtree[n][column]) <= fair[n]
            assert fair[n] <= min(wants[n], tree.subtree[n][column] + tree.borrowing[n][column])
    quotas = [quota for team in found for _, quota in team.compute]
    if all(team.weight for team in found) and all(q.borrowing is q.lending is None for q in quotas):
        assert fair[0] == min(max(there, guaranteed), sum(wants[n] for n in range(1, len(tree.teams))))
