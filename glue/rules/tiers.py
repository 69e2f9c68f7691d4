"""What a tier means: limits, features, license policy, trial, grace, outage policy. Read from ``config/tiers/*.yaml``."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glue.errors import ConfigInvalid


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlanVersion(_Part):
    """A Lago plan code of this tier. A price change is a new code; ``retired`` ones keep their customers."""

    code: str
    currency: str = Field(pattern="^[A-Z]{3}$")
    interval: Literal["weekly", "monthly", "quarterly", "semiannual", "yearly"]
    version: int
    status: Literal["offered", "retired"] = "offered"


class BlindAllowance(_Part):
    """While blind: allow up to ``units`` for ``minutes``, then deny."""

    units: int
    minutes: int


class MeterLimit(_Part):
    """A meter's limit per billing period (None: unlimited); a soft one only warns. ``blind``: what holds without fresh facts."""

    limit: int | None
    hard: bool = True
    blind: Literal["deny", "allow"] | BlindAllowance = "deny"


class LicensePolicy(_Part):
    policy: str
    max_machines: int
    file_ttl_hours: int = 72


class AgentRuns(_Part):
    concurrency: int
    max_credits_per_run: int


class Tier(_Part):
    """One tier. ``rank`` orders upgrades; ``grace_days`` run from an invoice's due date to suspension."""

    code: str
    title: str
    summary: str
    rank: int
    plans: Annotated[tuple[PlanVersion, ...], Field(min_length=1)]
    trial_days: int = 0
    grace_days: int = 14
    payment_term_days: int = 14
    seats: int
    programs: int = 1
    license: LicensePolicy
    features: dict[str, bool]
    meters: dict[str, MeterLimit]
    runs: AgentRuns
    support_hours: int = 48

    def plan_for(self, currency: str) -> PlanVersion:
        """The plan a new customer of this tier gets. Raises ConfigInvalid when none is offered in ``currency``."""
        for plan in self.plans:
            if plan.status == "offered" and plan.currency == currency:
                return plan
        raise ConfigInvalid(f"Tier {self.code} offers no plan in {currency}.", remedy=f"Add one to config/tiers/{self.code}.yaml.")


class Tiers:
    """All tiers, in order of rank."""

    def __init__(self, tiers: list[Tier]) -> None:
        self._by_code = {tier.code: tier for tier in sorted(tiers, key=lambda tier: tier.rank)}
        self._by_plan = {plan.code: tier for tier in tiers for plan in tier.plans}

    def __iter__(self) -> Any:
        return iter(self._by_code.values())

    def get(self, code: str) -> Tier:
        """Raises ConfigInvalid for an unknown code."""
        try:
            return self._by_code[code]
        except KeyError:
            raise ConfigInvalid(f"There is no tier {code}.", remedy=f"Known tiers: {', '.join(self._by_code)}.") from None

    def find(self, code: str) -> Tier | None:
        return self._by_code.get(code)

    def of_plan(self, plan_code: str) -> Tier | None:
        """The tier that a Lago plan code belongs to; None for a plan that our files do not know."""
        return self._by_plan.get(plan_code)


def parse_tier(document: Mapping[str, Any], *, file: str) -> Tier:
    """Check one file's content. Raises ConfigInvalid naming the file, the place in it and what was expected."""
    try:
        return Tier.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigInvalid(
            f"{file}: {place}: {first['msg']}", remedy="Correct the file; `glue plan` checks it again.", file=file, place=place
        ) from error
