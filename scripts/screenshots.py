"""Takes every page in both themes and two widths into docs/screenshots: `make screenshots`.

Starts a stack of its own, lets Alice register, become a customer and work a little, then walks through the pages in Chromium.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from glue.cli.story import money_steps, tenant_steps, usage_steps
from glue.cli.story.tenant_steps import FIELDS
from glue.cli.story.world import Someone, World
from glue.ops.stack import Stack
from glue.sandbox.visitor import register

TARGET = Path("docs/screenshots")
WIDTHS = (380, 1280)
SCHEMES = ("light", "dark")
PUBLIC = {
    "landing": "/",
    "login": "/auth/login",
    "register": "/auth/login?screen=register",
    "status": "/status",
    "waiting-list": "/waiting-list",
    "design": "/design",
}
NEWCOMER = {f"welcome-{step}": f"/welcome/{step}" for step in ("organization", "plan", "billing", "confirm")}
CUSTOMER = {
    "overview": "/", "plan": "/plan", "plan-change": "/plan/change?tier=team", "plan-cancel": "/plan/cancel", "usage": "/usage", "runs": "/runs",
    "run-new": "/runs/new", "invoices": "/invoices", "payment": "/payment", "licenses": "/licenses", "team": "/team", "programs": "/programs",
    "first-call": "/programs/first-call", "events": "/events", "help": "/help", "privacy": "/privacy", "account": "/account",
}  # fmt: skip
OPERATOR = {
    "operator": "/operator", "operator-effects": "/operator/effects", "operator-deliveries": "/operator/deliveries",
    "operator-stranded": "/operator/stranded", "operator-runs": "/operator/runs", "operator-tickets": "/operator/tickets",
    "operator-health": "/operator/health", "operator-rollout": "/operator/rollout", "operator-codes": "/operator/codes",
    "operator-waiting": "/operator/waiting-list", "operator-feedback": "/operator/feedback", "operator-cohort": "/operator/cohorts/pilot",
}  # fmt: skip
DRIFT = {"operator-drift": "/operator/drift"}
SILENT = {"silent-overview": "/", "silent-plan": "/plan", "silent-plan-change": "/plan/change?tier=free", "silent-invoices": "/invoices"}
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-sandbox",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identity", default="auto")
    parser.add_argument("only", nargs="*", help="names of pages; all by default")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is needed: apt-get install chromium")
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), Path.cwd(), report=print) as stack, sync_playwright() as playwright:
        stack.start(identity=options.identity, serve=False, apply=False)
        world = World(stack)
        for play in (
            tenant_steps.apply_files, tenant_steps.alice_becomes_a_customer, tenant_steps.bob_joins, tenant_steps.machines_are_activated,
            usage_steps.program_is_metered, usage_steps.work_is_dispatched, money_steps.plans_change, money_steps.invoice_is_late,
            money_steps.drift_is_found,
        ):  # fmt: skip
            play(world)
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        decision_waits(world)
        take(browser, world, world.notes["operator"], DRIFT, options.only)
        world.systems.keygen.update_license(world.license().id, suspended=False)
        customer = CUSTOMER | a_month_at_work(world)
        olga, nora = world.notes["operator"], newcomer(world)
        operator = OPERATOR | {
            "operator-tenant": f"/operator/tenants/{world.tenant}",
            "operator-ticket": f"/operator{customer['ticket'].removeprefix('/help')}",
        }
        take(browser, world, None, PUBLIC, options.only)
        take(browser, world, nora, NEWCOMER, options.only)
        take(browser, world, world.alice, customer, options.only)
        take(browser, world, olga, operator, options.only)
        take(browser, world, world.alice, {"problem": "/nowhere"}, options.only)
        lago = stack.processes["lago"].pid
        os.kill(lago, signal.SIGSTOP)
        take(browser, world, world.alice, SILENT, options.only)
        os.kill(lago, signal.SIGCONT)
        browser.close()


def decision_waits(world: World) -> None:
    """Somebody suspends the license by hand, and it is found."""
    world.systems.keygen.update_license(world.license().id, suspended=True)
    visitor, address = world.notes["operator"].visitor, f"{world.stack.public_url}/operator/drift"
    world.eventually(
        lambda: visitor.open(address).html, lambda seen: "license.suspended" in seen and "Restore" in seen, "it should need a decision"
    )


def a_month_at_work(world: World) -> dict[str, str]:
    """Usage by day, a ticket, a second piece of work that waits to be accepted. Returns the pages that have come to be."""
    alice, url = world.alice.visitor, world.stack.public_url
    for calls in (4200, 6100, 5200, 900, 700, 7800, 8100):
        # After a day's leap what the customer bought is confirmed anew first.
        world.stack.run("tenants", "converge", world.tenant)
        token = world.eventually(lambda: usage_steps.program_token(world, *world.notes["program"]), bool, "the program should get a token")
        body, headers = {"meter": "api_calls", "units": 1}, {"Authorization": f"Bearer {token}"}
        world.eventually(
            lambda body=body, headers=headers: world.http.post("/v1/check", json=body, headers=headers).json().get("allowed"),
            bool,
            "the customer should be confirmed",
            seconds=60,
        )
        world.api("POST", "/v1/consume", token=token, json={"meter": "api_calls", "units": calls}, expect=(200, 202))
        world.move(days=1)
    alice.open(f"{url}/help")
    alice.submit("feedback", rating="4", text="The quiz was good, the syllabus a bit short.")
    alice.open(f"{url}/help")
    ticket = alice.submit("ticket", subject="Which machine is desk-2?", text="We see two machines. Where do we see who uses them?").url
    run = next(address for _, address in alice.open(f"{url}/runs").links if address.startswith("/runs/") and len(address) > 20)
    alice.open(f"{url}/runs/new?sample=curriculum")
    quote = alice.submit("ask").url
    invoice = next(address for _, address in alice.open(f"{url}/invoices").links if re.fullmatch(r"/invoices/[0-9a-f-]{36}", address))
    member = next(address for _, address in alice.open(f"{url}/team").links if address.startswith("/team/remove"))
    return {"run": run, "quote": quote.removeprefix(url), "invoice": invoice, "ticket": ticket.removeprefix(url), "team-remove": member}


def newcomer(world: World) -> Someone:
    """Somebody who has filled in all but the last page of the welcome."""
    nora, url = Someone("Nora"), world.stack.public_url
    register(
        nora.visitor, f"{url}/auth/login?screen=register", email=nora.email, password=nora.password, first_name="Nora", last_name="Nilsen",
        mail_url=world.mail_url,
    )  # fmt: skip
    nora.visitor.submit("organization", name="North School")
    nora.visitor.submit("plan", tier="pro")
    nora.visitor.submit("billing", **FIELDS)
    return nora


def take(browser: Browser, world: World, someone: Someone | None, pages: dict[str, str], only: list[str]) -> None:
    """One picture per page, theme and width."""
    wanted = {name: path for name, path in pages.items() if not only or name in only}
    for scheme in SCHEMES if wanted else ():
        context = browser.new_context(color_scheme=scheme, locale="en-US")
        page = context.new_page()
        if someone is not None:
            log_in(page, world, someone)
        for name, path in wanted.items():
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 860})
                page.goto(world.stack.public_url + path, wait_until="load")
                page.screenshot(path=TARGET / f"{name}-{scheme}-{width}.png", full_page=True)
        context.close()


def log_in(page: Page, world: World, someone: Someone) -> None:
    page.goto(f"{world.stack.public_url}/auth/login")
    page.fill("input[name=username]", someone.email)
    page.press("input[name=username]", "Enter")
    page.fill("input[name=password]", someone.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{world.stack.public_url}/**")


if __name__ == "__main__":
    main()
