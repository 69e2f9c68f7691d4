"""Users, groups, policies and the account: rules that are not about licenses."""

import base64
import uuid
from typing import Any

import pytest
from keygen_driver import Keygen, codes


def email() -> str:
    return f"{uuid.uuid4().hex}@x.test"


def basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def test_email_is_one_person_whatever_its_case(keygen: Keygen) -> None:
    address = email()
    user = keygen.made("users", {"email": address.upper(), "firstName": "Ann", "lastName": "One"})
    assert (user["attributes"]["email"], user["attributes"]["fullName"]) == (address, "Ann One")
    assert codes(keygen.create("users", {"email": address})) == ["EMAIL_TAKEN"]
    assert keygen.call("GET", f"/users/{address.upper()}").json()["data"]["id"] == user["id"]
    assert codes(keygen.create("users", {"email": "nope", "password": "abc"})) == ["EMAIL_INVALID", "PASSWORD_TOO_SHORT"]


def test_password_logs_in_for_two_weeks_and_tells_what_is_wrong(keygen: Keygen) -> None:
    address = email()
    user = keygen.made("users", {"email": address, "password": "first-secret"})
    assert codes(keygen.call("POST", "/tokens", auth=basic(address, "wrong"))) == ["PASSWORD_INVALID"]
    assert codes(keygen.call("POST", "/tokens", auth=basic(email(), "wrong"))) == ["EMAIL_INVALID"]
    token = keygen.call("POST", "/tokens", auth=basic(address, "first-secret")).json()["data"]["attributes"]
    assert (token["kind"], token["expiry"] is None) == ("user-token", False)
    auth = f"Bearer {token['token']}"
    license_row = keygen.made("licenses", policy=keygen.policy(), owner=user["id"])
    assert [row["id"] for row in keygen.call("GET", "/licenses", auth=auth).json()["data"]] == [license_row["id"]]
    assert [row["id"] for row in keygen.call("GET", "/users", auth=auth).json()["data"]] == [user["id"]]
    assert keygen.activate(license_row, auth=auth).status_code == 403
    keygen.call("POST", f"/users/{user['id']}/actions/ban")
    assert codes(keygen.call("GET", "/me", auth=auth)) == ["USER_BANNED"]


def test_deleting_a_user_takes_the_licenses_it_owns(keygen: Keygen) -> None:
    user = keygen.made("users", {"email": email()})["id"]
    license_row = keygen.made("licenses", policy=keygen.policy(), owner=user)
    assert keygen.call("DELETE", f"/users/{user}").status_code == 204
    assert keygen.call("GET", f"/licenses/{license_row['id']}").status_code == 404


def test_user_changes_and_admin_may_not_be_banned(keygen: Keygen) -> None:
    first, second = keygen.made("users", {"email": email()}), keygen.made("users", {"email": email()})
    path = f"/users/{first['id']}"
    changed = keygen.call("PATCH", path, {"data": {"type": "users", "attributes": {"firstName": "Bo", "metadata": {"kcUserId": "k"}}}})
    assert changed.json()["data"]["attributes"]["metadata"] == {"kcUserId": "k"}
    taken = {"data": {"type": "users", "attributes": {"email": second["attributes"]["email"]}}}
    assert codes(keygen.call("PATCH", path, taken)) == ["EMAIL_TAKEN"]
    assert keygen.call("POST", f"/users/{keygen.ready['admin_email']}/actions/ban").status_code == 403


def test_group_limits_hold_for_users_licenses_and_machines(keygen: Keygen) -> None:
    group = keygen.made("groups", {"name": "g", "maxUsers": 1, "maxLicenses": 1, "maxMachines": 1})["id"]
    link = {"data": {"type": "groups", "id": group}}
    users = [keygen.made("users", {"email": email()})["id"] for _ in range(2)]
    assert keygen.call("PUT", f"/users/{users[0]}/group", link).status_code == 200
    assert codes(keygen.call("PUT", f"/users/{users[1]}/group", link)) == ["GROUP_USER_LIMIT_EXCEEDED"]
    license_row = keygen.made("licenses", policy=keygen.policy(), group=group)
    assert codes(keygen.create("licenses", policy=keygen.policy(), owner=users[0])) == ["GROUP_LICENSE_LIMIT_EXCEEDED"]
    assert keygen.activate(license_row).status_code == 201
    assert codes(keygen.activate(license_row)) == ["GROUP_MACHINE_LIMIT_EXCEEDED"]
    assert len(keygen.call("GET", f"/groups/{group}/machines").json()["data"]) == 1
    assert keygen.call("DELETE", f"/groups/{group}").status_code == 204
    assert keygen.call("GET", f"/licenses/{license_row['id']}/group").status_code == 404


