"""What holds for every tenant alike: tiers, prices, names of policies, where pages are and how customers pay."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from glue.rules.tiers import Tiers


@dataclass(frozen=True)
class Terms:
    """``unit_prices``: plan code → meter → highest price of a unit; ``free_units`` likewise. ``policies``: declared policy → Keygen's id."""

    tiers: Tiers
    product: str
    redirect_url: str = ""
    payment_provider: str = ""
    payment_provider_code: str = ""
    unit_prices: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    free_units: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)

    @property
    def ranks(self) -> dict[str, int]:
        """Tier and policy → rank, to tell whether one gives more than another."""
        ranks = {tier.code: tier.rank for tier in self.tiers}
        return ranks | {self.policies[tier.license.policy]: tier.rank for tier in self.tiers if tier.license.policy in self.policies}
