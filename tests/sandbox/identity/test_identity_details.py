"""Smaller promises of the admin API and the token endpoint, as a real server keeps them."""

import secrets

import pytest
from identity_driver import APP, PASSWORD, SECRETS, Browser, Login

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def refused(answered):
    return answered.status_code, answered.json()


def test_groups_form_a_tree_that_is_searched_renamed_and_deleted_whole(provider):
    organization, _ = provider.organization()
    at = f"/organizations/{organization}/groups"
    admin = provider.admin("POST", at, {"name": "admin", "description": "may", "attributes": {"k": ["v"]}}).json()
    child = provider.admin("POST", f"{at}/{admin['id']}/children", {"name": "deputies"}).json()
    assert child["path"] == "/admin/deputies"
    assert refused(provider.admin("POST", at, {"name": "admin"}))[0] == 409
    assert refused(provider.admin("POST", at, {})) == (400, {"errorMessage": "Group name is missing"})
    assert [row["name"] for row in provider.admin("GET", f"{at}?search=deput").json()] == ["deputies"]
    above = provider.admin("GET", f"{at}?search=deput&populateHierarchy=true").json()
    assert [(row["name"], row["subGroups"][0]["name"]) for row in above] == [("admin", "deputies")]
    assert [row["name"] for row in provider.admin("GET", f"{at}/{admin['id']}/children").json()] == ["deputies"]
    assert provider.admin("GET", f"{at}/group-by-path/admin/deputies").json()["id"] == child["id"]
    assert refused(provider.admin("GET", f"{at}/group-by-path/absent"))[0] == 404
    provider.admin("PUT", f"{at}/{admin['id']}", {"name": "owners"})
    row = provider.admin("GET", f"{at}/{admin['id']}").json()
    assert (row["name"], "description" in row, row["attributes"]) == ("owners", False, {"k": ["v"]})
    provider.admin("POST", at, {"name": "billing"})
    assert refused(provider.admin("PUT", f"{at}/{admin['id']}", {"name": "billing"}))[0] == 409
    assert refused(provider.admin("GET", f"/groups/{admin['id']}"))[0] == 400
    other, _ = provider.organization()
    assert refused(provider.admin("GET", f"/organizations/{other}/groups/{admin['id']}"))[0] == 400
    assert provider.admin("DELETE", f"{at}/{admin['id']}").status_code == 204
    assert refused(provider.admin("GET", f"{at}/{child['id']}")) == (404, {"errorMessage": "Group does not exist"})
    assert provider.admin("GET", "/groups").json() == []


def test_group_takes_realm_roles_but_only_members_of_the_organization(provider):
    user, email = provider.person()
    organization, _ = provider.organization(user)
    group = provider.admin("POST", f"/organizations/{organization}/groups", {"name": "admin"}).json()["id"]
    at = f"/organizations/{organization}/groups/{group}"
    role = provider.admin("GET", "/roles/operator").json()
    provider.admin("POST", f"{at}/role-mappings/realm", [role])
    assert [row["name"] for row in provider.admin("GET", f"{at}/role-mappings").json()["realmMappings"]] == ["operator"]
    provider.admin("DELETE", f"{at}/role-mappings/realm", [role])
    assert provider.admin("GET", f"{at}/role-mappings/realm").json() == []
    provider.admin("PUT", f"{at}/members/{user}")
    assert [row["username"] for row in provider.admin("GET", f"{at}/members?briefRepresentation=true").json()] == [email]
    stranger, _ = provider.person()
    assert refused(provider.admin("PUT", f"{at}/members/{stranger}"))[0] == 400
    assert refused(provider.admin("PUT", f"{at}/members/{UNKNOWN}"))[0] == 404
    assert refused(provider.admin("PUT", f"/users/{user}/groups/{group}"))[0] == 400
    assert [provider.admin("DELETE", f"{at}/members/{user}").status_code for _ in range(2)] == [204, 204]
    assert provider.admin("GET", f"/organizations/members/{user}/organizations").json()[0]["id"] == organization


def test_members_are_searched_by_part_of_their_names_and_by_kind(provider):
    user, email = provider.person(firstName="Quentin")
    organization, _ = provider.organization(user, provider.person()[0])
    at = f"/organizations/{organization}/members"
    assert [row["username"] for row in provider.admin("GET", f"{at}?search=quent").json()] == [email]
    assert provider.admin("GET", f"{at}?search=quent&exact=true").json() == []
    assert provider.admin("GET", f"{at}?membershipType=MANAGED").json() == []
    assert provider.admin("GET", f"{at}?membershipType=OTHER").status_code == 500
    assert refused(provider.admin("GET", f"{at}?max=many"))[0] == 404
    assert refused(provider.admin("POST", at, user)) == (409, {"errorMessage": "User is already a member of the organization."})
    assert refused(provider.admin("GET", f"{at}/{UNKNOWN}"))[0] == 404


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "Name can not be null"),
        ({"name": "with blank"}, "Name cannot be used as alias: Empty Space not allowed."),
        ({"name": "d-1", "domains": [{"name": "not a domain"}]}, "Invalid domain format: not a domain"),
        ({"name": "u-1", "redirectUrl": "nowhere"}, "Organization redirect URL is not valid."),
    ],
)
def test_bad_organizations_are_refused_with_a_reason(provider, body, told):
    assert refused(provider.admin("POST", "/organizations", body)) == (400, {"errorMessage": told})


def test_names_aliases_and_domains_of_organizations_are_unique(provider):
    word = secrets.token_hex(4)
    provider.made("/organizations", {"name": word, "alias": word, "domains": [{"name": f"{word}.test"}]})
    assert refused(provider.admin("POST", "/organizations", {"name": word, "alias": word + "2"}))[0] == 409
    assert refused(provider.admin("POST", "/organizations", {"name": word + "2", "alias": word}))[0] == 409
    taken = provider.admin("POST", "/organizations", {"name": word + "3", "domains": [{"name": f"{word}.test"}]})
    assert "is already linked to organization" in refused(taken)[1]["errorMessage"]
    assert provider.admin("POST", "/organizations", {"name": "n" * 256, "alias": word + "4"}).status_code == 500


def test_invitations_are_filtered_and_taken_back(provider):
    organization, _ = provider.organization()
    at = f"/organizations/{organization}/invitations"
    for name in ("one", "two"):
        provider.admin("POST", f"/organizations/{organization}/members/invite-user", data={"email": f"{name}-{organization}@people.test"})
    assert len(provider.admin("GET", at).json()) == 2
    row = provider.admin("GET", f"{at}?email=one-{organization}@people.test").json()[0]
    assert provider.admin("GET", f"{at}?search=two-&status=PENDING").json()[0]["email"].startswith("two-")
    assert provider.admin("GET", f"{at}?status=EXPIRED").json() == []
    assert provider.admin("GET", f"{at}/{row['id']}").json() == row
    assert [provider.admin("DELETE", f"{at}/{row['id']}").status_code for _ in range(2)] == [204, 404]
    invite = f"/organizations/{organization}/members/invite-user"
    assert refused(provider.admin("POST", invite, {"email": "json@people.test"})) == (
        400,
        {"errorMessage": "Email is required to invite a member"},
    )
    assert refused(provider.admin("POST", invite, data={"email": "not an address"})) == (400, {"errorMessage": "Invalid email format"})
    existing = f"/organizations/{organization}/members/invite-existing-user"
    assert refused(provider.admin("POST", existing, data={"id": UNKNOWN}))[0] == 400
    user, email = provider.person()
    assert provider.admin("POST", existing, data={"id": user}).status_code == 204
    assert f"@{email.split('@')[1]}" in provider.mail.wait(email)["To"]
    closed, _ = provider.organization(enabled=False)
    assert refused(provider.admin("POST", f"/organizations/{closed}/members/invite-user", data={"email": "x@people.test"}))[0] == 400


def test_people_are_found_by_prefix_infix_and_exact_words(provider):
    user, email = provider.person(firstName=f"Zebulon{secrets.token_hex(4)}")
    name = provider.admin("GET", f"/users/{user}").json()["firstName"].lower()
    find = lambda query: [row["id"] for row in provider.admin("GET", f"/users?{query}").json()]  # noqa: E731
    assert find(f"search={name[:12]}") == [user]
    assert find(f"search={name[1:]}") == []
    assert find(f"search=*{name[1:]}*") == [user]
    assert find(f'search="{name}"') == [user]
    assert find(f"email={email[:6]}") == [user]
    assert find(f"email={email[:6]}&exact=true") == []
    assert find(f"username={email}&exact=true") == [user]
    assert find(f"email={email}&enabled=false") == []
    assert provider.admin("GET", f"/users/count?email={email}").json() == 1
    assert set(provider.admin("GET", f"/users?email={email}&briefRepresentation=true").json()[0]) >= {"id", "username", "enabled"}


