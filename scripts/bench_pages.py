"""First byte of every operator's list with many customers: `python scripts/bench_pages.py [--tenants 10000]`. Needs no server."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.middleware.sessions import SessionMiddleware

from glue import wiring
from glue.ops import schema
from glue.ops.seed import seed
from glue.rules.names import TenantId
from glue.settings import load
from glue.wiring import Services
from portal.pages import operator
from portal.people import Person
from portal.site import Site

ROOT = Path(__file__).parents[1]
GOAL_MS = 150
_NOWHERE = "http://127.0.0.1:9"  # no upstream is asked by a list
_SECRETS = (
    "KEYCLOAK__SERVICE_CLIENT_SECRET", "KEYCLOAK__PORTAL_CLIENT_SECRET", "KEYCLOAK__API_CLIENT_SECRET", "LAGO__API_KEY", "KEYGEN__ADMIN_TOKEN",
)  # fmt: skip
PAGES = (
    "/operator", "/operator?q=kestrel", "/operator?standing=past_due", "/operator?offset={last}", "/operator/drift", "/operator/effects",
    "/operator/deliveries", "/operator/deliveries?source=lago&offset={last}", "/operator/stranded", "/operator/runs", "/operator/tickets",
    "/operator/rollout", "/operator/codes", "/operator/waiting-list", "/operator/cohorts/pilot",
)  # fmt: skip


@dataclass(frozen=True)
class _Operators:
    """Everybody is an operator here: signing in is not what is measured."""

    def get_operator(self, request: Request) -> Person:  # noqa: ARG002
        return Person("olga", "olga@example.test", "Olga", "en", True, TenantId(""), "", frozenset(), ())


def open_services(folder: Path) -> Services:
    """Services on an empty database in ``folder``, with nothing upstream."""
    environ = {f"GLUE_{name}": "x" * 40 for name in _SECRETS} | {
        "GLUE_PUBLIC_URL": "http://localhost:1", "GLUE_SECRET_KEYS": f'["{"k" * 40}"]', "GLUE_DATABASE_URL": f"sqlite:///{folder / 'glue.db'}",
        "GLUE_CONFIG_DIR": str(ROOT), "GLUE_DATA_DIR": str(folder), "GLUE_KEYCLOAK__URL": _NOWHERE, "GLUE_LAGO__URL": _NOWHERE,
        "GLUE_LAGO__WEBHOOK_HMAC_KEYS": f'["{"h" * 40}"]', "GLUE_KEYGEN__URL": _NOWHERE, "GLUE_KEYGEN__HOST": "keygen.test",
        "GLUE_KEYGEN__ACCOUNT_ID": "account", "GLUE_MAIL__HOST": "127.0.0.1",
    }  # fmt: skip
    services = wiring.services(load(environ))
    schema.upgrade(services.database)
    schema.upgrade(services.meter_database, meter=True)
    return services


def client_of(services: Services) -> TestClient:
    """A client of the operator's pages alone."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, secret_key="k" * 40)
    app.include_router(operator.routes(Site(product="Glue", people=_Operators(), known=None), services))  # type: ignore[arg-type]
    return TestClient(app)


def fill(services: Services, tenants: int) -> tuple[int, float]:
    """Seed; answers rows and seconds."""
    began = time.perf_counter()
    plans = {tier.code: tier.plan_for("USD").code for tier in services.tiers}
    rows = seed(services.database, services.meter_database, tenants=tenants, now=services.clock.now(), cohort="pilot", plans=plans)
    return rows, time.perf_counter() - began


def measure(client: TestClient, path: str, *, times: int = 5, clock: Callable[[], float] = time.perf_counter) -> float:
    """Median of the milliseconds until the page is there; the first one, which compiles its template, does not count.

    ``clock`` is the wall's, or ``time.process_time`` for our own work alone, which a busy machine does not lengthen by waiting.
    """
    found = []
    for _ in range(times + 1):
        began = clock()
        answer = client.get(path)
        found.append((clock() - began) * 1000)
        answer.raise_for_status()
    return statistics.median(found[1:])


def close(services: Services) -> None:
    services.close()
    services.meter.stop()
    services.meter_database.close()
    services.database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        services = open_services(Path(folder))
        rows, seconds = fill(services, options.tenants)
        print(f"seed: {options.tenants} customers, {rows} rows in {seconds:.1f} s")
        with client_of(services) as client:
            for page in PAGES:
                path = page.format(last=options.tenants - 50)
                took, work = measure(client, path), measure(client, path, clock=time.process_time)
                print(f"{took:7.1f} ms  {work:7.1f} ms of work  {'ok  ' if took <= GOAL_MS else 'SLOW'}  {page}")
        close(services)


if __name__ == "__main__":
    main()
