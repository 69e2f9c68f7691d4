"""The pages in Chromium: no serious accessibility findings, nothing wider than the screen, nothing the strict headers stop."""

from collections import defaultdict
from pathlib import Path

import pytest

import portal as pages
from portal.rendering import render
from tests.fakes.chromium import ARGUMENTS, PATH
from tests.portal.conftest import BILLING, PASSWORD, Person

TEMPLATES = Path(pages.__file__).parent / "templates" / "pages"
PAGES = (
    "/", "/plan", "/plan/change?tier=free", "/plan/cancel", "/usage", "/runs", "/runs/new", "/invoices", "/payment", "/licenses", "/team", "/programs",
    "/programs/first-call", "/events", "/help", "/privacy", "/account", "/status", "/design", "/nowhere",
)  # fmt: skip
OPERATOR_PAGES = (
    "/operator", "/operator/rollout", "/operator/codes", "/operator/waiting-list", "/operator/cohorts/pilot", "/operator/drift",
    "/operator/effects", "/operator/deliveries", "/operator/stranded", "/operator/runs", "/operator/tickets", "/operator/feedback",
    "/operator/health",
)  # fmt: skip
STRANGER_PAGES = ("/", "/waiting-list", "/auth/login", "/auth/login?screen=register")
LARGEST_PAGE = 100_000  # bytes on the way, everything it asks for and nothing kept from before
WIDTHS = (1920, 768, 380, 320)
WHO = ("customer", "operator", "payer", "stranger", "newcomer")
ONLY_COLORS = {"runOnly": ["color-contrast"]}  # the other scheme differs in nothing else
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.skipif(PATH is None, reason="Chromium is not installed")]


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(chromium, portal, alice):
    yield from _sign_in(chromium, portal, alice)


@pytest.fixture(scope="module")
def operating(chromium, portal, olga, alice, bob):
    """An operator, with something on most of the lists."""
    alice.open("/help")
    alice.submit("ticket", subject="Two seats more", text="How do we get them?", category="question", priority="normal")
    alice.open("/help?about=/plan")
    alice.submit("feedback", rating="4", text="Quite fast")
    yield from _sign_in(chromium, portal, olga)


