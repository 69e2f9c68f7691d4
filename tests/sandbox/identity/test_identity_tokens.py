"""Tokens, sessions and what introspection says when the world changes."""

from identity_driver import PASSWORD


def test_reused_refresh_token_kills_the_session(provider):
    client, (_, email) = provider.script(), provider.person()
    first = provider.by_password(client, email)
    second = provider.refresh(client, first["refresh_token"]).json()
    assert provider.refresh(client, first["refresh_token"]).json()["error_description"] == "Maximum allowed refresh token reuse exceeded"
    assert provider.refresh(client, second["refresh_token"]).status_code == 400
    assert provider.introspect(second["access_token"]).json() == {"active": False}


def test_introspection_says_inactive_to_whoever_is_not_in_the_audience(provider):
    client, (_, email) = provider.script(), provider.person()
    token = provider.by_password(client, email)["access_token"]
    form = {"client_id": client[0], "client_secret": client[1], "token": token}
    assert provider.http.post(f"{provider.openid}/token/introspect", data=form).json() == {"active": False}
    assert provider.introspect(token).json()["username"] == email


def test_lost_membership_makes_introspection_fail_with_400(provider):
    client, (user, email) = provider.script(), provider.person()
    organization, alias = provider.organization(user)
    tokens = provider.by_password(client, email, f"openid organization:{alias}")
    assert list(provider.introspect(tokens["access_token"]).json()["organization"]) == [alias]
    provider.admin("DELETE", f"/organizations/{organization}/members/{user}")
    answered = provider.introspect(tokens["access_token"])
    assert (answered.status_code, answered.json()["error_description"]) == (400, "Failed to introspect token.")
    assert provider.refresh(client, tokens["refresh_token"]).json()["error_description"] == "Invalid organization"
    provider.admin("POST", f"/organizations/{organization}/members", user)
    assert provider.introspect(tokens["access_token"]).json()["active"]


def test_claim_of_all_organizations_shrinks_to_nothing(provider):
    client, (user, email) = provider.script(), provider.person()
    first, alias = provider.organization(user)
    second, other = provider.organization(user)
    tokens = provider.by_password(client, email, "openid organization:*")
    assert set(provider.introspect(tokens["access_token"]).json()["organization"]) == {alias, other}
    provider.admin("DELETE", f"/organizations/{second}/members/{user}")
    assert set(provider.introspect(tokens["access_token"]).json()["organization"]) == {alias}
    refreshed = provider.refresh(client, tokens["refresh_token"]).json()
    provider.admin("DELETE", f"/organizations/{first}/members/{user}")
    answered = provider.introspect(tokens["access_token"]).json()
    assert (answered["active"], "organization" in answered) == (True, False)
    assert provider.introspect(refreshed["access_token"]).status_code == 400
    again = provider.refresh(client, refreshed["refresh_token"])
    assert (again.status_code, "organization" in provider.claims(again.json()["access_token"])) == (200, False)


def test_token_of_the_only_organization_stands_and_falls_with_it(provider):
    """Also with ``organization:*``, and though others were joined since: they show without id and attributes."""
    client, (user, email) = provider.script(), provider.person()
    only, alias = provider.organization(user)
    tokens = provider.by_password(client, email, "openid organization:*")
    _, other = provider.organization(user)
    told = provider.introspect(tokens["access_token"]).json()["organization"]
    assert told == {alias: {"id": only, "groups": []}, other: {"groups": []}}
    provider.admin("DELETE", f"/organizations/{only}/members/{user}")
    assert provider.introspect(tokens["access_token"]).status_code == 400
    assert provider.refresh(client, tokens["refresh_token"]).json()["error_description"] == "Invalid organization"


