"""API, portal and worker as three processes on one PostgreSQL: a customer notices nothing of it."""

import re
import time
from pathlib import Path

import httpx
import pytest

from glue.ops.processes import Process
from glue.ops.stack import Stack, free_ports
from glue.sandbox.visitor import Visitor, register

BILLING = {"billing_email": "dora@example.com", "line1": "1 Hill Road", "zipcode": "90210", "city": "Portland", "country": "US"}


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.xdist_group("portal")
def test_three_processes_serve_one_customer(tmp_path, postgres_url):
    with Stack(tmp_path, Path(__file__).parents[2]) as stack, Visitor() as dora:
        stack.start(identity="sandbox", serve=False)
        stack.environ["GLUE_DATABASE_URL"] = postgres_url
        api_port, worker_port = free_ports(2)
        ports = {"portal": stack.environ["GLUE_PORT"], "api": str(api_port), "worker": str(worker_port)}
        for role, port in ports.items():
            words = ["serve", "--json", "--role", role]
            stack.processes[role] = Process(
                role, words, log=tmp_path / f"{role}.log", environ=stack._environ() | {"GLUE_PORT": port}, cwd=stack.project
            )
        for role in ports:
            stack.processes[role].wait_ready(60)
        api = f"http://localhost:{api_port}"

        register(
            dora, f"{stack.public_url}/auth/login?screen=register", email="dora@example.com", password="a long password of hers 1",
            first_name="Dora", last_name="Doyle", mail_url=stack.ready("mail")["url"],
        )  # fmt: skip
        dora.submit("organization", name="Dora's Desk")
        dora.submit("plan", tier="pro")
        dora.submit("billing", **BILLING)
        page = dora.submit("confirm")
        assert "Dora's Desk" in page.text, "the worker made the tenant while the portal waited"
        dora.open(f"{stack.public_url}/programs")
        page = dora.submit("create", name="Importer")
        client_id, secret = (re.search(rf'id="client-{name}">([^<]+)<', page.html)[1] for name in ("id", "secret"))

        ask = _program(stack, api, client_id, secret)
        answer = _until(lambda: ask("POST", "/v1/consume", json={"meter": "api_calls", "units": 7}, key="c1"), lambda it: it.is_success)
        assert answer.json()["allowed"] is True
        answer = ask(
            "POST", "/v1/dispatch", json={"text": "Create a beginner module on embeddings with a quiz", "accept_up_to": 500}, key="d1"
        )
        assert answer.status_code == 201, answer.text
        run = answer.json()["run"]["id"]
        done = _until(lambda: ask("GET", f"/v1/runs/{run}"), lambda it: it.json()["state"] == "completed")
        assert done.json()["state"] == "completed", "the worker carries out what the API took in"
        assert "7 of 100,000" in dora.open(f"{stack.public_url}/usage").text
        assert httpx.get(f"{api}/v1/nothing", trust_env=False).status_code == 404
        assert httpx.get(f"http://localhost:{worker_port}/v1/check", trust_env=False).status_code == 404


def _program(stack, api, client_id, secret):
    identity = stack.ready("keycloak")
    token = httpx.post(
        f"{identity['url']}/realms/{identity['realm']}/protocol/openid-connect/token",
        data={"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": "organization:*"},
        trust_env=False,
    ).json()["access_token"]

    def ask(method, path, *, key="", **more):
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        return httpx.request(method, api + path, headers=headers, trust_env=False, timeout=20, **more)

    return ask


def _until(look, good, seconds=20):
    deadline = time.monotonic() + seconds
    while not good(answer := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer
