"""Logging in at the hosted pages."""

from identity_driver import APP, PASSWORD, Browser, Login


def test_login_asks_for_the_address_first_then_for_the_password(provider, visitor):
    user, email = provider.person()
    organization, alias = provider.organization(user, attributes={"plan": ["pro"]})
    login = Login(provider)
    visitor.go(login.url())
    assert (visitor.page.id, visitor.page.form_id) == ("login-login-username", "kc-form-login")
    visitor.submit(username=email)
    assert visitor.page.id == "login-login"
    assert visitor.page.texts["kc-attempted-username"] == email
    visitor.submit(password=PASSWORD)
    assert set(visitor.answer) == {"state", "session_state", "iss", "code"}
    assert (visitor.answer["iss"], visitor.answer["state"]) == (provider.issuer, login.state)
    tokens = login.redeem(visitor.answer["code"]).json()
    claims = provider.claims(tokens["access_token"])
    assert claims["aud"] == "glue-api"
    assert claims["organization"] == {alias: {"id": organization, "plan": ["pro"], "groups": []}}
    identity = provider.claims(tokens["id_token"])
    assert (identity["nonce"], identity["aud"], identity["sub"]) == (login.nonce, "glue-portal", user)


def test_code_without_its_verifier_is_refused(provider, visitor):
    _, email = provider.person()
    login = Login(provider)
    visitor.go(login.url(login_hint=email)).submit(password=PASSWORD)
    code = visitor.answer["code"]
    assert login.redeem(code, code_verifier="").json()["error"] == "invalid_grant"


def test_code_with_a_wrong_verifier_is_refused(provider, visitor):
    _, email = provider.person()
    login = Login(provider)
    visitor.go(login.url(login_hint=email)).submit(password=PASSWORD)
    answered = login.redeem(visitor.answer["code"], code_verifier="x" * 43)
    assert (answered.status_code, answered.json()["error"]) == (400, "invalid_grant")


def test_code_is_good_once_and_its_reuse_kills_the_tokens(provider, visitor):
    _, email = provider.person()
    login = Login(provider)
    visitor.go(login.url(login_hint=email)).submit(password=PASSWORD)
    tokens = login.redeem(visitor.answer["code"]).json()
    assert provider.introspect(tokens["access_token"]).json()["active"]
    assert login.redeem(visitor.answer["code"]).json() == {"error": "invalid_grant", "error_description": "Code not valid"}
    assert provider.introspect(tokens["access_token"]).json() == {"active": False}


def test_request_without_pkce_comes_back_with_an_error_and_the_issuer(provider, visitor):
    visitor.go(Login(provider).url(code_challenge="", code_challenge_method=""))
    assert visitor.answer["error"] == "invalid_request"
    assert visitor.answer["iss"] == provider.issuer


def test_unknown_redirect_address_is_a_page_not_a_redirect(provider, visitor):
    visitor.go(Login(provider).url(redirect_uri=f"{APP}/elsewhere"))
    assert (visitor.status, visitor.page.id) == (400, "login-error")
    assert visitor.page.texts["instruction"] == "Invalid parameter: redirect_uri"


def test_unknown_organization_in_the_scope_is_refused(provider, visitor):
    visitor.go(Login(provider).url("openid organization:absent"))
    assert visitor.answer["error"] == "invalid_scope"


def test_second_login_in_the_same_browser_asks_nothing(provider, sign_in):
    _, email = provider.person()
    visitor, first = sign_in(email)
    login = Login(provider)
    visitor.go(login.url(prompt="none"))
    second = login.redeem(visitor.answer["code"]).json()
    assert second["session_state"] == first["session_state"]


def test_silent_login_without_a_session_says_login_required(provider, visitor):
    visitor.go(Login(provider).url(prompt="none"))
    assert visitor.answer["error"] == "login_required"


def test_prompt_login_asks_the_signed_in_person_for_the_password_again(provider, sign_in):
    _, email = provider.person()
    provider.organization()
    visitor, _ = sign_in(email)
    visitor.go(Login(provider).url(prompt="login"))
    assert (visitor.page.id, visitor.page.texts["kc-attempted-username"]) == ("login-login", email)