def _sign_in(chromium, portal, person):
    context = chromium.new_context(locale="en-US", viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.goto(f"{portal.url}/auth/login")
    page.fill("input[name=username]", person.email)
    if not page.locator("input[name=password]").is_visible():
        page.click("[type=submit]")
    page.fill("input[name=password]", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url(f"{portal.url}/**")
    yield page
    context.close()


@pytest.fixture(scope="module")
def looks(chromium, signed_in, operating, portal, alice, bob, paula):
    """Every page looked at once: what is wrong with it, by who looks and how (color scheme, or width of the window)."""
    found, seen = {}, set()

    def record(template, *args, **kwargs):
        seen.add(template)
        return render(template, *args, **kwargs)

    def look(who, page, paths):
        found[who] = _look(page, portal, paths)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("portal.site.render", record)
        look("customer", signed_in, (*PAGES, *_pages_of_work(alice)))
        ticket = next(address for _, address in alice.open("/help").links if address.startswith("/help/tickets/"))
        look("operator", operating, (*OPERATOR_PAGES, f"/operator/tenants/{alice.tenant}", f"/operator{ticket.removeprefix('/help')}"))
        for payer in _sign_in(chromium, portal, paula):
            look("payer", payer, paula.invoices()[:1])
        with chromium.new_context(locale="en-US") as context:
            look("stranger", context.new_page(), STRANGER_PAGES)
        for newcomer in _sign_in(chromium, portal, _newcomer(portal)):
            look("newcomer", newcomer, [f"/welcome/{step}" for step in ("organization", "plan", "billing", "confirm")])
    found["templates"] = seen
    return found


def _pages_of_work(alice):
    """A quote, a run, a ticket, a member to be removed."""
    alice.open("/runs/new?sample=research")
    run = alice.submit("ask") and alice.submit("accept").url
    alice.open("/runs/new?sample=research")
    quote = alice.submit("ask").url
    member = next(address for _, address in alice.open("/team").links if address.startswith("/team/remove"))
    ticket = next(address for _, address in alice.open("/help").links if address.startswith("/help/tickets/"))
    return *(address.removeprefix(alice.portal.url) for address in (quote, run)), member, ticket


def _newcomer(portal):
    person = Person(portal, "Nell")
    person.sign_up()
    person.submit("organization", name="Nell's nook")
    person.submit("plan", tier="pro")
    person.submit("billing", **BILLING)
    return person


def _look(person, portal, paths):
    from axe_playwright_python.sync_playwright import Axe

    found = defaultdict(list)
    with person.context.new_page() as page:
        # Our policy lets no inline script run; the tool's own is brought in past it, as a debugger would.
        debugger = page.context.new_cdp_session(page)
        debugger.send("Page.setBypassCSP", {"enabled": True})
        debugger.send("Network.enable")
        debugger.send("Network.setCacheDisabled", {"cacheDisabled": True})
        asked = []

        def remember(request):
            asked.append(request)

        page.on("requestfinished", remember)
        for path in paths:
            asked.clear()
            page.set_viewport_size({"width": 1280, "height": 860})
            assert page.goto(portal.url + path).status == (404 if path == "/nowhere" else 200), path
            weight = sum(request.sizes()["responseBodySize"] for request in asked if request.url.startswith(portal.url))
            assert weight > 1000 or "/auth/" in path
            if weight > LARGEST_PAGE:
                found["heavy"].append((path, weight))
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no color is caught on its way
                result = Axe().run(page, options=None if scheme == "light" else ONLY_COLORS).response
                assert result["passes"], "it looked at something"
                found[scheme] += [_in_words(path, one) for one in result["violations"] if one["impact"] in {"serious", "critical"}]
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                    found[width].append(path)
    return found


def _in_words(path, violation):
    node = violation["nodes"][0]
    return f"{path}: {violation['id']}: {node['target']} {node.get('failureSummary', '')[:150]}"


def test_every_template_was_looked_at(looks):
    assert looks["templates"] == {file.stem for file in TEMPLATES.glob("*.html")}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_serious_accessibility_findings(looks, who, scheme):
    assert looks[who][scheme] == []


@pytest.mark.parametrize("who", WHO)
def test_no_page_is_heavier_than_its_budget(looks, who):
    assert looks[who]["heavy"] == []


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_the_screen(looks, who, width):
    assert looks[who][width] == []


def test_nothing_asks_another_host_or_breaks_the_policy(signed_in, portal):
    requests, complaints = [], []
    signed_in.on("request", lambda request: requests.append(request.url))
    signed_in.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for path in PAGES:
        signed_in.goto(portal.url + path)
    complaints = [text for text in complaints if "404" not in text]  # of the page that says so
    assert [url for url in requests if not url.startswith((portal.url, "data:"))] == []
    assert complaints == []


def test_run_is_watched_without_loading_the_page_again(signed_in, portal):
    signed_in.set_viewport_size({"width": 1280, "height": 860})
    signed_in.goto(f"{portal.url}/runs/new")
    signed_in.fill("#f-text", "Create an assessment bank of 20 questions with an answer key on data privacy")
    signed_in.click("#ask button")
    signed_in.wait_for_selector("[data-cap]")
    signed_in.click("#accept button")
    signed_in.wait_for_selector('[data-run-state="completed"]', timeout=60_000)
    assert signed_in.locator('a[href*="/artifacts/"]').count() >= 2


def test_menu_works_by_keyboard_on_a_small_screen(signed_in, portal):
    signed_in.set_viewport_size({"width": 380, "height": 800})
    signed_in.goto(portal.url)
    signed_in.keyboard.press("Tab")
    assert signed_in.evaluate("document.activeElement.className") == "skip"
    signed_in.locator(".bar summary").focus()
    signed_in.keyboard.press("Enter")
    assert signed_in.locator(".bar .menu-list a", has_text="Usage").is_visible()
    signed_in.keyboard.press("Escape")
    assert not signed_in.locator(".bar .menu-list a", has_text="Usage").is_visible()
