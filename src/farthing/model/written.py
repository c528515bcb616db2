"""Objects that people write for the ledger, as they wrote them: the ledger reads their `spec`, which is JSON here."""

from dataclasses import dataclass, field

from farthing.model.cluster import Key


@dataclass(frozen=True, slots=True)
class BudgetObject:
    """A Budget."""

    name: str
    version: int = field(compare=False)
    spec: str

    @property
    def key(self) -> Key:
        return Key("", self.name)


@dataclass(frozen=True, slots=True)
class PriceBookObject:
    """A PriceBook."""

    name: str
    version: int = field(compare=False)
    spec: str

    @property
    def key(self) -> Key:
        return Key("", self.name)