def test_bad_people_are_refused_with_a_reason(provider):
    _, email = provider.person()
    post = lambda body: refused(provider.admin("POST", "/users", body))  # noqa: E731
    assert post({"enabled": True}) == (400, {"errorMessage": "User name is missing"})
    assert post({"username": "someone"})[1]["errorMessage"] == "error-user-attribute-required"
    assert post({"email": "nonsense"})[1]["errorMessage"] == "error-invalid-email"
    assert post({"email": email.upper()}) == (409, {"errorMessage": "User exists with same email"})
    assert post({"email": "fresh@people.test", "credentials": [{"type": "password", "value": "short"}]})[0] == 400
    assert post({"email": "fresh@people.test", "firstName": "x" * 300})[1]["errorMessage"] == "error-invalid-length-too-long"
    assert refused(provider.admin("GET", f"/users/{UNKNOWN}")) == (404, {"error": "User not found"})


def test_change_of_a_person_merges_and_follows_the_address(provider):
    user, _ = provider.person()
    _, taken = provider.person()
    assert refused(provider.admin("PUT", f"/users/{user}", {"email": taken}))[0] == 409
    address = f"m{secrets.token_hex(4)}@people.test"
    provider.admin("PUT", f"/users/{user}", {"email": address, "requiredActions": ["UPDATE_PASSWORD", "NO_SUCH"]})
    row = provider.admin("GET", f"/users/{user}").json()
    assert (row["username"], row["firstName"], row["requiredActions"]) == (address, "Pat", ["UPDATE_PASSWORD"])


def test_temporary_password_must_be_changed_at_login(provider, visitor):
    user, email = provider.person()
    body = {"type": "password", "value": "temporary-password-1", "temporary": True}
    assert provider.admin("PUT", f"/users/{user}/reset-password", body).status_code == 204
    client = provider.script()
    form = {"client_id": client[0], "client_secret": client[1], "username": email, "password": body["value"]}
    assert provider.token(grant_type="password", **form).json()["error_description"] == "Account is not fully set up"
    visitor.go(Login(provider).url(login_hint=email)).submit(password=body["value"])
    assert visitor.page.id == "login-login-update-password"
    visitor.submit(**{"password-new": PASSWORD, "password-confirm": PASSWORD, "logout-sessions": "on"})
    assert visitor.answer["code"]
    assert [row["type"] for row in provider.admin("GET", f"/users/{user}/credentials").json()] == ["password"]
    assert refused(provider.admin("PUT", f"/users/{user}/reset-password", {"value": ""})) == (400, {"error": "Empty password not allowed"})


def test_required_action_that_is_not_imitated_says_so(provider, visitor):
    _, email = provider.person(requiredActions=["CONFIGURE_TOTP"])
    visitor.go(Login(provider).url(login_hint=email)).submit(password=PASSWORD)
    assert (visitor.status, visitor.page.id) == (501, "login-error")


def test_verification_mail_of_an_administrator_verifies(provider, visitor):
    user, email = provider.person(emailVerified=False)
    at = f"/users/{user}/send-verify-email?client_id=glue-portal"
    assert refused(provider.admin("PUT", f"{at}&redirect_uri=http://evil.test/")) == (400, {"errorMessage": "Invalid redirect uri."})
    assert provider.admin("PUT", f"{at}&redirect_uri={APP}/auth/callback").status_code == 204
    visitor.go(provider.mail.link(email))
    visitor.go(visitor.page.first_link())
    assert visitor.page.texts["kc-page-title"] == "Account updated"
    assert provider.admin("GET", f"/users/{user}").json()["emailVerified"] is True
    assert refused(provider.admin("PUT", f"/users/{user}/execute-actions-email", ["NO_SUCH"]))[0] == 400


