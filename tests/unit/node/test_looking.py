"""A driver that cannot look keeps what it saw; at its start it says so and ends."""

import pytest

from farthing.model.errors import TransientError
from farthing.node.run import Driver, Settings
from tests.unit.node.conftest import NODE, Bench


class Blinking(Bench):
    """Hardware that does not always answer."""

    blind = False

    def look(self):
        if self.blind:
            raise TransientError("NVML does not answer")
        return super().look()


@pytest.fixture
def driver(tmp_path):
    return Driver(Settings(NODE, tmp_path / "kubelet", tmp_path / "cdi"), Blinking(), connection=None)


async def test_the_last_sight_stays_and_the_failure_is_counted(driver):
    await driver.look()
    before = driver.hands.inventory
    driver._vendor.blind = True
    await driver.look()
    assert driver.hands.inventory == before
    assert driver.metrics.blind._value.get() == 1


async def test_a_driver_that_never_saw_anything_ends_with_the_reason(driver):
    driver._vendor.blind = True
    with pytest.raises(TransientError, match="does not answer"):
        await driver.look()
