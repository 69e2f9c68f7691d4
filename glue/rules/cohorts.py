"""Beta cohorts as files declare them (``config/cohorts/*.yaml``): who is let in, what they get, until when, and what comes then. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glue.errors import ConfigInvalid
from glue.rules.tenant import Overrides
from glue.rules.tiers import Tiers


class Cohort(BaseModel):
    """``share`` is the percentage of e-mail addresses let in without a code; ``then`` the tier after the end (empty: it stays)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern="^[a-z][a-z0-9-]{1,39}$")
    title: str
    plan: str
    limits: dict[str, int | None] = {}
    flags: dict[str, bool] = {}
    seats: int | None = None
    machines: int | None = None
    programs: int | None = None
    opens: date
    ends: date
    share: Annotated[float, Field(ge=0, le=100)] = 0
    most_members: int | None = None
    then: str = ""
    notice_days: tuple[int, ...] = (14, 3)

    @property
    def ends_at(self) -> datetime:
        return datetime.combine(self.ends, time(), UTC)

    @property
    def overrides(self) -> Overrides:
        """What members are granted on top of the plan."""
        return Overrides(dict(self.flags), dict(self.limits), self.seats, self.machines, self.programs)

    def is_open(self, now: datetime) -> bool:
        """Whether somebody may join now."""
        return datetime.combine(self.opens, time(), UTC) <= now < self.ends_at

    def lets_in(self, email: str) -> bool:
        """Whether this address is in the share: always the same answer, and a larger share keeps everybody of a smaller one."""
        digest = hashlib.sha256(f"{self.code}:{email.strip().lower()}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % 10_000 < round(self.share * 100)

    def notice_due(self, now: datetime) -> int | None:
        """The fewest days before the end for which a notice is due; None before the first one and after the end."""
        left = self.ends_at - now
        due = [days for days in self.notice_days if timedelta(0) < left <= timedelta(days=days)]
        return min(due, default=None)


class Cohorts:
    """All declared cohorts by code."""

    def __init__(self, cohorts: Iterable[Cohort] = ()) -> None:
        self._by_code = {cohort.code: cohort for cohort in sorted(cohorts, key=lambda cohort: (cohort.opens, cohort.code))}

    def __iter__(self) -> Any:
        return iter(self._by_code.values())

    def find(self, code: str) -> Cohort | None:
        return self._by_code.get(code)


def without(granted: Overrides, overrides: Overrides) -> Overrides:
    """``overrides`` without what the cohort granted; what an operator granted since stays."""
    return Overrides(
        features={name: value for name, value in overrides.features.items() if granted.features.get(name) is not value},
        limits={name: value for name, value in overrides.limits.items() if name not in granted.limits or granted.limits[name] != value},
        seats=None if overrides.seats == granted.seats else overrides.seats,
        machines=None if overrides.machines == granted.machines else overrides.machines,
        programs=None if overrides.programs == granted.programs else overrides.programs,
    )


def parse_cohort(document: Mapping[str, Any], tiers: Tiers, *, file: str) -> Cohort:
    """Check one file's content. Raises ConfigInvalid naming file and place."""
    try:
        cohort = Cohort.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigInvalid(f"{file}: {place}: {first['msg']}", remedy="Correct the file.", file=file, place=place) from error
    for tier in filter(None, (cohort.plan, cohort.then)):
        if tiers.find(tier) is None:
            raise ConfigInvalid(f"{file}: there is no tier {tier}.", remedy="Name one of config/tiers.", file=file)
    meters = {code for tier in tiers for code in tier.meters}
    features = {code for tier in tiers for code in tier.features}
    if unknown := (cohort.limits.keys() - meters) | (cohort.flags.keys() - features):
        raise ConfigInvalid(f"{file}: no tier knows {min(unknown)}.", remedy="Name meters and features of config/tiers.", file=file)
    if cohort.ends <= cohort.opens:
        raise ConfigInvalid(f"{file}: ends is not after opens.", remedy="Correct the dates.", file=file)
    return cohort
