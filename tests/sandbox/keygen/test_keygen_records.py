"""Records over HTTP: creation, names in URLs, lists, refusals, cascades."""

import uuid

import pytest
from keygen_driver import Keygen, check_signature, codes


def test_license_takes_its_limits_and_expiry_from_the_policy(keygen: Keygen) -> None:
    license_row = keygen.license(keygen.policy(duration=2_592_000, maxMachines=3), name="Acme")
    attributes = license_row["attributes"]
    assert attributes["maxMachines"] == 3
    assert attributes["status"] == "ACTIVE"
    assert attributes["expiry"][11:] == attributes["created"][11:] or attributes["expiry"] > attributes["created"]
    assert attributes["key"].endswith("-V3")


def test_every_answer_closes_the_connection_and_is_signed(keygen: Keygen) -> None:
    for path, status in (("/products?limit=1", 200), (f"/licenses/{uuid.uuid4()}", 404)):
        answer = keygen.call("GET", path)
        assert answer.status_code == status
        assert answer.headers["connection"] == "close"
        check_signature(
            keygen.public_key, method="get", target=f"/v1{path}", host=keygen.ready["host"], headers=answer.headers, body=answer.content
        )


def test_unknown_routes_and_broken_bodies_are_not_signed(keygen: Keygen) -> None:
    assert "keygen-signature" not in keygen.call("GET", "/nopes").headers
    broken = keygen._http.post("/v1/licenses", content=b"{", headers={"Authorization": keygen.admin})
    assert (broken.status_code, codes(broken)) == (400, ["JSON_INVALID"])
    assert "keygen-signature" not in broken.headers


def test_another_host_is_refused_without_a_word(keygen: Keygen) -> None:
    answer = keygen.call("GET", "/products", headers={"Host": "other.test"})
    assert (answer.status_code, answer.content) == (403, b"")


def test_what_keygen_has_and_the_sandbox_has_not_says_so(keygen: Keygen) -> None:
    answer = keygen.create("releases", {"version": "1.0.0"})
    assert (answer.status_code, codes(answer)) == (501, ["NOT_IN_SANDBOX"])


def test_own_id_and_key_given_twice_are_both_named(keygen: Keygen) -> None:
    policy, own, key = keygen.policy(), str(uuid.uuid4()), uuid.uuid4().hex
    keygen.made("licenses", {"key": key}, own_id=own, policy=policy)
    again = keygen.create("licenses", {"key": key}, own_id=own, policy=policy)
    assert (again.status_code, codes(again)) == (422, ["ID_CONFLICT", "KEY_TAKEN"])
    assert keygen.call("DELETE", f"/licenses/{own}").status_code == 204
    keygen.made("licenses", {"key": key}, own_id=own, policy=policy)


@pytest.mark.parametrize("own", [str(uuid.uuid5(uuid.NAMESPACE_DNS, "x")), "01920000-0000-7000-8000-fd4960233d12", "my-license"])
def test_only_uuids_of_version_4_are_ids(keygen: Keygen, own: str) -> None:
    answer = keygen.create("licenses", own_id=own, policy=keygen.policy())
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"] == {"pointer": "/data/id"}


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"nope": 1}, "nope"),
        ({"name": 5}, "name"),
        ({"key": ""}, "key"),
        ({"uses": 1}, "uses"),
        ({"metadata": {"a": {"b": {"c": 1}}}}, "metadata"),
    ],
)
def test_bodies_are_read_strictly(keygen: Keygen, attributes: dict[str, object], pointer: str) -> None:
    answer = keygen.create("licenses", attributes, policy=keygen.policy())
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"]["pointer"] == f"/data/attributes/{pointer}"


