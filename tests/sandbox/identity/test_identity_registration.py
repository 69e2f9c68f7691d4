"""Registering, verifying an address, new passwords, and invitations, by links from mails."""

import secrets

from identity_driver import APP, PASSWORD, Browser, Login

NEW = {"password-new": "brand-new-password", "password-confirm": "brand-new-password"}


def begin(provider, browser, login=None):
    """Fill the registration form; the address."""
    email = f"n{secrets.token_hex(4)}@people.test"
    browser.go((login or Login(provider)).url(prompt="create"))
    assert (browser.page.id, browser.page.form_id) == ("login-register", "kc-register-form")
    browser.submit(email=email, firstName="Nina", lastName="New")
    assert browser.page.id == "login-login-verify-email"
    return email


def test_registration_verifies_the_address_then_asks_for_a_password_and_logs_in(provider, browser):
    login = Login(provider)
    email = begin(provider, browser, login)
    browser.go(provider.mail.link(email))
    assert (browser.page.id, browser.page.form_id) == ("login-login-update-password", "kc-passwd-update-form")
    browser.submit(**NEW)
    tokens = login.redeem(browser.answer["code"]).json()
    claims = provider.claims(tokens["access_token"])
    assert (claims["email"], claims["email_verified"]) == (email, True)
    kinds = [event["type"] for event in provider.admin("GET", f"/events?user={claims['sub']}").json()]
    assert {"REGISTER", "SEND_VERIFY_EMAIL", "VERIFY_EMAIL", "UPDATE_PASSWORD", "LOGIN", "CODE_TO_TOKEN"} <= set(kinds)


def test_known_address_cannot_register_again(provider, browser):
    _, email = provider.person()
    browser.go(Login(provider).url(prompt="create")).submit(email=email, firstName="X", lastName="Y")
    assert browser.page.texts["input-error-email"] == "Email already exists."


def test_missing_fields_are_named(provider, browser):
    browser.go(Login(provider).url(prompt="create")).submit(email="not an address")
    assert {"input-error-email", "input-error-firstName", "input-error-lastName"} <= set(browser.page.texts)


def test_weak_or_mistyped_password_is_refused(provider, browser):
    email = begin(provider, browser)
    browser.go(provider.mail.link(email))
    browser.submit(**{"password-new": "short", "password-confirm": "short"})
    assert browser.page.texts["pf-v5-c-alert__title"] == "Invalid password: minimum length 12."
    browser.submit(**NEW | {"password-confirm": "something-else-entirely"})
    assert browser.page.texts["input-error-password-confirm"] == "Password confirmation doesn't match."


def test_link_in_another_browser_asks_and_ends_without_a_code(provider, browser):
    email = begin(provider, browser)
    other = Browser(provider).go(provider.mail.link(email))
    assert other.page.id == "login-info"
    other.go(other.page.first_link())
    assert other.page.id == "login-login-update-password"
    other.submit(**NEW)
    assert (other.page.id, other.page.texts["kc-page-title"]) == ("login-info", "Your account has been updated.")
    browser.submit() if browser.page.action else browser.go(browser.page.first_link())
    assert (browser.status, browser.page.id) == (400, "login-error")


def test_verification_mail_can_be_sent_again_and_a_used_link_is_dead(provider, browser):
    email = begin(provider, browser)
    browser.go(browser.page.links["Click here"])
    link = provider.mail.link(email, count=2)
    browser.go(link)
    assert browser.page.id == "login-login-update-password"
    assert Browser(provider).go(link).status == 400


def test_expired_link_leads_back_to_the_login_page_in_the_same_browser_only(provider, browser):
    email = begin(provider, browser)
    link = provider.mail.link(email)
    provider.move_clock(advance_seconds=3700)
    assert Browser(provider).go(link).status == 400
    browser.go(link)
    assert browser.page.texts["pf-v5-c-alert__title"] == "Action expired. Please start again."


def test_forgotten_password_is_reset_by_mail(provider, browser):
    _, email = provider.person()
    login = Login(provider)
    browser.go(login.url(login_hint=email)).go(browser.page.links["Forgot Password?"])
    assert (browser.page.id, browser.page.form_id) == ("login-login-reset-password", "kc-reset-password-form")
    browser.submit(username=email)
    assert browser.page.texts["pf-v5-c-alert__title"] == "You should receive an email shortly with further instructions."
    browser.go(provider.mail.link(email)).submit(**NEW)
    assert login.redeem(browser.answer["code"]).status_code == 200


def test_forgotten_password_of_an_unknown_address_sends_nothing(provider, browser):
    browser.go(Login(provider).url(login_hint="nobody@people.test")).go(browser.page.links["Forgot Password?"])
    before = len(provider.mail.mails)
    browser.submit(username="nobody@people.test")
    assert browser.page.texts["pf-v5-c-alert__title"] == "You should receive an email shortly with further instructions."
    assert len(provider.mail.mails) == before


