"""Registering, verifying an address, new passwords, and invitations, by links from mails."""

import secrets

from identity_driver import APP, PASSWORD, Browser, Login

NEW = {"password-new": "brand-new-password", "password-confirm": "brand-new-password"}


def begin(provider, visitor, login=None):
    """Fill the registration form; the address."""
    email = f"n{secrets.token_hex(4)}@people.test"
    visitor.go((login or Login(provider)).url(prompt="create"))
    assert (visitor.page.id, visitor.page.form_id) == ("login-register", "kc-register-form")
    visitor.submit(email=email, firstName="Nina", lastName="New")
    assert visitor.page.id == "login-login-verify-email"
    return email


def test_registration_verifies_the_address_then_asks_for_a_password_and_logs_in(provider, visitor):
    login = Login(provider)
    email = begin(provider, visitor, login)
    visitor.go(provider.mail.link(email))
    assert (visitor.page.id, visitor.page.form_id) == ("login-login-update-password", "kc-passwd-update-form")
    visitor.submit(**NEW)
    tokens = login.redeem(visitor.answer["code"]).json()
    claims = provider.claims(tokens["access_token"])
    assert (claims["email"], claims["email_verified"]) == (email, True)
    kinds = [event["type"] for event in provider.admin("GET", f"/events?user={claims['sub']}").json()]
    assert {"REGISTER", "SEND_VERIFY_EMAIL", "VERIFY_EMAIL", "UPDATE_PASSWORD", "LOGIN", "CODE_TO_TOKEN"} <= set(kinds)


def test_known_address_cannot_register_again(provider, visitor):
    _, email = provider.person()
    visitor.go(Login(provider).url(prompt="create")).submit(email=email, firstName="X", lastName="Y")
    assert visitor.page.error_of("email") == "Email already exists."


def test_missing_fields_are_named(provider, visitor):
    visitor.go(Login(provider).url(prompt="create")).submit(email="someone@people.test")
    assert [visitor.page.error_of(name) for name in ("firstName", "lastName")] == ["Please specify this field."] * 2
    visitor.submit(email="not an address", firstName="A", lastName="B")
    assert visitor.page.error_of("email") == "Invalid email address."


def test_weak_or_mistyped_password_is_refused(provider, visitor):
    email = begin(provider, visitor)
    visitor.go(provider.mail.link(email))
    visitor.submit(**{"password-new": "short", "password-confirm": "short"})
    assert visitor.page.texts["pf-v5-c-alert__title"] == "Invalid password: minimum length 12."
    visitor.submit(**NEW | {"password-confirm": "something-else-entirely"})
    assert visitor.page.error_of("password-confirm") == "Passwords don't match."


def test_link_in_another_browser_asks_and_ends_without_a_code(provider, visitor):
    email = begin(provider, visitor)
    other = Browser(provider).go(provider.mail.link(email))
    assert other.page.id == "login-info"
    other.go(other.page.first_link())
    assert other.page.id == "login-login-update-password"
    other.submit(**NEW)
    assert (other.page.id, other.page.texts["kc-page-title"]) == ("login-info", "Account updated")
    assert other.go(Login(provider).url(prompt="none")).answer["error"] == "login_required"
    visitor.go(visitor.page.first_link())
    assert (visitor.status, visitor.page.id) == (400, "login-error")


def test_used_link_says_that_the_address_is_verified_already(provider, visitor):
    email = begin(provider, visitor)
    visitor.go(provider.mail.link(email))
    assert visitor.page.id == "login-login-update-password"
    again = Browser(provider).go(provider.mail.link(email))
    assert (again.status, again.page.texts["kc-page-title"]) == (200, "Email address verified")


def test_verification_mail_is_sent_again_after_half_a_minute(provider, visitor):
    email = begin(provider, visitor)
    visitor.go(visitor.page.links["Click here"])
    assert visitor.page.texts["pf-v5-c-alert__title"] == "You must wait 30 seconds before resending the verification email."
    provider.move_clock(advance_seconds=31)
    visitor.go(visitor.page.links["Click here"]).go(provider.mail.link(email, count=2))
    assert visitor.page.id == "login-login-update-password"


def test_expired_link_leads_back_to_the_login_page_in_the_same_browser_only(provider, visitor):
    email = begin(provider, visitor)
    link = provider.mail.link(email)
    provider.move_clock(advance_seconds=3700)
    assert Browser(provider).go(link).status == 400
    visitor.go(link)
    assert visitor.page.texts["pf-v5-c-alert__title"] == "Action expired. Please start again."


def test_forgotten_password_is_reset_by_mail(provider, visitor):
    _, email = provider.person()
    login = Login(provider)
    visitor.go(login.url(login_hint=email)).go(visitor.page.link("Forgot Password?"))
    assert (visitor.page.id, visitor.page.form_id) == ("login-login-reset-password", "kc-reset-password-form")
    visitor.submit(username=email)
    assert (visitor.page.id, visitor.page.texts["kc-attempted-username"]) == ("login-login", email)
    assert visitor.page.texts["pf-v5-c-alert__title"] == "You should receive an email shortly with further instructions."
    visitor.go(provider.mail.link(email)).submit(**NEW)
    assert login.redeem(visitor.answer["code"]).status_code == 200


