"""Starts the sandbox: its port, its control port, one line when both answer."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from glue.sandbox.clock import VirtualClock
from glue.sandbox.keygen import accounts, attachments, checkout, lifecycle, policies, products, reading, search, tokens, users, validation  # noqa: F401
from glue.sandbox.keygen.account import HOST, Account
from glue.sandbox.keygen.application import Application
from glue.sandbox.keygen.delivery import Delivery, Transport
from glue.sandbox.keygen.hooks import Broadcaster
from glue.sandbox.keygen.keys import AccountKeys
from glue.sandbox.keygen.schedule import Schedule
from glue.sandbox.keygen.times import from_text, to_text
from glue.sandbox.serving import bind, control_app, serve
from glue.sandbox.store import Store

FAULTS = (None, "down", "lose_webhooks", "answer_503_but_do")
_OVERDUE = timedelta(days=3)
_IDLE = timedelta(days=200)


def run(
    *,
    port: int,
    control_port: int,
    state: Path | None,
    as_json: bool,
    clock_file: Path | None = None,
    now: datetime | None = None,
    trust: Path | None = None,
    resolve: Mapping[str, str] | None = None,
) -> None:
    """Serve until a signal. Webhooks go to https names only; ``trust`` is a PEM of CAs, ``resolve`` maps names to addresses."""
    clock = VirtualClock(clock_file)
    if now is not None:
        clock.set(now)
    keys = AccountKeys(state)
    account = Account(Store(state), clock, keys)
    delivery = Delivery(account, Transport(trust, resolve or {}))
    account.broadcast = Broadcaster(account, delivery)
    schedule = Schedule(account, delivery)
    listener, control_listener = bind(port), bind(control_port)
    ready = {
        "url": f"http://127.0.0.1:{listener.getsockname()[1]}",
        "control_url": f"http://127.0.0.1:{control_listener.getsockname()[1]}",
        "host": HOST,
        "account_id": keys.account_id,
        "admin_email": keys.admin_email,
        "admin_password": keys.admin_password,
    }
    serve(
        Application(account, schedule),
        control_app(clock, move=_mover(account, schedule), reset=_resetter(account, delivery), extra=_extras(account)),
        listener=listener,
        control_listener=control_listener,
        ready=ready,
        as_json=as_json,
        background=schedule.run,
        date_header=False,
    )


def _mover(account: Account, schedule: Schedule) -> Any:
    async def move(instant: datetime | None) -> None:
        if instant is not None:
            account.clock.set(instant)
        await schedule.settle()

    return move


def _resetter(account: Account, delivery: Delivery) -> Any:
    async def reset() -> None:
        await delivery.settle()
        account.reset()

    return reset


def _extras(account: Account) -> dict[str, Any]:
    async def age(body: dict[str, Any]) -> dict[str, Any]:
        """Change what no API offers to change: ``overdue LICENSE``, ``idle LICENSE``, ``retries``, ``retry-now``."""
        word, *rest = [str(arg) for arg in body["args"]]
        if word in {"overdue", "idle"}:
            _age_license(account, rest[0], word)
        elif word == "retries":
            return {"ok": True, "retries": [row["retry_at"] for row in account.by("webhook-events", "status", "FAILING")]}
        elif word == "retry-now":
            for event in account.by("webhook-events", "status", "FAILING"):
                account.save(event, touch=False, retry_at=account.now_text())
        else:
            raise ValueError(f"cannot do {word!r}")
        return {"ok": True}

    async def faults(body: dict[str, Any]) -> dict[str, Any]:
        mode = body.get("mode")
        if mode not in FAULTS:
            raise ValueError(f"mode is one of {', '.join(map(str, FAULTS))}")
        account.fault = mode
        return {"mode": mode}

    return {"/keygen/age": age, "/faults": faults}


def _age_license(account: Account, license_id: str, word: str) -> None:
    row = account.get("licenses", license_id)
    if row is None:
        raise ValueError(f"no license {license_id}")
    if word == "overdue":
        account.save(row, touch=False, lastCheckIn=to_text(account.now() - _OVERDUE))
        return
    for name in ("created", "lastValidated", "lastCheckIn", "lastCheckOut"):
        if row[name] is not None:
            row[name] = to_text(min(from_text(row[name]), account.now() - _IDLE))
    account.save(row, touch=False)