def test_clients_merge_on_change_and_show_their_secret(provider):
    name = f"c-{secrets.token_hex(4)}"
    made = provider.made("/clients", {"clientId": name, "redirectUris": [f"{APP}/*"], "attributes": {"a": "1"}})
    assert refused(provider.admin("POST", "/clients", {"clientId": name}))[0] == 409
    assert refused(provider.admin("POST", "/clients", {"redirectUris": ["http://a.test/#x", "a b"]}))[0] == 400
    provider.admin(
        "PUT", f"/clients/{made}", {"clientId": name, "description": "d", "attributes": {"b": "2"}, "serviceAccountsEnabled": True}
    )
    row = provider.admin("GET", f"/clients/{made}").json()
    assert (row["description"], row["webOrigins"], row["attributes"]["a"], row["attributes"]["b"]) == ("d", [APP], "1", "2")
    old = provider.admin("GET", f"/clients/{made}/client-secret").json()["value"]
    new = provider.admin("POST", f"/clients/{made}/client-secret").json()["value"]
    assert old == row["secret"] != new
    assert provider.machine_token(name, new)["expires_in"] == 300
    provider.admin("PUT", f"/clients/{made}", {"clientId": name, "serviceAccountsEnabled": False})
    assert refused(provider.admin("GET", f"/clients/{made}/service-account-user"))[0] == 400
    assert [row["clientId"] for row in provider.admin("GET", f"/clients?clientId={name[:-2]}&search=true").json()] == [name]
    optional = provider.admin("GET", f"/clients/{made}/optional-client-scopes").json()
    assert provider.admin("DELETE", f"/clients/{made}/optional-client-scopes/{optional[0]['id']}").status_code == 204
    assert [provider.admin("DELETE", f"/clients/{made}").status_code for _ in range(2)] == [204, 404]


def test_scopes_and_mappers_keep_what_a_change_leaves_out(provider):
    name = f"s-{secrets.token_hex(4)}"
    made = provider.made("/client-scopes", {"name": name, "protocol": "openid-connect", "attributes": {"k": "v"}})
    assert refused(provider.admin("POST", "/client-scopes", {"name": name, "protocol": "openid-connect"}))[0] == 409
    assert refused(provider.admin("POST", "/client-scopes", {"name": "no-protocol"})) == (400, {"errorMessage": "Unexpected protocol"})
    assert refused(provider.admin("POST", "/client-scopes", {"name": "two words", "protocol": "openid-connect"}))[0] == 400
    assert provider.admin("POST", "/client-scopes", {}).status_code == 500
    at = f"/client-scopes/{made}/protocol-mappers/models"
    mapper = {
        "name": "aud",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-audience-mapper",
        "config": {"included.custom.audience": "x"},
    }
    model = provider.made(at, mapper)
    assert refused(provider.admin("POST", at, mapper | {"name": "y", "protocolMapper": "absent"}))[0] == 404
    provider.admin("PUT", f"{at}/{model}", mapper | {"id": model, "config": {"included.custom.audience": "z"}})
    provider.admin("PUT", f"/client-scopes/{made}", {"name": name, "description": "d"})
    row = provider.admin("GET", f"/client-scopes/{made}").json()
    assert (row["attributes"], row["protocolMappers"][0]["config"]) == ({"k": "v"}, {"included.custom.audience": "z"})
    assert [row["name"] for row in provider.admin("GET", at).json()] == ["aud"]
    assert [provider.admin("DELETE", f"{at}/{model}").status_code for _ in range(2)] == [204, 404]
    assert name in [row["name"] for row in provider.admin("GET", "/client-scopes").json()]
    assert refused(provider.admin("GET", f"/client-scopes/{UNKNOWN}"))[0] == 404


