"""What the story is played in: a running stack, its people with their browsers, and eyes on the three systems."""

import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx

from glue.adapters import Adapters, adapters
from glue.ops.stack import Stack
from glue.sandbox.visitor import Visitor, wait_for_mail
from glue.settings import Settings, load

T = TypeVar("T")


class StoryBroken(Exception):
    """A step does not hold; says what was expected and what was found."""


@dataclass
class Someone:
    """A person: a browser, an address, a password."""

    name: str
    visitor: Visitor = field(default_factory=Visitor)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def email(self) -> str:
        return f"{self.name.lower()}@example.com"


@dataclass
class Said:
    """What each system says after a step, in a few words."""

    keycloak: str = "–"
    lago: str = "–"
    keygen: str = "–"
    glue: str = "–"


class World:
    """Everything the steps share and pass on to each other."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.settings: Settings = load(stack.environ)
        self.systems: Adapters = adapters(self.settings)
        self.http = httpx.Client(base_url=stack.public_url, timeout=30, trust_env=False)
        self.alice, self.bob, self.carol = Someone("Alice"), Someone("Bob"), Someone("Carol")
        self.tenant = ""
        self.notes: dict[str, Any] = {}

    @property
    def mail_url(self) -> str:
        return str(self.stack.ready("mail")["url"])

    def mail_to(self, someone: Someone, *, count: int = 1) -> dict[str, Any]:
        return wait_for_mail(self.mail_url, someone.email, count=count)

    # --- time ---------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.systems.clock.now()

    def move(self, *, to: datetime | None = None, days: float = 0) -> None:
        """Move business time; returns when both sandboxes have done everything that was due."""
        target = to or self.now() + timedelta(days=days)
        for name in ("lago", "keygen"):
            answer = httpx.post(
                f"{self.stack.ready(name)['control_url']}/clock", json={"now": target.isoformat()}, timeout=300, trust_env=False
            )
            answer.raise_for_status()

    # --- eyes ---------------------------------------------------------------------------------------------------------

    def eventually(self, look: Callable[[], T], holds: Callable[[T], bool], what: str, *, seconds: float = 20) -> T:
        """Look until it holds. Raises StoryBroken with what was seen last."""
        deadline = time.monotonic() + seconds
        while True:
            seen = look()
            if holds(seen):
                return seen
            if time.monotonic() > deadline:
                raise StoryBroken(f"{what}; seen last: {str(seen)[:300]}")
            time.sleep(0.1)

    def expect(self, condition: object, what: str) -> None:
        if not condition:
            raise StoryBroken(what)

    def api(self, method: str, path: str, *, token: str = "", key: str = "", expect: int | tuple[int, ...] = 200, **arguments: Any) -> Any:
        """One call of our API as a program or a machine makes it. Raises StoryBroken for another status than expected."""
        headers = {"Authorization": f"Bearer {token}" if token else f"License {key}", "Idempotency-Key": secrets.token_hex(8)}
        answer = self.http.request(method, path, headers=headers | arguments.pop("headers", {}), **arguments)
        wanted = (expect,) if isinstance(expect, int) else expect
        if answer.status_code not in wanted:
            raise StoryBroken(f"{method} {path} answered {answer.status_code} instead of {expect}: {answer.text[:400]}")
        return answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else answer.text

    def organization(self) -> Any:
        return self.systems.keycloak.find_organization(self.tenant)

    def subscription(self) -> Any:
        rows = self.systems.lago.subscriptions_of(self.tenant)
        return next((row for row in rows if row.status == "active"), None)

    def license(self) -> Any:
        from glue.rules.names import TenantId, license_id

        generation = self.notes.get("generation", 1)
        return self.systems.keygen.find_license(license_id(TenantId(self.tenant), self.settings.keygen.product_code, generation))

    def look(self, glue: str = "") -> Said:
        """What the three systems say now."""
        organization, subscription, license_ = self.organization(), self.subscription(), self.license()
        members = self.systems.keycloak.list_members(organization.id) if organization else ()
        attributes = (
            {name: values[0] for name, values in organization.attributes.items() if values and name in {"plan", "standing"}}
            if organization
            else {}
        )
        keycloak = f"{organization.name}: {len(members)} members, {attributes}" if organization else "no organization"
        lago = f"{subscription.plan_code}, {subscription.status}" if subscription else "no active subscription"
        if subscription and subscription.next_plan_code:
            lago += f", next {subscription.next_plan_code} on {subscription.downgrade_plan_date}"
        keygen = "no license"
        if license_:
            machines = self.systems.keygen.list_machines(license_.id)
            keygen = f"license {license_.status.lower()}{' (suspended)' if license_.suspended else ''}, {len(machines)} of {license_.max_machines} machines"
        return Said(keycloak, lago, keygen, glue or "–")


def first_number(text: str) -> int:
    """The first number in a text, thousands separators dropped."""
    found = re.search(r"\d[\d,.]*", text)
    return int(re.sub(r"\D", "", found[0])) if found else 0


def as_json(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
