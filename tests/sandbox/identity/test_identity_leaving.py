"""Logout, back-channel messages, devices, and the lock after wrong passwords."""

from urllib.parse import urlencode

from identity_driver import APP, PASSWORD, Browser, Login

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def log_out(provider, **params):
    return f"{provider.openid}/logout?{urlencode(params)}"


def test_logout_with_a_hint_returns_at_once_and_ends_the_session(provider, sign_in):
    _, email = provider.person()
    visitor, tokens = sign_in(email)
    visitor.go(log_out(provider, id_token_hint=tokens["id_token"], post_logout_redirect_uri=f"{APP}/", state="s1"))
    assert visitor.at == f"{APP}/?state=s1"
    assert provider.introspect(tokens["access_token"]).json() == {"active": False}
    visitor.go(Login(provider).url(prompt="none"))
    assert visitor.answer["error"] == "login_required"


def test_logout_without_a_hint_asks_first(provider, sign_in):
    _, email = provider.person()
    visitor, tokens = sign_in(email)
    visitor.go(log_out(provider, client_id="glue-portal", post_logout_redirect_uri=f"{APP}/"))
    assert visitor.page.id == "login-logout-confirm"
    assert provider.introspect(tokens["access_token"]).json()["active"]
    visitor.submit(confirmLogout="Logout")
    assert visitor.at == f"{APP}/"
    assert provider.introspect(tokens["access_token"]).json() == {"active": False}


def test_logout_to_a_strange_address_is_refused(provider, sign_in):
    _, email = provider.person()
    visitor, tokens = sign_in(email)
    visitor.go(log_out(provider, id_token_hint=tokens["id_token"], post_logout_redirect_uri="http://evil.test/"))
    assert (visitor.status, visitor.page.id) == (400, "login-error")
    assert provider.introspect(tokens["access_token"]).json()["active"]


def test_logout_tells_the_portal_by_the_back_channel_before_it_returns(provider, sign_in, listener):
    portal = provider.admin("GET", "/clients?clientId=glue-portal").json()[0]
    url = f"http://127.0.0.1:{listener.port}/backchannel"
    provider.admin("PUT", f"/clients/{portal['id']}", {"clientId": "glue-portal", "attributes": {"backchannel.logout.url": url}})
    user, email = provider.person()
    _, tokens = sign_in(email)
    provider.admin("POST", f"/users/{user}/logout")
    provider.admin("PUT", f"/clients/{portal['id']}", {"clientId": "glue-portal", "attributes": portal["attributes"]})
    assert len(listener.forms) == 1
    claims = provider.claims(listener.forms[0]["logout_token"][0])
    assert (claims["iss"], claims["aud"], claims["sub"], claims["sid"]) == (provider.issuer, "glue-portal", user, tokens["session_state"])
    assert list(claims["events"]) == ["http://schemas.openid.net/event/backchannel-logout"]
    assert "nonce" not in claims


def test_one_session_can_be_ended_by_an_administrator(provider, sign_in):
    user, email = provider.person()
    _, first = sign_in(email)
    _, second = sign_in(email)
    assert provider.admin("DELETE", f"/sessions/{first['session_state']}").status_code == 204
    rows = provider.admin("GET", f"/users/{user}/sessions").json()
    assert [row["id"] for row in rows] == [second["session_state"]]


def ask_for_device(provider):
    answered = provider.http.post(f"{provider.openid}/auth/device", data={"client_id": "glue-cli", "scope": "openid organization:*"})
    assert answered.status_code == 200, answered.text
    return answered.json()


def poll(provider, device):
    return provider.token(grant_type=DEVICE, client_id="glue-cli", device_code=device["device_code"]).json()


def test_device_waits_for_consent_and_gets_tokens(provider, visitor):
    user, email = provider.person()
    _, alias = provider.organization(user)
    device = ask_for_device(provider)
    assert poll(provider, device)["error"] == "authorization_pending"
    assert poll(provider, device)["error"] == "slow_down"
    visitor.go(device["verification_uri"])
    assert visitor.page.form_id == "kc-user-verify-device-user-code-form"
    visitor.submit(device_user_code=device["user_code"]).submit(username=email).submit(password=PASSWORD)
    assert visitor.page.id == "login-login-oauth-grant"
    visitor.submit(accept="Yes")
    assert visitor.page.texts["kc-page-title"] == "Device Login Successful"
    provider.move_clock(advance_seconds=6)
    tokens = poll(provider, device)
    assert list(provider.claims(tokens["access_token"])["organization"]) == [alias]
    assert "refresh_token" in tokens
    assert poll(provider, device)["error"] == "invalid_grant"


def test_device_is_told_of_a_refusal(provider, sign_in):
    _, email = provider.person()
    visitor, _ = sign_in(email)
    device = ask_for_device(provider)
    visitor.go(device["verification_uri_complete"]).submit(cancel="No")
    assert poll(provider, device)["error"] == "access_denied"


def test_wrong_device_code_is_not_accepted(provider, visitor):
    visitor.go(f"{provider.issuer}/device").submit(device_user_code="AAAA-BBBB")
    assert visitor.page.id == "login-login-oauth2-device-verify-user-code"


def test_device_page_is_for_browsers_only(provider):
    """To whoever does not accept HTML the same address is the device authorization endpoint."""
    assert provider.http.post(f"{provider.issuer}/device", data={"device_user_code": "AAAA-BBBB"}).status_code == 401


def test_device_code_expires(provider):
    device = ask_for_device(provider)
    provider.move_clock(advance_seconds=601)
    assert poll(provider, device)["error"] == "expired_token"


def test_two_wrong_passwords_at_once_lock_the_account_for_a_while(provider):
    user, email = provider.person()
    for _ in range(2):
        Browser(provider).go(Login(provider).url(login_hint=email)).submit(password="wrong")
    lock = provider.admin("GET", f"/attack-detection/brute-force/users/{user}").json()
    assert (lock["disabled"], lock["numFailures"]) == (True, 2)
    right = Browser(provider).go(Login(provider).url(login_hint=email)).submit(password=PASSWORD)
    assert right.status == 200
    provider.move_clock(advance_seconds=3)
    right = Browser(provider).go(Login(provider).url(login_hint=email)).submit(password=PASSWORD)
    assert right.answer["code"]


def test_administrator_can_lift_the_lock(provider):
    user, email = provider.person()
    for _ in range(2):
        Browser(provider).go(Login(provider).url(login_hint=email)).submit(password="wrong")
    assert provider.admin("DELETE", f"/attack-detection/brute-force/users/{user}").status_code == 204
    assert Browser(provider).go(Login(provider).url(login_hint=email)).submit(password=PASSWORD).answer["code"]
