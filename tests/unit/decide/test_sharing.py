"""The plan and the node keep one table of who may meet on a device."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from farthing.decide.sharing import may_join
from farthing.model.ask import ISOLATIONS
from farthing.model.sharing import may_meet
from farthing.state.fleet import LEVEL_BIT


@pytest.mark.parametrize(("level", "other"), [*itertools.product(ISOLATIONS, ISOLATIONS)])
@pytest.mark.parametrize("same_team", [True, False])
def test_for_many_devices_it_is_the_table(level, other, same_team):
    free = SimpleNamespace(mode=np.array([LEVEL_BIT[other]]), team=np.array([0]))
    (joined,) = may_join(free, level, 0 if same_team else 1, slice(None))
    assert joined == may_meet(level, "a" if same_team else "b", other, "a")
