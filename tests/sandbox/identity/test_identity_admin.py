"""The admin API: what clients of it stumble over."""

import secrets

import pytest
from identity_driver import SECRETS


def test_list_of_organizations_holds_ten_unless_asked_for_more(provider):
    made = {provider.organization()[0] for _ in range(11)}
    assert len(provider.admin("GET", "/organizations").json()) == 10
    assert made <= {row["id"] for row in provider.admin("GET", "/organizations?max=-1").json()}
    assert provider.admin("GET", "/organizations?max=0").json() == []


def test_list_of_members_holds_ten_unless_asked_for_more(provider):
    organization, _ = provider.organization(*(provider.person()[0] for _ in range(11)))
    assert len(provider.admin("GET", f"/organizations/{organization}/members").json()) == 10
    assert provider.admin("GET", f"/organizations/{organization}/members/count").json() == 11


def test_put_of_an_organization_replaces_it_but_for_attributes_and_enables_it(provider):
    organization, alias = provider.organization(
        description="kept?", attributes={"plan": ["pro"]}, domains=[{"name": f"{secrets.token_hex(4)}.test"}], enabled=False
    )
    provider.admin("PUT", f"/organizations/{organization}", {"name": f"Org {alias}", "alias": alias})
    row = provider.admin("GET", f"/organizations/{organization}").json()
    assert row == {"id": organization, "name": f"Org {alias}", "alias": alias, "enabled": True, "attributes": {"plan": ["pro"]}}


def test_organization_is_found_by_alias_through_q_only(provider):
    organization, alias = provider.organization(name="A name unlike its alias")
    assert [row["id"] for row in provider.admin("GET", f"/organizations?q=alias:{alias}").json()] == [organization]
    assert provider.admin("GET", f"/organizations?search={alias}").json() == []
    provider.admin("DELETE", f"/organizations/{organization}")


def test_alias_cannot_change(provider):
    organization, alias = provider.organization()
    for body in ({"name": f"Org {alias}", "alias": "other"}, {"name": f"Org {alias}"}):  # left out, it is taken from the name
        answered = provider.admin("PUT", f"/organizations/{organization}", body)
        assert (answered.status_code, answered.json()) == (400, {"errorMessage": "Cannot change the alias"})


def test_group_memberships_end_with_the_membership(provider):
    user, _ = provider.person()
    organization, _ = provider.organization(user)
    group = provider.admin("POST", f"/organizations/{organization}/groups", {"name": "admin"}).json()["id"]
    at = f"/organizations/{organization}/groups/{group}/members/{user}"
    assert [provider.admin("PUT", at).status_code for _ in range(2)] == [204, 409]
    provider.admin("DELETE", f"/organizations/{organization}/members/{user}")
    provider.admin("POST", f"/organizations/{organization}/members", user)
    assert provider.admin("GET", f"/organizations/{organization}/members/{user}/groups").json() == []


def test_unknown_admin_calls_answer_501(provider):
    for method, path in (("GET", "/identity-provider/instances"), ("POST", "/partialImport"), ("GET", "/components")):
        answered = provider.admin(method, path)
        assert (answered.status_code, "does not imitate" in answered.json()["error"]) == (501, True)
    assert provider.admin("GET", "/no-such-thing").status_code == 404


def test_service_account_may_do_what_its_roles_allow_and_its_scope_shows(provider):
    token = provider.machine_token("glue-service", SECRETS["service"])["access_token"]
    assert provider.admin("GET", "/organizations", token=token).status_code == 200
    assert provider.admin("GET", "/admin-events", token=token).status_code == 200
    assert provider.admin("GET", "/clients", token=token).status_code == 403
    row = provider.admin("GET", "/clients?clientId=glue-portal").json()[0]
    assert provider.admin("DELETE", f"/clients/{row['id']}", token=token).status_code == 403
    assert "accessTokenLifespan" not in provider.admin("GET", "", token=token).json()


def test_roles_behind_a_narrow_scope_do_not_count(provider):
    client, secret = provider.script()
    row = provider.admin("GET", f"/clients?clientId={client}").json()[0]
    provider.admin("PUT", f"/clients/{row['id']}", {"clientId": client, "serviceAccountsEnabled": True, "fullScopeAllowed": False})
    account = provider.admin("GET", f"/clients/{row['id']}/service-account-user").json()["id"]
    management = provider.admin("GET", "/clients?clientId=realm-management").json()[0]["id"]
    role = provider.admin("GET", f"/clients/{management}/roles/view-users").json()
    provider.admin("POST", f"/users/{account}/role-mappings/clients/{management}", [role])
    token = provider.machine_token(client, secret)["access_token"]
    assert provider.admin("GET", "/users", token=token).status_code == 403