def test_forgotten_password_of_an_unknown_address_sends_nothing(provider, visitor):
    visitor.go(Login(provider).url(login_hint="nobody@people.test")).go(visitor.page.link("Forgot Password?"))
    before = len(provider.mail.mails)
    visitor.submit(username="nobody@people.test")
    assert visitor.page.texts["pf-v5-c-alert__title"] == "You should receive an email shortly with further instructions."
    assert len(provider.mail.mails) == before


def test_administrator_can_mail_required_actions(provider, visitor):
    user, email = provider.person()
    provider.admin("PUT", f"/users/{user}/execute-actions-email?client_id=glue-portal", ["UPDATE_PASSWORD"]).raise_for_status()
    visitor.go(provider.mail.link(email))
    visitor.go(visitor.page.first_link()).submit(**NEW)
    assert visitor.page.texts["kc-page-title"] == "Account updated"
    assert visitor.page.links["« Back to Application"] == f"{APP}/"


def invite(provider, organization, **form):
    return provider.admin("POST", f"/organizations/{organization}/members/invite-user", data=form)


def test_invitation_makes_a_new_person_a_managed_member(provider, visitor):
    organization, alias = provider.organization()
    email = f"i{secrets.token_hex(4)}@people.test"
    assert invite(provider, organization, email=email, firstName="Ida", lastName="Invited").status_code == 204
    mail = provider.mail.wait(email)
    assert f"Org {alias}" in mail.get_body(("plain",)).get_content()
    assert mail.get_body(("html",)) is not None
    visitor.go(provider.mail.link(email))
    assert visitor.page.texts["kc-page-title"] == f"Create an account to join the Org {alias} organization"
    assert visitor.page.values["email"] == email
    visitor.submit(firstName="Ida", lastName="Invited")
    assert provider.members(organization) == {email: "MANAGED"}
    visitor.go(provider.mail.link(email, count=2)).submit(**NEW)
    assert visitor.at.startswith(f"{APP}/welcome?")
    assert set(visitor.answer) == {"session_state", "iss", "code"}
    assert provider.admin("GET", f"/organizations/{organization}/invitations").json() == []


def test_invitation_is_for_the_invited_address_only(provider, visitor):
    organization, _ = provider.organization()
    email = f"i{secrets.token_hex(4)}@people.test"
    invite(provider, organization, email=email)
    visitor.go(provider.mail.link(email)).submit(email="someone@else.test", firstName="A", lastName="B")
    assert visitor.page.error_of("email") == "Email does not match the invitation"


def test_invitation_makes_an_existing_person_an_unmanaged_member_without_login(provider, visitor):
    organization, _ = provider.organization()
    _, email = provider.person()
    assert invite(provider, organization, email=email).status_code == 204
    visitor.go(provider.mail.link(email))
    assert visitor.page.id == "login-info"
    visitor.go(visitor.page.first_link())
    assert visitor.at == f"{APP}/welcome"
    assert provider.members(organization) == {email: "UNMANAGED"}
    again = Browser(provider).go(provider.mail.link(email))
    assert (again.status, again.page.id) == (400, "login-info")


def test_resent_invitation_kills_the_first_link(provider, visitor):
    organization, _ = provider.organization()
    email = f"i{secrets.token_hex(4)}@people.test"
    invite(provider, organization, email=email)
    first = provider.mail.link(email)
    row = provider.admin("GET", f"/organizations/{organization}/invitations").json()[0]
    assert provider.admin("POST", f"/organizations/{organization}/invitations/{row['id']}/resend").status_code == 204
    assert visitor.go(first).status == 400
    assert visitor.go(provider.mail.link(email, count=2)).status == 200


def test_invitation_repeated_after_its_expiry_is_refused_but_mailed(provider, visitor):
    organization, _ = provider.organization()
    email = f"i{secrets.token_hex(4)}@people.test"
    invite(provider, organization, email=email)
    assert invite(provider, organization, email=email).status_code == 409
    provider.move_clock(advance_seconds=8 * 86400)
    assert provider.admin("GET", f"/organizations/{organization}/invitations").json()[0]["status"] == "EXPIRED"
    assert invite(provider, organization, email=email).json()["error_description"] == "Duplicate resource error"
    assert visitor.go(provider.mail.link(email, count=2)).status == 400


def test_refused_mail_leaves_no_invitation(provider):
    organization, _ = provider.organization()
    answered = invite(provider, organization, email="bounce@people.test")
    assert (answered.status_code, answered.json()) == (500, {"errorMessage": "Failed to send invite email"})
    assert provider.admin("GET", f"/organizations/{organization}/invitations").json() == []


def test_managed_account_dies_with_its_membership(provider, visitor):
    organization, _ = provider.organization()
    email = f"i{secrets.token_hex(4)}@people.test"
    invite(provider, organization, email=email)
    visitor.go(provider.mail.link(email)).submit(firstName="A", lastName="B")
    user = provider.admin("GET", f"/users?email={email}&exact=true").json()[0]["id"]
    assert provider.admin("DELETE", f"/organizations/{organization}/members/{user}").status_code == 204
    assert provider.admin("GET", f"/users/{user}").status_code == 404


def test_password_of_a_new_person_works_afterwards(provider, visitor):
    login = Login(provider)
    email = begin(provider, visitor, login)
    visitor.go(provider.mail.link(email)).submit(**{"password-new": PASSWORD, "password-confirm": PASSWORD})
    fresh = Login(provider)
    other = Browser(provider).go(fresh.url(login_hint=email)).submit(password=PASSWORD)
    assert fresh.redeem(other.answer["code"]).status_code == 200