def test_metadata_keys_come_back_in_camel_case_and_find_the_record(keygen: Keygen) -> None:
    tenant = uuid.uuid4().hex
    license_row = keygen.license(metadata={"KC_User": "u", "tenant_id": tenant, "seats": 4})
    assert license_row["attributes"]["metadata"] == {"kcUser": "u", "tenantId": tenant, "seats": 4}
    found = keygen.call("GET", f"/licenses?metadata[tenantId]={tenant}&metadata[seats]=4").json()["data"]
    assert [row["id"] for row in found] == [license_row["id"]]
    assert keygen.call("GET", f"/licenses?metadata[tenantId]={tenant}&metadata[seats]=5").json()["data"] == []


def test_an_expiry_that_is_no_time_is_dropped_silently(keygen: Keygen) -> None:
    assert keygen.license(keygen.policy(), expiry="tomorrow")["attributes"]["expiry"] is None
    assert keygen.license(keygen.policy(), expiry=1_893_456_000)["attributes"]["expiry"] == "2030-01-01T00:00:00.000Z"


def test_unknown_filters_are_ignored_and_pages_count(keygen: Keygen) -> None:
    policy = keygen.policy()
    ids = [keygen.license(policy)["id"] for _ in range(5)]
    answer = keygen.call("GET", f"/licenses?policy={policy}&nope=1&page[number]=2&page[size]=2").json()
    assert [row["id"] for row in answer["data"]] == [ids[2], ids[1]]
    assert answer["links"]["meta"] == {"pages": 3, "count": 5}
    assert answer["links"]["next"].startswith("/v1/licenses?nope=1&page%5Bnumber%5D=3")
    oldest = keygen.call("GET", f"/licenses?policy={policy}&order=asc&limit=1").json()["data"]
    assert oldest[0]["id"] == ids[0]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "page[size]=2", "page[number]=1", "page=1", "order=up"])
def test_lists_refuse_bad_pages(keygen: Keygen, query: str) -> None:
    assert keygen.call("GET", f"/policies?{query}").status_code == 400


def test_deleting_a_policy_takes_its_licenses_and_their_machines(keygen: Keygen) -> None:
    policy = keygen.policy()
    license_row = keygen.license(policy)
    machine = keygen.activate(license_row).json()["data"]["id"]
    assert keygen.call("DELETE", f"/policies/{policy}").status_code == 204
    assert keygen.call("GET", f"/licenses/{license_row['id']}").status_code == 404
    assert keygen.call("GET", f"/machines/{machine}").status_code == 404


def test_entitlements_of_policy_and_license_are_merged_and_attached_once(keygen: Keygen) -> None:
    policy = keygen.policy()
    license_row = keygen.license(policy)
    ids = [keygen.made("entitlements", {"name": "x", "code": f"E-{uuid.uuid4().hex}"})["id"] for _ in range(2)]
    link = {"data": [{"type": "entitlements", "id": ids[0]}]}
    assert keygen.call("POST", f"/policies/{policy}/entitlements", link).status_code == 200
    assert codes(keygen.call("POST", f"/licenses/{license_row['id']}/entitlements", link)) == ["ENTITLEMENT_CONFLICT"]
    other = {"data": [{"type": "entitlements", "id": ids[1]}]}
    assert keygen.call("POST", f"/licenses/{license_row['id']}/entitlements", other).status_code == 200
    assert codes(keygen.call("POST", f"/licenses/{license_row['id']}/entitlements", other)) == ["ENTITLEMENT_TAKEN"]
    held = keygen.call("GET", f"/licenses/{license_row['id']}/entitlements").json()["data"]
    assert {row["id"] for row in held} == set(ids)
    assert keygen.call("DELETE", f"/licenses/{license_row['id']}/entitlements", link).status_code == 403
    assert keygen.call("DELETE", f"/licenses/{license_row['id']}/entitlements", other).status_code == 204


