"""Every kind of object that Farthing adds to a cluster."""

from typing import Final

from farthing.api.team import Team, TeamTree, Tenancy
from farthing.api.types import Budget, DriverProfile, Kind, PriceBook

KINDS: Final[tuple[type[Kind], ...]] = (DriverProfile, Team, TeamTree, Tenancy, Budget, PriceBook)
"""In the order in which they are applied."""