def test_admin_events_come_newest_first_with_ids_and_in_order_when_asked(provider):
    organization, _ = provider.organization(provider.person()[0])
    path = f"/admin-events?resourcePath=organizations/{organization}*"
    rows = provider.admin("GET", path).json()
    assert [row["operationType"] + " " + row["resourceType"] for row in rows] == ["CREATE ORGANIZATION_MEMBERSHIP", "CREATE ORGANIZATION"]
    assert [row["id"] for row in provider.admin("GET", path + "&direction=asc").json()] == [row["id"] for row in reversed(rows)]
    assert len(provider.admin("GET", path + "&first=1&max=5").json()) == 1


def test_events_older_than_the_realm_keeps_them_are_gone(provider):
    organization, _ = provider.organization()
    provider.move_clock(advance_seconds=15 * 86400)
    assert provider.admin("GET", f"/admin-events?resourcePath=organizations/{organization}").json() == []


def test_attribute_that_the_profile_does_not_declare_is_dropped(provider):
    user, _ = provider.person(attributes={"undeclared": ["x"], "locale": ["de"]})
    assert provider.admin("GET", f"/users/{user}").json()["attributes"] == {"locale": ["de"]}
    profile = provider.admin("GET", "/users/profile").json()
    declared = profile | {"attributes": [*profile["attributes"], {"name": "team", "permissions": {"view": ["admin"], "edit": ["admin"]}}]}
    assert provider.admin("PUT", "/users/profile", declared).status_code == 200
    email = provider.admin("GET", f"/users/{user}").json()["email"]
    changed = {"email": email, "attributes": {"team": ["blue"], "other": ["x"]}}
    assert provider.admin("PUT", f"/users/{user}", {"attributes": changed["attributes"]}).status_code == 400
    provider.admin("PUT", f"/users/{user}", changed)
    row = provider.admin("GET", f"/users/{user}").json()
    assert (row["attributes"], "firstName" in row) == ({"team": ["blue"]}, False)
    provider.admin("PUT", "/users/profile", profile)


def test_weak_password_is_refused_by_the_policy(provider):
    user, _ = provider.person()
    answered = provider.admin("PUT", f"/users/{user}/reset-password", {"type": "password", "value": "short"})
    assert (answered.status_code, answered.json()["error"]) == (400, "invalidPasswordMinLengthMessage")


def test_organizations_switched_off_are_404(provider):
    provider.admin("PUT", "", {"organizationsEnabled": False})
    try:
        assert provider.admin("GET", "/organizations").status_code == 404
    finally:
        provider.admin("PUT", "", {"organizationsEnabled": True})


def test_same_mapper_and_scope_names_are_refused_and_scopes_can_be_changed(provider):
    scope = provider.made("/client-scopes", {"name": "extra-scope", "protocol": "openid-connect"})
    mapper = {"name": "flat", "protocol": "openid-connect", "protocolMapper": "oidc-hardcoded-claim-mapper"}
    mapper["config"] = {"claim.name": "deep.inside", "claim.value": "7", "jsonType.label": "long", "access.token.claim": "true"}
    made = provider.made(f"/client-scopes/{scope}/protocol-mappers/models", mapper)
    assert provider.admin("POST", f"/client-scopes/{scope}/protocol-mappers/models", mapper).status_code == 409
    client, secret = provider.script()
    row = provider.admin("GET", f"/clients?clientId={client}").json()[0]["id"]
    assert provider.admin("PUT", f"/clients/{row}/default-client-scopes/{scope}").status_code == 204
    provider.admin("PUT", f"/clients/{row}", {"clientId": client, "serviceAccountsEnabled": True})
    assert provider.claims(provider.machine_token(client, secret)["access_token"])["deep"] == {"inside": 7}
    assert provider.admin("GET", f"/client-scopes/{scope}/protocol-mappers/models/{made}").json()["name"] == "flat"
    assert provider.admin("DELETE", f"/client-scopes/{scope}").status_code == 204
    assert "deep" not in provider.claims(provider.machine_token(client, secret)["access_token"])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", {"error": "invalid_request", "error_description": "Cannot parse the JSON"}),
        (
            b'{"name": "x", "nope": [1]}',
            {"error": 'Invalid json representation for OrganizationRepresentation. Unrecognized field "nope" at line 1 column 24.'},
        ),
    ],
)
def test_unreadable_bodies_are_refused(provider, body, told):
    text = provider.admin("POST", "/organizations", data={"name": "x"})
    assert text.status_code == 415
    token = provider.machine_token(provider.ready["admin_client_id"], provider.ready["admin_client_secret"])["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answered = provider.http.post(f"{provider.ready['url']}/admin/realms/glue/organizations", content=body, headers=headers)
    assert (answered.status_code, answered.json()) == (400, told)
