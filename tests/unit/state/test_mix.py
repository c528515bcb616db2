"""The mix follows what arrives, changes only when it is due, and stays small however many different asks there are."""

from collections import Counter

import pytest

from farthing.model.ask import parse_ask
from farthing.state.mix import CLASSES, KNOWN, MOST, ROWS, WHOLE, AskClass, Mix, typical_of


def kinds(count):
    """So many different classes: parts of a device from 1 to 999 thousandths, with various cpu."""
    return [AskClass(parse_ask(f"0.{1 + i % 999:03d}".rstrip("0")), 1000 * (1 + i // 999)) for i in range(count)]


def test_a_whole_device_is_typical_before_anybody_asked():
    assert [kind for kind, _ in Mix().typical().classes] == [WHOLE]


def test_the_mix_stays_as_it_is_until_it_is_due():
    mix, (half, tenth) = Mix(), kinds(500)[::499]
    mix.add(half, 10)
    before = mix.typical()
    for _ in range(mix.due - 1):
        mix.add(tenth)
        assert mix.typical() is before
    mix.add(tenth)
    assert mix.typical() is not before


@pytest.mark.parametrize("waves", [(3, 5), (8000, 200), (100, MOST), (1, 1)])
def test_arrivals_may_be_counted_together_until_the_mix_is_due(waves):
    """Whoever counts arrivals one by one and looks each time sees the same mixes as who counts them when due."""
    one, other, (half, tenth) = Mix(), Mix(), kinds(500)[::499]
    waiting = Counter()
    for kind, count in zip((half, tenth), waves, strict=True):
        for _ in range(count):
            one.add(kind)
            seen = one.typical()
            waiting[kind] += 1
            if waiting.total() >= other.due:
                for each, times in waiting.items():
                    other.add(each, times)
                waiting.clear()
            assert other.typical() == seen


@pytest.mark.parametrize("count", [10, 500, 5000])
def test_however_many_different_asks_there_are_few_classes_stand_for_them(count):
    found = typical_of(Counter(dict.fromkeys(kinds(count), 3)))
    assert found.typical <= CLASSES + 1
    assert len(found.classes) <= KNOWN
    assert (found.grid > 0) == (found.rows > 0) == (count > ROWS)
