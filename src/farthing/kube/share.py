"""The `Share` parameters that travel with a claim: what was asked, and with the allocation what is in force.

They are opaque configuration of a device request (`config[].opaque.parameters`): part of the claim's spec, hence
immutable, and copied into the allocation, where the node driver reads them.
"""

from dataclasses import replace
from typing import Any

from farthing.model.ask import VENDORS, Ask, parse_ask
from farthing.model.cluster import OWN_DRIVER, Allocation
from farthing.model.errors import InvalidError

API_VERSION = "farthing.dev/v1"
KIND = "Share"


def share_of_ask(ask: Ask) -> dict[str, Any]:
    """The parameters for an ask."""
    shown = {"gpu": ask.amount(), "gpuModel": "|".join(ask.models), "isolation": ask.isolation, "vendor": ask.vendor}
    return {"apiVersion": API_VERSION, "kind": KIND, **{name: text for name, text in shown.items() if text}}


def share_in_force(allocation: Allocation) -> dict[str, Any]:
    """The parameters that an allocation carries for the node."""
    return {"apiVersion": API_VERSION, "kind": KIND, "isolation": allocation.isolation, "team": allocation.team}


def config_entry(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"opaque": {"driver": OWN_DRIVER, "parameters": parameters}}


def ask_of_share(parameters: Any) -> Ask | None:
    """The ask behind the parameters; None where they are not ours, InvalidError where they are but make no sense."""
    if not is_share(parameters):
        return None
    texts = {name: parameters.get(name) for name in ("gpu", "gpuModel", "isolation", "vendor")}
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise InvalidError(f"config.opaque.parameters.{name}", f"expected text, found {text!r}")
    if (vendor := texts["vendor"] or "") not in ("", *VENDORS):
        raise InvalidError("config.opaque.parameters.vendor", f"expected one of {', '.join(VENDORS)}, found {vendor!r}")
    return replace(parse_ask(texts["gpu"] or "", texts["gpuModel"], texts["isolation"]), vendor=vendor)


def is_share(parameters: Any) -> bool:
    return (
        isinstance(parameters, dict) and parameters.get("apiVersion") == API_VERSION and parameters.get("kind") == KIND
    )