def test_roles_are_made_mapped_and_shown_with_their_parts(provider):
    user, _ = provider.person()
    name = f"r-{secrets.token_hex(4)}"
    assert provider.admin("POST", "/roles", {"name": name}).status_code == 201
    assert refused(provider.admin("POST", "/roles", {"name": name}))[0] == 409
    role = provider.admin("GET", f"/roles/{name}").json()
    provider.admin("POST", f"/users/{user}/role-mappings/realm", [role])
    assert name in [row["name"] for row in provider.admin("GET", f"/users/{user}/role-mappings/realm").json()]
    management = provider.admin("GET", "/clients?clientId=realm-management").json()[0]["id"]
    at = f"/users/{user}/role-mappings/clients/{management}"
    views = [row for row in provider.admin("GET", f"{at}/available").json() if row["name"] == "view-users"]
    provider.admin("POST", at, views)
    assert {row["name"] for row in provider.admin("GET", f"{at}/composite").json()} == {"view-users", "query-users", "query-groups"}
    assert list(provider.admin("GET", f"/users/{user}/role-mappings").json()["clientMappings"]) == ["realm-management"]
    assert refused(provider.admin("POST", at, [{"id": UNKNOWN, "name": "absent"}])) == (404, {"error": "Role not found"})
    assert provider.admin("DELETE", at, views).status_code == 204
    assert provider.admin("DELETE", f"/roles/{name}").status_code == 204
    assert refused(provider.admin("GET", f"/roles/{name}"))[0] == 404
    assert name not in [row["name"] for row in provider.admin("GET", "/roles").json()]


def test_realm_merges_fields_and_replaces_its_attributes(provider):
    before = provider.admin("GET", "").json()
    assert (
        provider.admin(
            "PUT", "", {"attributes": {"mark": "one"}, "smtpServer": before["smtpServer"] | {"auth": "true", "user": "u", "password": "p"}}
        ).status_code
        == 204
    )
    row = provider.admin("GET", "").json()
    assert (row["attributes"]["mark"], "adminEventsExpiration" in row["attributes"], row["smtpServer"]["password"]) == (
        "one",
        False,
        "**********",
    )
    assert refused(provider.admin("PUT", "", {"passwordPolicy": "nonsense(3)"})) == (400, {"errorMessage": "Password policy not found"})
    assert refused(provider.admin("PUT", "", {"accessTokenLifespan": "many"}))[0] == 400
    assert refused(provider.admin("PUT", "", {"realm": "other"}))[0] == 501
    provider.admin("PUT", "", {"attributes": before["attributes"], "smtpServer": before["smtpServer"]})
    assert provider.admin("GET", "/events/config").json()["adminEventsEnabled"] is True
    actions = provider.admin("GET", "/authentication/required-actions").json()
    assert provider.admin("PUT", f"/authentication/required-actions/{actions[0]['alias']}", actions[0]).status_code == 204
    assert provider.admin("GET", f"/authentication/required-actions/{actions[0]['alias']}").json() == actions[0]
    assert refused(provider.admin("GET", "/authentication/required-actions/ABSENT"))[0] == 404
    assert {row["name"] for row in provider.admin("GET", "/default-default-client-scopes").json()} >= {"basic", "email"}


@pytest.mark.parametrize(
    ("policy", "password", "key"),
    [
        ("maxLength(5)", "longer-than-five", "invalidPasswordMaxLengthMessage"),
        ("digits(2)", "no-digits-in-it", "invalidPasswordMinDigitsMessage"),
        ("specialChars(1)", "plainletters", "invalidPasswordMinSpecialCharsMessage"),
        ("notEmail", "EMAIL", "invalidPasswordNotEmailMessage"),
        ("notContainsUsername", "xxEMAILxx", "invalidPasswordNotContainsUsernameMessage"),
        ("regexPattern(^[a-z]+$)", "NOT-MATCHING", "invalidPasswordRegexPatternMessage"),
    ],
)
def test_each_password_policy_is_enforced(provider, policy, password, key):
    user, email = provider.person()
    before = provider.admin("GET", "").json()["passwordPolicy"]
    provider.admin("PUT", "", {"passwordPolicy": policy})
    answered = provider.admin("PUT", f"/users/{user}/reset-password", {"value": password.replace("EMAIL", email)})
    provider.admin("PUT", "", {"passwordPolicy": before})
    assert refused(answered)[1]["error"] == key


