"""Alice's and Bob's companies: tenants with a hard limit, a soft one and an unlimited meter."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from glue.meter.meters import Aggregation, MeterKind, Meters
from glue.meter.snapshots import license_digest
from glue.rules.facts import Role
from glue.rules.names import TenantId
from glue.rules.snapshot import LicenseGrant, MeterGrant, Period, Snapshot
from glue.rules.standing import Standing

METERS = Meters(
    [
        MeterKind("api_calls"),
        MeterKind("credits"),
        MeterKind("tokens", priced_dimensions=frozenset({"model"})),
        MeterKind("seats", Aggregation.MAX),
        MeterKind("disk", Aggregation.LATEST, field_name="gigabytes"),
    ]
)
TENANTS = {"alice": TenantId("t0000000000alce"), "bob": TenantId("t00000000000b0b")}
LICENSE_KEYS = {"alice": "ALICE-KEY", "bob": "BOB-KEY"}
NOVEMBER = Period(
    subscription_external_id="sub-x",
    subscription_lago_id="lago-row-1",
    plan_code="pro",
    subscription_started_at=datetime(2026, 10, 5, 9, 30, tzinfo=UTC),
    started_at=datetime(2026, 11, 1, tzinfo=UTC),
    ends_at=datetime(2026, 12, 1, tzinfo=UTC),
)
DECEMBER = replace(NOVEMBER, started_at=datetime(2026, 12, 1, tzinfo=UTC), ends_at=datetime(2027, 1, 1, tzinfo=UTC))


def snapshot_of(name, **changes):
    """The tenant in good standing; ``changes`` are fields of the snapshot."""
    tenant = TENANTS[name]
    snapshot = Snapshot(
        tenant=tenant,
        version=0,
        standing=Standing.ACTIVE,
        reason="Everything is in order.",
        tier="pro",
        confirmed_at=datetime(2026, 11, 24, 12, tzinfo=UTC),
        features={"exports": True, "own_models": False},
        meters={
            "api_calls": MeterGrant(100, hard=True),
            "credits": MeterGrant(50, hard=True),
            "tokens": MeterGrant(None, hard=False, blind="allow"),
            "disk": MeterGrant(10, hard=False),
        },
        period=replace(NOVEMBER, subscription_external_id=f"sub-{tenant}"),
        members={f"user-{name}": frozenset({Role.ADMIN})},
        licenses=(LicenseGrant(f"license-{name}", license_digest(LICENSE_KEYS[name]), usable=True),),
        unit_prices={"credits": Decimal("0.5")},
    )
    return replace(snapshot, **changes)
