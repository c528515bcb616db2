"""What devices cost: a table of prices for an hour of one device of a model.

    currency: EUR
    perHour: {H100: 2.49, A100: "1.10"}

Money is integers of a millionth of the currency.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import yaml

from farthing.model.errors import InvalidError
from farthing.state.fleet import model_name

MICRO: Final = 1_000_000
DEAREST: Final = 1_000_000
"""No hour of a device costs more, in whole units of a currency."""

_CURRENCY: Final = "[A-Z]{3}"


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model as asks name it, in millionths of `currency` for an hour of one device."""

    currency: str
    per_hour: Mapping[str, int]

    def of(self, model: str) -> int | None:
        """The price of a device of a model; None where none was given. The longest name that fits counts."""
        fitting = [name for name in self.per_hour if f"-{name}-" in f"-{model}-"]
        return self.per_hour[max(fitting, key=lambda name: (len(name), name))] if fitting else None


def read_prices(text: str, where: str) -> Prices:
    """The prices of a file; InvalidError names the field."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidError(where, f"is not YAML: {error}") from error
    if not isinstance(raw, dict) or set(raw) != {"currency", "perHour"} or not isinstance(raw["perHour"], dict):
        raise InvalidError(where, "is no price table; expected currency: EUR and perHour: {H100: 2.49}")
    return Prices(
        _currency(raw["currency"], f"{where}: currency"),
        dict(_priced(str(name), value, f"{where}: perHour.{name}") for name, value in raw["perHour"].items()),
    )


def prices_of(options: Iterable[str], currency: str) -> Prices:
    """The prices of options such as H100=2.49."""
    found: dict[str, int] = {}
    for option in options:
        name, sign, value = option.partition("=")
        if not sign:
            raise InvalidError(
                "--price", f"{option!r} is no price; expected MODEL=PRICE for an hour, such as H100=2.49"
            )
        model, price = _priced(name, value, "--price")
        if model in found:
            raise InvalidError("--price", f"{name} has two prices; expected one")
        found[model] = price
    return Prices(_currency(currency, "--currency"), found)


def _currency(value: Any, where: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(_CURRENCY, value):
        raise InvalidError(where, f"{value!r} is no currency; expected three capitals such as EUR")
    return value


def _priced(name: str, value: Any, where: str) -> tuple[str, int]:
    model = model_name(name)
    if not model:
        raise InvalidError(where, f"{name!r} names no model; expected a name such as H100")
    try:
        price = Decimal(str(value)) * MICRO
    except InvalidOperation as error:
        raise InvalidError(where, f"{value!r} is no price; expected a number such as 2.49") from error
    if isinstance(value, bool) or not price.is_finite() or not 0 <= price <= DEAREST * MICRO or price % 1:
        raise InvalidError(where, f"{value!r} is no price; expected 0 to {DEAREST}, with six decimals at most")
    return model, int(price)