def test_events_are_asked_for_by_type_person_and_time(provider):
    client, (user, email) = provider.script(), provider.person()
    provider.by_password(client, email)
    ask = lambda query: provider.admin("GET", f"/events?user={user}&{query}")  # noqa: E731
    assert [row["type"] for row in ask("type=LOGIN").json()] == ["LOGIN"]
    assert ask("type=LOGOUT").json() == []
    assert ask("type=NO_SUCH").status_code == 500
    assert ask("dateFrom=2000-01-01&dateTo=2000-01-02").json() == []
    assert len(ask("dateFrom=2000-01-01").json()) == 1
    assert ask("dateFrom=yesterday").status_code == 400
    assert provider.admin("GET", "/admin-events?operationTypes=NO_SUCH").status_code == 500
    made = provider.admin("GET", f"/admin-events?resourcePath=users/{user}&operationTypes=CREATE&resourceTypes=USER").json()
    assert "credentials" not in made[0]["representation"]
    assert provider.admin("GET", f"/admin-events?authClient={UNKNOWN}").json() == []
    assert provider.admin("DELETE", "/admin-events").status_code == 204
    assert provider.admin("GET", "/admin-events").json() == []


def test_token_endpoint_names_what_is_wrong(provider):
    client, (_, email) = provider.script(), provider.person()
    good = {"client_id": client[0], "client_secret": client[1]}
    ask = lambda **form: refused(provider.token(**form))  # noqa: E731
    assert ask(**good)[1]["error_description"] == "Missing form parameter: grant_type"
    assert ask(**good, grant_type="magic")[1]["error"] == "unsupported_grant_type"
    assert ask(client_id="absent", grant_type="password") == (
        401,
        {"error": "invalid_client", "error_description": "Invalid client or Invalid client credentials"},
    )
    assert ask(**good | {"client_secret": "wrong"}, grant_type="password")[1]["error"] == "unauthorized_client"
    assert ask(**good, grant_type="client_credentials")[1]["error"] == "unauthorized_client"
    assert ask(**good, grant_type="password", username=email, password="wrong")[1]["error_description"] == "Invalid user credentials"
    assert ask(**good, grant_type="password", username=email, scope="openid nonsense")[1]["error"] == "invalid_scope"
    assert ask(**good, grant_type="refresh_token")[1]["error"] == "invalid_request"
    assert ask(**good, grant_type="refresh_token", refresh_token="x")[1]["error_description"] == "Invalid refresh token"
    assert ask(**good, grant_type="authorization_code")[1]["error"] == "invalid_request"
    assert ask(**good, grant_type="authorization_code", code="x.y.z")[1]["error_description"] == "Code not valid"
    assert ask(client_id="glue-api", client_secret=SECRETS["api"], grant_type="password")[1]["error"] == "invalid_client"
    assert ask(**good, grant_type="password", username=email, password=PASSWORD, scope="")[1]["error"] == "invalid_scope"
    assert ask(client_id="glue-cli", grant_type="client_credentials")[0] == 401
    other = provider.script()
    tokens = provider.by_password(other, email)
    assert "don't match" in provider.refresh(client, tokens["refresh_token"]).json()["error_description"]