def test_policy_change_moves_expiry_only_if_the_new_policy_resets_it(keygen: Keygen) -> None:
    license_row = keygen.license(keygen.policy(duration=86_400))
    path = f"/licenses/{license_row['id']}"
    for strategy, expected in (("KEEP_EXPIRY", license_row["attributes"]["expiry"]), ("RESET_EXPIRY", None)):
        target = {"data": {"type": "policies", "id": keygen.policy(transferStrategy=strategy)}}
        assert keygen.call("PUT", f"{path}/policy", target).json()["data"]["attributes"]["expiry"] == expected
    signed = {"data": {"type": "policies", "id": keygen.policy(scheme="ED25519_SIGN")}}
    assert codes(keygen.call("PUT", f"{path}/policy", signed)) == ["POLICY_NOT_COMPATIBLE"]


def test_suspension_is_refused_when_already_so(keygen: Keygen) -> None:
    path = f"/licenses/{keygen.license()['id']}/actions"
    assert [keygen.call("POST", f"{path}/suspend").status_code for _ in range(2)] == [200, 422]
    assert [keygen.call("POST", f"{path}/reinstate").status_code for _ in range(2)] == [200, 422]


def test_usage_stops_at_the_limit_and_never_goes_below_zero(keygen: Keygen) -> None:
    license_row = keygen.license(keygen.policy(maxUses=5))
    path = f"/licenses/{license_row['id']}/actions"
    assert keygen.call("POST", f"{path}/increment-usage", {"meta": {"increment": 5}}).json()["data"]["attributes"]["uses"] == 5
    assert codes(keygen.call("POST", f"{path}/increment-usage")) == ["USES_LIMIT_EXCEEDED"]
    assert codes(keygen.call("POST", f"{path}/decrement-usage", {"meta": {"decrement": 9}})) == ["USES_INVALID"]
    assert keygen.call("POST", f"{path}/reset-usage").json()["data"]["attributes"]["uses"] == 0


def test_product_token_sees_only_its_product_and_may_not_search(keygen: Keygen) -> None:
    mine, other = keygen.made("products", {"name": "a"})["id"], keygen.license()
    token = keygen.call("POST", f"/products/{mine}/tokens").json()["data"]["attributes"]["token"]
    auth = f"Bearer {token}"
    assert keygen.call("GET", "/licenses", auth=auth).json()["data"] == []
    assert keygen.call("GET", f"/licenses/{other['id']}", auth=auth).status_code == 404
    assert keygen.create("products", {"name": "x"}, auth=auth).status_code == 403
    assert keygen.call("POST", "/search", {"meta": {"type": "licenses", "query": {"name": "abc"}}}, auth=auth).status_code == 403


@pytest.mark.parametrize(
    ("auth", "code"),
    [(None, "TOKEN_MISSING"), ("bearer x", "TOKEN_MISSING"), ("Bearer nope", "TOKEN_INVALID"), ("License nope", "LICENSE_INVALID")],
)
def test_who_is_not_known_is_told_so(keygen: Keygen, auth: str | None, code: str) -> None:
    answer = keygen.call("GET", "/me", auth=auth)
    assert (answer.status_code, codes(answer)) == (401, [code])


def test_revoked_and_regenerated_tokens_die_at_once(keygen: Keygen) -> None:
    first = keygen.call("POST", "/tokens").json()["data"]
    auth = f"Bearer {first['attributes']['token']}"
    second = keygen.call("PUT", f"/tokens/{first['id']}").json()["data"]["attributes"]["token"]
    assert keygen.call("GET", "/me", auth=auth).status_code == 401
    assert keygen.call("GET", "/me", auth=f"Bearer {second}").status_code == 200
    assert keygen.call("DELETE", f"/tokens/{first['id']}").status_code == 204
    assert keygen.call("GET", "/me", auth=f"Bearer {second}").status_code == 401


def test_older_api_versions_say_user_and_constant(keygen: Keygen) -> None:
    license_row = keygen.license()
    old = keygen.call("GET", f"/licenses/{license_row['id']}", headers={"Keygen-Version": "1.5"}).json()["data"]
    assert "user" in old["relationships"]
    assert "owner" not in old["relationships"]
    assert keygen.call("GET", "/products", headers={"Keygen-Version": "9"}).status_code == 400
