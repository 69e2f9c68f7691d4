"""Takes every page in both themes and two widths into docs/screenshots: `make screenshots`.

Starts a stack of its own, lets Alice register, become a customer and work a little, then walks through the pages in Chromium.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from glue.cli.story import money_steps, tenant_steps, usage_steps
from glue.cli.story.world import Someone, World
from glue.ops.stack import Stack

TARGET = Path("docs/screenshots")
WIDTHS = (380, 1280)
SCHEMES = ("light", "dark")
PUBLIC = {"landing": "/", "login": "/auth/login", "register": "/auth/login?screen=register", "design": "/design"}
CUSTOMER = {
    "overview": "/", "plan": "/plan", "plan-change": "/plan/change?tier=team", "plan-cancel": "/plan/cancel", "usage": "/usage", "runs": "/runs",
    "run-new": "/runs/new", "invoices": "/invoices", "payment": "/payment", "licenses": "/licenses", "team": "/team", "programs": "/programs",
    "events": "/events", "help": "/help", "privacy": "/privacy", "account": "/account",
}  # fmt: skip
OPERATOR = {
    "operator": "/operator", "operator-drift": "/operator/drift", "operator-effects": "/operator/effects", "operator-deliveries": "/operator/deliveries",
    "operator-stranded": "/operator/stranded", "operator-runs": "/operator/runs", "operator-tickets": "/operator/tickets",
    "operator-health": "/operator/health",
}  # fmt: skip
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
        tenant_steps.apply_files(world)
        tenant_steps.alice_becomes_a_customer(world)
        tenant_steps.bob_joins(world)
        tenant_steps.machines_are_activated(world)
        usage_steps.work_is_dispatched(world)
        olga = money_steps.operator(world)
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        take(browser, world, None, PUBLIC, options.only)
        take(browser, world, world.alice, CUSTOMER, options.only)
        take(browser, world, olga, OPERATOR | {"operator-tenant": f"/operator/tenants/{world.tenant}"}, options.only)
        browser.close()


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