def test_userinfo_needs_a_living_token_with_openid(provider):
    client, (user, email) = provider.script(), provider.person()
    tokens = provider.by_password(client, email)
    get = lambda token: provider.http.get(f"{provider.openid}/userinfo", headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: E731
    assert get(tokens["access_token"]).json()["email"] == email
    assert get("").headers["www-authenticate"] == 'Bearer realm="glue"'
    assert get("nonsense").status_code == 401
    assert get(tokens["id_token"]).status_code == 401
    assert get(provider.by_password(client, email, "profile")["access_token"]).status_code == 403
    form = {"client_id": client[0], "client_secret": client[1], "token": tokens["access_token"]}
    assert provider.http.post(f"{provider.openid}/revoke", data=form).status_code == 200
    assert get(tokens["access_token"]).status_code == 401
    assert provider.http.post(f"{provider.openid}/revoke", data=form | {"token": "x"}).json()["error"] == "invalid_token"
    assert provider.http.post(f"{provider.openid}/logout", data=form | {"refresh_token": tokens["refresh_token"]}).status_code == 204
    assert provider.admin("GET", f"/users/{user}/sessions").json() != []


def test_offline_access_of_a_browser_outlives_its_session(provider, visitor):
    user, email = provider.person()
    login = Login(provider)
    portal = provider.admin("GET", "/clients?clientId=glue-portal").json()[0]["id"]
    scope = next(row["id"] for row in provider.admin("GET", "/client-scopes").json() if row["name"] == "offline_access")
    provider.admin("PUT", f"/clients/{portal}/optional-client-scopes/{scope}")
    visitor.go(login.url("openid offline_access", login_hint=email)).submit(password=PASSWORD)
    tokens = login.redeem(visitor.answer["code"]).json()
    provider.admin("POST", f"/users/{user}/logout")
    assert provider.refresh(("glue-portal", SECRETS["portal"]), tokens["refresh_token"]).status_code == 200
    provider.admin("DELETE", f"/clients/{portal}/optional-client-scopes/{scope}")


def test_authorization_endpoint_names_what_is_wrong(provider):
    ask = lambda **more: Browser(provider).go(Login(provider).url(**more))  # noqa: E731
    assert ask(response_type="").answer["error"] == "invalid_request"
    assert "#error=unauthorized_client" in ask(response_type="token").at
    assert ask(code_challenge_method="plain").answer["error"] == "invalid_request"
    assert ask(code_challenge="").answer["error"] == "invalid_request"
    assert ask(code_challenge="short").answer["error"] == "invalid_request"
    assert ask(client_id="absent").page.texts["instruction"] == "Client not found."
    assert ask(prompt="none", response_mode="fragment").at.startswith(f"{APP}/auth/callback#error=login_required")


def test_another_address_can_be_used_on_the_password_page(provider, visitor):
    _, email = provider.person()
    provider.organization()
    visitor.go(Login(provider).url()).submit(username="first@people.test")
    visitor.go(visitor.page.restart)
    assert visitor.page.id == "login-login-username"
    visitor.submit(username="").submit(username=email).submit(password=PASSWORD)
    assert visitor.answer["code"]


def test_organization_can_be_switched_before_the_password(provider, visitor):
    user, email = provider.person()
    aliases = [provider.organization(user)[1] for _ in range(2)]
    visitor.go(Login(provider).url("openid organization", login_hint=email)).press(aliases[0])
    visitor.go(*visitor.page.switch)
    assert visitor.page.id == "login-select-organization"


def test_closed_registration_is_refused_but_invitations_still_work(provider, visitor):
    organization, _ = provider.organization()
    provider.admin("PUT", "", {"registrationAllowed": False})
    try:
        assert visitor.go(Login(provider).url(prompt="create")).status == 400
        address = f"c{secrets.token_hex(4)}@people.test"
        provider.admin("POST", f"/organizations/{organization}/members/invite-user", data={"email": address})
        assert Browser(provider).go(provider.mail.link(address)).page.id == "login-register"
        plain = f"{provider.openid}/registrations?client_id=glue-portal"
        assert Browser(provider).go(plain).status == 400
    finally:
        provider.admin("PUT", "", {"registrationAllowed": True})


def test_account_page_tells_who_is_signed_in(provider, sign_in):
    _, email = provider.person()
    visitor, _ = sign_in(email)
    assert visitor.go(f"{provider.issuer}/account/").page.texts["instruction"] == f"Signed in as {email}."
    assert Browser(provider).go(f"{provider.issuer}/account").page.texts["instruction"] == "You are not signed in."


def test_stylesheet_and_script_are_served(provider):
    for name, kind in (("pages.css", "text/css"), ("pages.js", "text/javascript")):
        answered = provider.http.get(f"{provider.issuer}/resources/{name}")
        assert (answered.status_code, answered.headers["content-type"].split(";")[0]) == (200, kind)


def test_admin_api_wants_a_living_bearer_token(provider):
    assert provider.admin("GET", "/users", token="nonsense").status_code == 401
    assert provider.http.get(f"{provider.ready['url']}/admin/realms").status_code == 401
    token = provider.machine_token(provider.ready["admin_client_id"], provider.ready["admin_client_secret"])["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert provider.http.get(f"{provider.ready['url']}/admin/realms", headers=headers).json()[0]["realm"] == "glue"
    assert provider.http.post(f"{provider.ready['url']}/admin/realms", headers=headers).status_code == 403
    assert provider.http.get(f"{provider.ready['url']}/admin/realms/absent/users", headers=headers).json() == {"error": "Realm not found."}
    user, _ = provider.person()
    assert provider.http.patch(f"{provider.ready['url']}/admin/realms/glue/users/{user}", headers=headers).status_code == 405