def test_wrong_password_and_unknown_address_look_alike(provider):
    _, email = provider.person()
    provider.organization()
    shown = []
    for address in (email, "nobody@people.test"):
        visitor = Browser(provider).go(Login(provider).url()).submit(username=address).submit(password="wrong")
        shown.append((visitor.status, visitor.page.id, visitor.page.error_of("password")))
    assert shown == [(200, "login-login", "Invalid username or password.")] * 2


def test_disabled_person_is_told_before_any_password(provider, visitor):
    _, email = provider.person(enabled=False)
    provider.organization()
    visitor.go(Login(provider).url()).submit(username=email)
    assert (visitor.status, visitor.page.id) == (400, "login-error")


def test_plain_scope_shows_the_persons_organizations_before_the_password(provider, visitor):
    user, email = provider.person()
    provider.organization(user)
    _, alias = provider.organization(user)
    login = Login(provider)
    visitor.go(login.url("openid organization")).submit(username=email)
    assert visitor.page.id == "login-select-organization"
    assert alias in visitor.page.buttons
    visitor.press(alias).submit(password=PASSWORD)
    claims = provider.claims(login.redeem(visitor.answer["code"]).json()["access_token"])
    assert list(claims["organization"]) == [alias]


def test_choosing_a_disabled_organization_shows_the_choice_again(provider, visitor):
    user, email = provider.person()
    for _ in range(2):
        provider.organization(user)
    disabled, alias = provider.organization(user)
    body = provider.admin("GET", f"/organizations/{disabled}").json()
    provider.admin("PUT", f"/organizations/{disabled}", body | {"enabled": False})
    visitor.go(Login(provider).url("openid organization", login_hint=email)).press(alias)
    assert visitor.page.id == "login-select-organization"


def test_session_once_used_for_one_organization_tells_groups_of_no_other(provider, sign_in):
    """As seen on a real one; whoever wants all groups asks ``organization:*`` only."""
    user, email = provider.person()
    _, first = provider.organization(user)
    _, second = provider.organization(user)
    visitor, tokens = sign_in(email)
    assert all("groups" in item for item in provider.claims(tokens["access_token"])["organization"].values())
    sign_in(email, scope=f"openid organization:{second}", visitor=visitor)
    _, tokens = sign_in(email, visitor=visitor)
    told = provider.claims(tokens["access_token"])["organization"]
    assert ("groups" in told[first], "groups" in told[second]) == (False, True)


def test_page_of_another_browser_cannot_be_used(provider, visitor):
    _, email = provider.person()
    visitor.go(Login(provider).url(login_hint=email))
    stranger = Browser(provider)
    stranger.page = visitor.page
    stranger.submit(password=PASSWORD)
    assert (stranger.status, stranger.page.id) == (400, "login-error")


def test_language_asked_for_is_chosen_on_the_page_and_kept(provider, visitor):
    visitor.go(Login(provider).url(ui_locales="de"))
    assert visitor.page.language == "de"
    visitor.go(visitor.page.languages["fr"])
    assert visitor.cookies["KEYCLOAK_LOCALE"] == "fr"
    visitor.go(Login(provider).url())
    assert visitor.page.language == "fr"


def test_organization_is_chosen_silently_when_only_one_is_enabled(provider, visitor):
    user, email = provider.person()
    _, alias = provider.organization(user)
    disabled, _ = provider.organization(user)
    row = provider.admin("GET", f"/organizations/{disabled}").json()
    provider.admin("PUT", f"/organizations/{disabled}", row | {"enabled": False})
    login = Login(provider)
    visitor.go(login.url("openid organization", login_hint=email)).submit(password=PASSWORD)
    claims = provider.claims(login.redeem(visitor.answer["code"]).json()["access_token"])
    assert list(claims["organization"]) == [alias]


def test_login_without_a_password_has_the_lowest_acr(provider, sign_in):
    _, email = provider.person()
    visitor, first = sign_in(email)
    _, second = sign_in(email, visitor=visitor)
    assert [provider.claims(tokens["id_token"])["acr"] for tokens in (first, second)] == ["1", "0"]


def test_hint_at_a_disabled_person_asks_for_both_and_tells_nothing(provider, visitor):
    _, email = provider.person(enabled=False)
    visitor.go(Login(provider).url(login_hint=email))
    assert {"username", "password"} <= set(visitor.page.values)
