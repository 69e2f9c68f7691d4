"""Steps 5 and 6: a program's usage, and work by agents."""

import re
import time
from decimal import Decimal

import httpx

from glue.cli.story.world import Said, World

LIMIT = 100_000


def program_token(world: World, client_id: str, secret: str) -> str:
    identity = world.settings.keycloak
    answer = httpx.post(
        f"{identity.url}/realms/{identity.realm}/protocol/openid-connect/token",
        data={"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": "organization:*"},
        trust_env=False,
    )
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def program_is_metered(world: World) -> Said:
    """A service account made on a page; check, consume, hold, usage; the limit; the same number in Lago and on the page."""
    alice = world.alice.visitor
    alice.open(f"{world.stack.public_url}/programs")
    page = alice.submit("create", name="Importer")
    client_id = re.search(r'id="client-id">([^<]+)<', page.html)
    secret = re.search(r'id="client-secret">([^<]+)<', page.html)
    world.expect(client_id and secret, f"the page should show the program's id and secret once: {page.status} {page.text[:400]}")
    credentials = (client_id[1].strip(), secret[1].strip()) if client_id and secret else ("", "")
    token = world.eventually(lambda: program_token(world, *credentials), bool, "the program should get a token")
    world.notes["program"] = credentials

    def check() -> dict[str, object]:
        answer = world.http.post("/v1/check", json={"meter": "api_calls", "units": 1}, headers={"Authorization": f"Bearer {token}"})
        return dict(answer.json())

    world.eventually(check, lambda body: body.get("allowed") is True, "the program should be known")
    world.api("POST", "/v1/consume", token=token, json={"meter": "api_calls", "units": 40}, expect=(200, 202))
    hold = world.api(
        "POST", "/v1/holds", token=token, json={"meter": "api_calls", "units": 100, "expires_in_seconds": 600}, expect=(200, 201, 202)
    )
    world.api("POST", f"/v1/holds/{hold['id']}/settle", token=token, json={"units": 60}, expect=(200, 202))
    world.api(
        "POST",
        "/v1/usage",
        token=token,
        json=[{"meter": "api_calls", "units": 25}, {"meter": "agent_tokens", "units": 1200}],
        expect=(200, 202),
    )
    world.api("POST", "/v1/consume", token=token, json={"meter": "api_calls", "units": LIMIT - 125}, expect=(200, 202))
    refused = world.api("POST", "/v1/consume", token=token, json={"meter": "api_calls", "units": 1}, expect=403)
    world.expect(
        (refused["code"], int(refused["limit"]), int(refused["used"]), int(refused["remaining"])) == ("limit_reached", LIMIT, LIMIT, 0)
        and refused["resets_at"],
        f"the refusal should tell limit, used, remaining and reset: {refused}",
    )
    lago = world.eventually(lambda: _units(world, "api_calls"), lambda units: units == LIMIT, "Lago should count every unit", seconds=30)
    shown = alice.open(f"{world.stack.public_url}/usage")
    used = re.search(r'data-meter="api_calls" data-used="([\d.]+)"', shown.html)
    world.expect(used and Decimal(used[1]) == LIMIT, f"the page should show {LIMIT}: {used and used[1]}")
    return world.look(
        f"check, consume, hold, usage; then limit_reached with 0 of {LIMIT} left; page {used[1] if used else ''} = Lago {lago}"
    )


def _units(world: World, meter: str) -> Decimal:
    usage = world.systems.lago.current_usage(world.tenant, world.subscription().external_id)
    return next((charge.units for charge in usage.charges if charge.meter == meter), Decimal(0)) if usage else Decimal(0)


def work_is_dispatched(world: World) -> Said:
    """Ask on the page, read plan and quote, accept, watch, download; the credits are in Lago."""
    alice = world.alice.visitor
    alice.open(f"{world.stack.public_url}/runs/new")
    quote = alice.submit("ask", text="Create a beginner module on embeddings with a quiz")
    world.expect("content generation" in quote.text.lower(), f"the task type should be shown: {quote.status} {quote.text[:400]}")
    cap = re.search(r'data-cap="(\d+)"', quote.html)
    world.expect(cap, f"the quote should be shown: {quote.text[:400]}")
    run = alice.submit("accept")
    began = time.monotonic()
    while 'data-run-state="completed"' not in run.html:
        world.expect(
            time.monotonic() - began < 60 and 'data-run-state="failed"' not in run.html, f"the run should complete: {run.text[:400]}"
        )
        time.sleep(0.3)
        run = alice.open(run.url)
    cost = re.search(r'data-cost="(\d+)"', run.html)
    files = [address for _, address in run.links if "/artifacts/" in address]
    world.expect(len(files) >= 2, f"there should be artifacts: {run.links}")
    module = alice.open(files[0])
    world.expect(
        module.status == 200 and "template" in module.html.lower(), f"the file should say that a template made it: {module.html[:200]}"
    )
    alice.open(run.url)
    spent, ceiling = (int(cost[1]) if cost else -1), int(cap[1]) if cap else 0
    world.expect(0 < spent <= ceiling, f"the run should settle at or below its quote: {spent} of {ceiling}")
    counted = world.eventually(
        lambda: _units(world, "agent_credits"), lambda units: units == spent, f"Lago should count {spent} credits", seconds=30
    )
    return world.look(f"content_generation; cap {ceiling}, settled {spent} credits, Lago counts {counted}; {len(files)} files")