def test_administrator_can_mail_required_actions(provider, browser):
    user, email = provider.person()
    provider.admin("PUT", f"/users/{user}/execute-actions-email?client_id=glue-portal", ["UPDATE_PASSWORD"]).raise_for_status()
    browser.go(provider.mail.link(email))
    browser.go(browser.page.first_link()).submit(**NEW)
    assert browser.page.texts["kc-page-title"] == "Your account has been updated."
    assert browser.page.links["« Back to Application"] == f"{APP}/"


def invite(provider, organization, **form):
    return provider.admin("POST", f"/organizations/{organization}/members/invite-user", data=form)


def test_invitation_makes_a_new_person_a_managed_member(provider, browser):
    organization, alias = provider.organization()
    email = f"i{secrets.token_hex(4)}@people.test"
    assert invite(provider, organization, email=email, firstName="Ida", lastName="Invited").status_code == 204
    mail = provider.mail.wait(email)
    assert f'"Org {alias}"' in mail.get_body(("plain",)).get_content()
    assert mail.get_body(("html",)) is not None
    browser.go(provider.mail.link(email))
    assert browser.page.texts["kc-page-title"] == f"Create an account to join the Org {alias} organization"
    assert browser.page.values["firstName"] == "Ida"
    browser.submit()
    assert provider.members(organization) == {email: "MANAGED"}
    browser.go(provider.mail.link(email, count=2)).submit(**NEW)
    assert browser.at.startswith(f"{APP}/welcome?")
    assert set(browser.answer) == {"session_state", "iss", "code"}
    assert provider.admin("GET", f"/organizations/{organization}/invitations").json() == []


def test_invitation_is_for_the_invited_address_only(provider, browser):
    organization, _ = provider.organization()
    email = f"i{secrets.token_hex(4)}@people.test"
    invite(provider, organization, email=email)
    browser.go(provider.mail.link(email)).submit(email="someone@else.test", firstName="A", lastName="B")
    assert "input-error-email" in browser.page.texts


def test_invitation_makes_an_existing_person_an_unmanaged_member_without_login(provider, browser):
    organization, _ = provider.organization()
    _, email = provider.person()
    assert invite(provider, organization, email=email).status_code == 204
    browser.go(provider.mail.link(email))
    assert browser.page.id == "login-info"
    browser.go(browser.page.first_link())
    assert browser.at == f"{APP}/welcome"
    assert provider.members(organization) == {email: "UNMANAGED"}
    again = Browser(provider).go(provider.mail.link(email))
    assert (again.status, again.page.id) == (400, "login-error")


def test_resent_invitation_kills_the_first_link(provider, browser):
    organization, _ = provider.organization()
    email = f"i{secrets.token_hex(4)}@people.test"
    invite(provider, organization, email=email)
    first = provider.mail.link(email)
    row = provider.admin("GET", f"/organizations/{organization}/invitations").json()[0]
    assert provider.admin("POST", f"/organizations/{organization}/invitations/{row['id']}/resend").status_code == 204
    assert browser.go(first).status == 400
    assert browser.go(provider.mail.link(email, count=2)).status == 200


def test_invitation_repeated_after_its_expiry_is_refused_but_mailed(provider, browser):
    organization, _ = provider.organization()
    email = f"i{secrets.token_hex(4)}@people.test"
    invite(provider, organization, email=email)
    assert invite(provider, organization, email=email).status_code == 409
    provider.move_clock(advance_seconds=8 * 86400)
    assert provider.admin("GET", f"/organizations/{organization}/invitations").json()[0]["status"] == "EXPIRED"
    assert invite(provider, organization, email=email).json()["error_description"] == "Duplicate resource error"
    assert browser.go(provider.mail.link(email, count=2)).status == 400


def test_refused_mail_leaves_no_invitation(provider):
    organization, _ = provider.organization()
    answered = invite(provider, organization, email="bounce@people.test")
    assert (answered.status_code, answered.json()) == (500, {"errorMessage": "Failed to send invite email"})
    assert provider.admin("GET", f"/organizations/{organization}/invitations").json() == []


def test_managed_account_dies_with_its_membership(provider, browser):
    organization, _ = provider.organization()
    email = f"i{secrets.token_hex(4)}@people.test"
    invite(provider, organization, email=email)
    browser.go(provider.mail.link(email)).submit(firstName="A", lastName="B")
    user = provider.admin("GET", f"/users?email={email}&exact=true").json()[0]["id"]
    assert provider.admin("DELETE", f"/organizations/{organization}/members/{user}").status_code == 204
    assert provider.admin("GET", f"/users/{user}").status_code == 404


def test_password_of_a_new_person_works_afterwards(provider, browser):
    login = Login(provider)
    email = begin(provider, browser, login)
    browser.go(provider.mail.link(email)).submit(**{"password-new": PASSWORD, "password-confirm": PASSWORD})
    fresh = Login(provider)
    other = Browser(provider).go(fresh.url(login_hint=email)).submit(password=PASSWORD)
    assert fresh.redeem(other.answer["code"]).status_code == 200
