"""Every page: it answers, is small, asks no other host, has no inline scripts or styles, and says whose it is."""

import os
import re
import time

import pytest

PAGES = (
    "/", "/plan", "/plan/change?tier=free", "/plan/cancel", "/usage", "/runs", "/runs/new", "/invoices", "/payment", "/licenses", "/team",
    "/programs", "/programs/first-call", "/events", "/events?everything=true", "/help", "/privacy", "/account", "/status", "/design",
)  # fmt: skip


def test_all_tests_of_pages_run_in_one_process(request):
    """They share a stack: a second one would cost minutes, and would stay unnoticed."""
    assert "PYTEST_XDIST_WORKER" not in os.environ or request.node.nodeid.endswith("@portal")


@pytest.mark.parametrize("path", PAGES)
def test_page_is_small_and_keeps_to_itself(alice, path):
    answer = alice.get(path)
    assert answer.status_code == 200
    html = answer.text
    assert len(answer.content) < 100_000
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", html)
    assert not re.findall(r'(?:src|href)="(https?:)?//(?!localhost|127\.0\.0\.1)', html)
    assert re.search(r'<html lang="en"', html)
    assert html.count("<h1") >= 1
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


def test_pages_begin_at_once_also_beside_another_worker(alice):
    """`make bench` holds every page to 0.1 s, alone on the machine and without coverage's tracing."""
    alice.get("/account")
    fastest = min(_seconds(alice, "/account") for _ in range(10))
    assert fastest < 0.3


def _seconds(person, path):
    began = time.perf_counter()
    person.get(path)
    return time.perf_counter() - began


def test_unknown_address_is_a_page_that_says_so(alice):
    page = alice.open("/no/such/page")
    assert page.status == 404
    assert "no page at this address" in page.text


def test_stranger_is_sent_to_the_login_and_comes_back_where_they_wanted(portal, charlie):
    from tests.portal.conftest import Person

    stranger = Person(portal, "Nobody")
    assert "Create an account" in stranger.open("/").text
    page = stranger.open("/usage")
    assert any(form.id == "kc-form-login" for form in page.forms)
    stranger.email = charlie.email
    page = stranger.visitor.submit("kc-form-login", **_credentials(page, charlie.email))
    if any(form.id == "kc-form-login" for form in page.forms):
        page = stranger.visitor.submit("kc-form-login", **_credentials(page, charlie.email))
    assert page.url.endswith("/usage")


def _credentials(page, email):
    from tests.portal.conftest import PASSWORD

    form = next(form for form in page.forms if form.id == "kc-form-login")
    return {name: value for name, value in {"username": email, "password": PASSWORD}.items() if name in form.fields}


def test_static_files_are_kept_for_ever_and_sent_compressed(alice):
    address = re.search(r'href="(/static/[0-9a-f]+/app\.css)"', alice.get("/").text)[1]
    answer = alice.get(address)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert "--accent" in answer.text
    assert alice.get("/static/0000000000/app.css").status_code == 404


def test_form_sent_from_another_site_is_refused(alice):
    sent = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert alice.post("/account", headers=sent, theme="dark").status_code == 403


def test_session_cookie_is_bound_to_the_host_and_out_of_reach_of_scripts(portal):
    from tests.portal.conftest import Person

    header = Person(portal, "Nobody").get("/auth/login").headers["set-cookie"].lower()
    assert header.startswith("__host-session=")
    assert "httponly" in header and "secure" in header and "samesite=lax" in header and "path=/" in header


def test_overview_tells_standing_limits_and_first_steps(alice):
    page = alice.open("/")
    assert re.search(r'data-tenant="t[0-9a-z]{14}"', page.html)
    assert "Standing" in page.text and "Getting started" in page.text and "API calls" in page.text


def test_language_and_appearance_are_the_persons(charlie):
    charlie.open("/account")
    page = charlie.submit("preferences", language="de", theme="dark")
    assert page.language == "de" and 'data-theme="dark"' in page.html
    assert "Übersicht" in charlie.open("/").text
    charlie.open("/account")
    assert charlie.submit("preferences", language="en", theme="").language == "en"


def test_account_renames_the_organization_for_admins(charlie):
    charlie.open("/account")
    assert "2 to 80" in charlie.submit("rename", name="X").text
    charlie.open("/account")
    page = charlie.submit("rename", name="Other House & Sons")
    assert "Other House & Sons" in page.text


def test_status_is_open_to_everybody(portal):
    from tests.portal.conftest import Person

    page = Person(portal, "Nobody").open("/status")
    assert page.status == 200 and "Everything answers" in page.text


def test_sign_out_ends_the_session(portal, charlie):
    from tests.portal.conftest import Person

    again = Person(portal, "Charlie", email=charlie.email)
    again.sign_in()
    assert "Other House" in again.open("/").text
    assert again.post("/auth/logout").status_code == 303
    assert "Create an account" in again.open("/").text or any(form.id == "kc-form-login" for form in again.visitor.page.forms)
