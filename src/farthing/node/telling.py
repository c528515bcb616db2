"""What the driver says about its devices: in its log, and on the node."""

from typing import Final

import structlog

from farthing.kube.events import Events
from farthing.model.errors import FarthingError
from farthing.model.reason import Reason, Why
from farthing.node.devices import Inventory
from farthing.node.plugins import Offers

_log = structlog.get_logger(__name__)

_ACTION: Final = "Publishing"


def tell_changes(before: Inventory, now: Inventory) -> None:
    """Log what changed about the devices."""
    for device in now.devices:
        known = before.device(device.name)
        if known is None:
            _log.info("device", name=device.name, memory=device.memory, levels=sorted(device.levels))
        for trouble in set(device.troubles) - set(known.troubles if known else ()):
            _log.error("device in trouble", name=device.name, what=trouble.sentence, effect=trouble.effect)
        for trouble in set(known.troubles if known else ()) - set(device.troubles):
            _log.info("device recovered", name=device.name, what=trouble.sentence)
    for device in before.devices:
        if now.device(device.name) is None:
            _log.error("device is gone", name=device.name)


async def warn_of_plugins(events: Events, node: str, offers: Offers) -> None:
    """Say on the node which device plugins are beside us."""
    for vendor, offer in offers.items():
        resources = ", ".join(offer.resources)
        _log.warning("a device plugin gives the same devices away", vendor=vendor, resources=resources)
        sentence = f"a device plugin gives {resources} away: Farthing starts nothing new there; what is prepared stays"
        try:
            await events.tell_node(node, Reason(Why.DEVICE_PLUGIN, sentence), _ACTION)
        except FarthingError as error:
            _log.warning("event not written", node=node, error=str(error))
