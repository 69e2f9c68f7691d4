from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glue.clock import FixedClock, SharedClock, SystemClock
from glue.errors import BadInput
from glue.rules.names import TenantId, license_id, new_tenant_id, organization_name, parse_tenant_id, subscription_external_id

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_the_shared_clock_follows_the_file_and_the_wall_stays(tmp_path):
    file = tmp_path / "clock"
    file.write_text(repr(86400.0 * 30))
    clock = SharedClock(file)
    assert timedelta(days=29, hours=23) < clock.now() - clock.wall() < timedelta(days=30, hours=1)
    assert abs(SystemClock().now() - clock.wall()) < timedelta(seconds=5)


def test_the_shared_clock_is_the_wall_without_a_file(tmp_path):
    clock = SharedClock(tmp_path / "nothing")
    assert abs(clock.now() - clock.wall()) < timedelta(seconds=5)


def test_the_fixed_clock_moves_only_when_told():
    clock = FixedClock(NOON, wall=NOON)
    clock.advance(days=31)
    assert clock.now() == NOON + timedelta(days=31) == clock.wall()


@given(st.datetimes(datetime(2026, 1, 1), datetime(2090, 1, 1)))
def test_tenant_ids_parse_and_sort_by_time(naive):
    at = naive.replace(tzinfo=UTC)
    first, later = new_tenant_id(at), new_tenant_id(at + timedelta(milliseconds=2))
    assert parse_tenant_id(first) == first
    assert first < later


@pytest.mark.parametrize("text", ["", "acme", "t0000000000000.", "T00000000000000", "t0000000000000l", "t000000000000000", "../x"])
def test_other_texts_are_no_tenant_ids(text):
    with pytest.raises(BadInput) as caught:
        parse_tenant_id(text)
    assert caught.value.field == "tenant"


def test_license_ids_are_stable_and_shaped_as_version_4():
    tenant = TenantId("t00000000000001")
    assert license_id(tenant, "coditect", 1) == license_id(tenant, "coditect", 1) != license_id(tenant, "coditect", 2)
    assert UUID(license_id(tenant, "coditect", 1)).version == 4


def test_two_tenants_of_one_name_get_two_organization_names():
    names = {organization_name("Acme", TenantId(f"t0000000000{tail}")) for tail in ("0k3f9", "0k3f8")}
    assert names == {"Acme · k3f9", "Acme · k3f8"}
    assert subscription_external_id(TenantId("t00000000000001")) == "sub-t00000000000001"
