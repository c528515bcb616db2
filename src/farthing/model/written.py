"""Objects that people write for the ledger, as they wrote them: the ledger reads their `spec`, which is JSON here."""

from dataclasses import dataclass, field

from farthing.model.cluster import Key


@dataclass(frozen=True, slots=True)
class _Written:
    name: str
    version: int = field(compare=False)
    spec: str

    @property
    def key(self) -> Key:
        return Key("", self.name)


class BudgetObject(_Written):
    """A Budget."""

    __slots__ = ()


class PriceBookObject(_Written):
    """A PriceBook."""

    __slots__ = ()
