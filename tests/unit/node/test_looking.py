"""A driver that cannot look keeps what it saw; at its start it says so and ends."""

import pytest

from farthing.model.errors import TransientError
from farthing.node.plugins import TAKEN
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


class Away:
    """An API server that does not answer."""

    async def request(self, *_):
        raise TransientError("away")


async def test_nothing_is_given_away_while_nobody_knows_whether_a_device_plugin_has_it(tmp_path):
    found = Driver(Settings(NODE, tmp_path / "kubelet", tmp_path / "cdi"), Blinking(), Away())
    await found.meet()
    await found.look()
    assert found.metrics.devices.labels("taken")._value.get() == 2
    assert all(device.broken.name == TAKEN for device in found.hands.inventory.devices)
    assert not any(device.troubles for device in found.health.sight.inventory.devices)


async def test_a_driver_that_never_saw_anything_ends_with_the_reason(driver):
    driver._vendor.blind = True
    with pytest.raises(TransientError, match="does not answer"):
        await driver.look()