def test_disabled_organization_makes_its_tokens_fail(provider):
    client, (user, email) = provider.script(), provider.person()
    organization, alias = provider.organization(user)
    tokens = provider.by_password(client, email, f"openid organization:{alias}")
    body = provider.admin("GET", f"/organizations/{organization}").json()
    provider.admin("PUT", f"/organizations/{organization}", body | {"enabled": False})
    assert provider.introspect(tokens["access_token"]).status_code == 400
    userinfo = provider.http.get(f"{provider.openid}/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert userinfo.json() == {"error": "invalid_grant", "error_description": "Invalid organization"}


def test_disabling_a_person_stops_tokens_and_enabling_revives_them(provider):
    client, (user, email) = provider.script(), provider.person()
    tokens = provider.by_password(client, email)
    provider.admin("PUT", f"/users/{user}", {"enabled": False})
    assert provider.introspect(tokens["access_token"]).json() == {"active": False}
    assert provider.refresh(client, tokens["refresh_token"]).status_code == 400
    provider.admin("PUT", f"/users/{user}", {"enabled": True})
    assert provider.introspect(tokens["access_token"]).json()["active"]


def test_administrators_logout_ends_sessions_but_not_offline_tokens(provider):
    client, (user, email) = provider.script(), provider.person()
    online, offline = provider.by_password(client, email), provider.by_password(client, email, "openid offline_access")
    assert provider.admin("POST", f"/users/{user}/logout").status_code == 204
    assert provider.refresh(client, online["refresh_token"]).json()["error_description"] == "Session not active"
    assert provider.refresh(client, offline["refresh_token"]).status_code == 200


def test_session_ends_when_idle_and_at_its_longest(provider):
    client, (_, email) = provider.script(), provider.person()
    tokens = provider.by_password(client, email)
    provider.move_clock(advance_seconds=1700)
    tokens = provider.refresh(client, tokens["refresh_token"]).json()
    provider.move_clock(advance_seconds=1900)
    assert provider.refresh(client, tokens["refresh_token"]).json()["error_description"] == "Token is not active"
    assert provider.introspect(tokens["access_token"]).json() == {"active": False}


def test_program_gets_the_claim_of_its_organization(provider):
    client, secret = provider.script()
    row = provider.admin("GET", f"/clients?clientId={client}").json()[0]
    provider.admin("PUT", f"/clients/{row['id']}", {"clientId": client, "serviceAccountsEnabled": True})
    account = provider.admin("GET", f"/clients/{row['id']}/service-account-user").json()["id"]
    organization, alias = provider.organization(account, attributes={"plan": ["pro"]})
    group = provider.admin("POST", f"/organizations/{organization}/groups", {"name": "member"}).json()["id"]
    provider.admin("PUT", f"/organizations/{organization}/groups/{group}/members/{account}")
    answered = provider.machine_token(client, secret, "organization:*")
    claims = provider.claims(answered["access_token"])
    assert claims["organization"] == {alias: {"id": organization, "plan": ["pro"], "groups": ["/member"]}}
    assert ("sid" in claims, "refresh_token" in answered) == (False, False)


def test_revoked_refresh_token_takes_its_session_along(provider):
    client, (_, email) = provider.script(), provider.person()
    tokens = provider.by_password(client, email)
    form = {"client_id": client[0], "client_secret": client[1], "token": tokens["refresh_token"]}
    assert provider.http.post(f"{provider.openid}/revoke", data=form).status_code == 200
    assert provider.introspect(tokens["access_token"]).json() == {"active": False}


def test_public_client_and_missing_client_may_not_introspect(provider):
    url = f"{provider.openid}/token/introspect"
    assert provider.http.post(url, data={"client_id": "glue-cli", "token": "x"}).status_code == 403
    assert provider.http.post(url, data={"token": "x"}).status_code == 401


def test_managed_members_of_a_disabled_organization_are_locked_out(provider, visitor):
    organization, _ = provider.organization()
    provider.admin("POST", f"/organizations/{organization}/members/invite-user", data={"email": "locked-out@people.test"})
    visitor.go(provider.mail.link("locked-out@people.test")).submit(email="locked-out@people.test", firstName="A", lastName="B")
    visitor.go(provider.mail.link("locked-out@people.test", count=2))
    visitor.submit(**{"password-new": PASSWORD, "password-confirm": PASSWORD})
    body = provider.admin("GET", f"/organizations/{organization}").json()
    provider.admin("PUT", f"/organizations/{organization}", body | {"enabled": False})
    client = provider.script()
    form = {"client_id": client[0], "client_secret": client[1], "username": "locked-out@people.test", "password": PASSWORD}
    assert provider.token(grant_type="password", **form).json()["error_description"] == "Account disabled"
    assert provider.admin("GET", "/users?email=locked-out@people.test").json()[0]["enabled"] is False