def test_license_users_are_counted_with_the_owner(keygen: Keygen) -> None:
    owner, guest, third = (keygen.made("users", {"email": email()})["id"] for _ in range(3))
    license_row = keygen.made("licenses", policy=keygen.policy(maxUsers=2), owner=owner)
    path = f"/licenses/{license_row['id']}/users"

    def of(user: str) -> dict[str, Any]:
        return {"data": [{"type": "users", "id": user}]}

    assert keygen.call("POST", path, of(guest)).status_code == 200
    assert codes(keygen.call("POST", path, of(third))) == ["USER_LIMIT_EXCEEDED"]
    assert codes(keygen.call("POST", path, of(owner))) == ["USER_CONFLICT", "USER_LIMIT_EXCEEDED"]
    assert [keygen.call("DELETE", path, of(user)).status_code for user in (guest, guest, owner)] == [204, 422, 403]
    assert keygen.call("PUT", f"/licenses/{license_row['id']}/owner", {"data": None}).status_code == 200
    assert keygen.call("GET", path).json()["data"] == []


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"duration": 3600}, ["DURATION_INVALID"]),
        ({"maxMachines": 2, "floating": False}, ["MAX_MACHINES_INVALID"]),
        ({"maxMachines": 0}, ["MAX_MACHINES_INVALID"]),
        ({"maxUsers": 0}, ["MAX_USERS_INVALID"]),
        ({"scheme": "ECDSA_P256_SIGN"}, ["SCHEME_NOT_ALLOWED"]),
        ({"overageStrategy": "ALLOW_1_5X_OVERAGE", "maxMachines": 3}, ["OVERAGE_STRATEGY_NOT_ALLOWED"]),
        ({"heartbeatDuration": 59}, ["HEARTBEAT_DURATION_INVALID"]),
        ({"requireCheckIn": True}, ["CHECK_IN_INTERVAL_COUNT_NOT_ALLOWED", "CHECK_IN_INTERVAL_NOT_ALLOWED"]),
        ({"name": None}, ["NAME_MISSING"]),
    ],
)
def test_policies_refuse_what_does_not_fit_together(keygen: Keygen, attributes: dict[str, Any], expected: list[str]) -> None:
    product = keygen.made("products", {"name": "x"})["id"]
    assert codes(keygen.create("policies", {"name": "x", "floating": True} | attributes, product=product)) == expected


def test_node_locked_policy_has_one_machine_and_heartbeats_begin_at_creation_if_required(keygen: Keygen) -> None:
    product = keygen.made("products", {"name": "x"})["id"]
    attributes = keygen.made("policies", {"name": "x", "requireHeartbeat": True}, product=product)["attributes"]
    assert (attributes["maxMachines"], attributes["heartbeatBasis"]) == (1, "FROM_CREATION")


def test_product_code_is_unique_and_names_the_product(keygen: Keygen) -> None:
    code = f"p-{uuid.uuid4().hex}"
    product = keygen.made("products", {"name": "x", "code": code})["id"]
    assert codes(keygen.create("products", {"name": "y", "code": code.upper()})) == ["CODE_TAKEN"]
    renamed = keygen.call(
        "PATCH", f"/products/{code}", {"data": {"type": "products", "attributes": {"name": "z", "url": "https://x.test/"}}}
    )
    assert (renamed.json()["data"]["id"], renamed.json()["data"]["attributes"]["name"]) == (product, "z")
    found = keygen.call("POST", "/search", {"meta": {"type": "products", "query": {"name": "nope-at-all"}}})
    assert found.json()["data"] == []


def test_account_shows_its_keys_and_counts(keygen: Keygen) -> None:
    totals = keygen.call("GET", "/analytics/actions/count").json()["meta"]
    keygen.license()
    assert keygen.call("GET", "/analytics/actions/count").json()["meta"]["totalLicenses"] == totals["totalLicenses"] + 1
    assert keygen.call("GET", "/accounts/00000000-0000-4000-8000-000000000000").status_code == 404
    assert keygen.call("GET", f"/accounts/{keygen.account_id}/products?limit=1").status_code == 200
    assert keygen.call("GET", "/health", headers={"Host": "10.0.0.1"}, auth=None).status_code == 204
