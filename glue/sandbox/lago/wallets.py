"""The calls on wallets and wallet transactions."""

from fractions import Fraction
from typing import Any

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.customers import find_customer, known_customer
from glue.sandbox.lago.errors import broken, invalid, not_found
from glue.sandbox.lago.fees import new_fee
from glue.sandbox.lago.invoice_views import show_invoice
from glue.sandbox.lago.invoicing import make_invoice
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.values import PLAIN_NUMBER, cents, exact, given, instant, number_text, text, whole
from glue.sandbox.lago.wallet_spending import (
    new_transaction,
    refresh_ongoing,
    settle,
    show_transaction,
    show_wallet,
    tell_transaction,
    withdraw,
)
from glue.sandbox.lago.world import Row, World

MAX_ACTIVE, DEFAULT_PRIORITY = 6, 50


def _credits(fields: Row) -> dict[str, Fraction]:
    """Paid, granted and voided amounts: strings of a number that is not negative."""
    read = {}
    for name in ("paid_credits", "granted_credits", "voided_credits"):
        value = fields.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not PLAIN_NUMBER.match(value) or value.startswith("-"):
            raise invalid({name: [f"invalid_{name}", "invalid_amount"]})
        read[name] = given(value)
    return read


def _rate(value: Any) -> str:
    rate = exact(value)
    if rate is None:
        raise invalid({"rate_amount": ["is not a number"]})
    if rate <= 0:
        raise invalid({"rate_amount": ["value_is_out_of_range"]})
    return number_text(rate)


def _expiration(world: World, value: Any) -> int | None:
    if value is None:
        return None
    at = instant(value)
    if at is None or at <= world.now():
        raise invalid({"expiration_at": ["invalid_date"]})
    return at


def create_wallet(world: World, call: Call) -> Answer:
    fields = call.root("wallet")
    customer = find_customer(world, text(fields.get("external_customer_id")))
    if customer is None:
        raise invalid({"customer": ["customer_not_found"]})
    active = [row for row in world.wallets.by("customer_id", customer["id"]) if row["status"] == "active"]
    if len(active) >= MAX_ACTIVE:
        raise invalid({"customer": ["wallet_limit_reached"]})
    amounts = _credits(fields)
    expiration_at = _expiration(world, fields.get("expiration_at"))
    rate = _rate(fields.get("rate_amount"))
    currency = text(fields.get("currency")) or customer["currency"]
    if customer["currency"] not in (None, currency):
        raise invalid({"currency": ["currencies_does_not_match"]})
    if fields.get("recurring_transaction_rules"):
        raise broken()
    name = text(fields.get("name"))
    code = _code(world, customer, text(fields.get("code")), name)
    customer["currency"] = customer["currency"] or currency
    world.customers.put(customer["id"], customer)
    wallet: Row = {
        "id": world.new_id(),
        "customer_id": customer["id"],
        "status": "active",
        "currency": currency,
        "name": name,
        "code": code,
        "rate_amount": rate,
        "balance_cents": 0,
        "ongoing_cents": 0,
        "ongoing_usage_cents": 0,
        "is_depleted": False,
        "consumed_credits": "0.0",
        "created_at": world.now(),
        "expiration_at": expiration_at,
        "synced_at": None,
        "consumed_at": None,
        "terminated_at": None,
        "priority": whole(fields.get("priority")) or DEFAULT_PRIORITY,
    }
    world.wallets.put(wallet["id"], wallet)
    world.later(lambda: world.tell("wallet.created", "wallet", show_wallet(world, wallet, "rules")))
    world.later(lambda: top_up(world, wallet, amounts))
    return {"wallet": show_wallet(world, wallet, "all")}


def _code(world: World, customer: Row, code: str | None, name: str | None) -> str:
    taken = {row["code"] for row in world.wallets.by("customer_id", customer["id"])}
    if code is not None:
        if code in taken:
            raise invalid({"code": ["value_already_exist"]})
        return code
    made = (name or "default").lower().replace(" ", "_")
    if made in taken:
        made = f"{made}_{world.now() // 1000}"
    if made in taken:
        raise invalid({"code": ["value_already_exist"]})
    return made


def top_up(
    world: World, wallet: Row, amounts: dict[str, Fraction], *, name: str | None = None, metadata: list[Row] | None = None
) -> list[Row]:
    """Granted amounts settle at once; paid ones wait for the credit invoice that is made for them."""
    entries = []
    more = {"name": name, "metadata": metadata or []}
    paid, granted = amounts.get("paid_credits"), amounts.get("granted_credits")
    if paid:
        entry = new_transaction(world, wallet, paid, **more)
        entries.append(entry)
        bought = entry
        world.later(lambda: _invoice_credits(world, wallet, bought))
    if granted:
        entry = new_transaction(world, wallet, granted, transaction_status="granted", **more)
        settle(world, wallet, entry)
        entries.append(entry)
    for entry in entries:
        tell_transaction(world, "wallet_transaction.created", entry)
    if granted:
        refresh_ongoing(world, wallet["customer_id"])
    return entries


def _invoice_credits(world: World, wallet: Row, entry: Row) -> None:
    customer = world.customers.get(wallet["customer_id"]) or {}
    name = entry["name"] or "credit"
    fee = new_fee(
        world,
        "credit",
        given(entry["amount"]) * 100,
        item={"code": "credit", "name": name, "id": entry["id"], "type": "WalletTransaction"},
        display_name=name,
        item_description="credit",
        units=entry["credit_amount"],
        unit_amount=wallet["rate_amount"],
    )
    invoice = make_invoice(world, customer, "credit", wallet["currency"], [fee], [])
    entry["invoice_id"] = invoice["id"]
    world.wallet_transactions.put(entry["id"], entry)
    world.tell("invoice.paid_credit_added", "invoice", show_invoice(world, invoice, "one_off_created"))


def settle_paid(world: World, invoice: Row, status: str) -> None:
    """A credit invoice was paid: its amounts arrive."""
    for fee in invoice["fees"]:
        entry = world.wallet_transactions.get(fee["item"]["id"])
        wallet = world.wallets.get(entry["wallet_id"]) if entry else None
        if entry is None or wallet is None or entry["status"] != "pending" or status != "succeeded":
            continue
        settle(world, wallet, entry)
        tell_transaction(world, "wallet_transaction.updated", entry)
        refresh_ongoing(world, wallet["customer_id"])


def create_transactions(world: World, call: Call) -> Answer:
    fields = call.root("wallet_transaction")
    wallet = world.wallets.get(str(fields.get("wallet_id")))
    if wallet is None:
        raise invalid({"wallet_id": ["wallet_not_found"]})
    if wallet["status"] == "terminated":
        raise invalid({"wallet_id": ["wallet_is_terminated"]})
    amounts = _credits(fields)
    voided = amounts.get("voided_credits", Fraction(0))
    amount = cents(voided * given(wallet["rate_amount"]) * 100)
    if amount > wallet["balance_cents"]:
        raise invalid({"voided_credits": ["insufficient_credits"]})
    metadata = [
        {"key": text(entry.get("key")), "value": text(entry.get("value"))}
        for entry in fields.get("metadata") or []
        if isinstance(entry, dict)
    ]
    entries = top_up(world, wallet, amounts, name=text(fields.get("name")), metadata=metadata)
    if amount:
        entry = withdraw(world, wallet, amount, status="voided", invoice_id=None)
        wallet["synced_at"] = world.now()
        world.tell("wallet.updated", "wallet", show_wallet(world, wallet, "rules"))
        tell_transaction(world, "wallet_transaction.created", entry)
        refresh_ongoing(world, wallet["customer_id"])
        entries.append(entry)
    return {"wallet_transactions": [show_transaction(world, entry) for entry in entries]}


def _known(world: World, call: Call) -> Row:
    if "external_id" in call.path:
        customer = known_customer(world, call.path["external_id"])
        rows = world.wallets.by("customer_id", customer["id"])
        wallet = next((row for row in reversed(rows) if row["code"] == call.path["wallet_code"]), None)
    else:
        wallet = world.wallets.get(call.path["id"])
    if wallet is None:
        raise not_found("wallet")
    return wallet


def get_wallet(world: World, call: Call) -> Answer:
    return {"wallet": show_wallet(world, _known(world, call), "all")}


def update_wallet(world: World, call: Call) -> Answer:
    """Recurring rules are dropped without a word."""
    wallet, fields = _known(world, call), call.root("wallet")
    if "expiration_at" in fields:
        wallet["expiration_at"] = _expiration(world, fields["expiration_at"])
    if "name" in fields:
        wallet["name"] = text(fields["name"])
    if whole(fields.get("priority")):
        wallet["priority"] = whole(fields["priority"])
    world.wallets.put(wallet["id"], wallet)
    world.later(lambda: world.tell("wallet.updated", "wallet", show_wallet(world, wallet, "rules")))
    return {"wallet": show_wallet(world, wallet, "all")}


def end_wallet(world: World, wallet: Row) -> None:
    """The balance stays shown and is unusable."""
    wallet["status"], wallet["terminated_at"] = "terminated", world.now()
    world.wallets.put(wallet["id"], wallet)
    world.tell("wallet.terminated", "wallet", show_wallet(world, wallet, "rules"))


def delete_wallet(world: World, call: Call) -> Answer:
    wallet = _known(world, call)
    if wallet["status"] == "active":
        end_wallet(world, wallet)
    return {"wallet": show_wallet(world, wallet, "all")}


def list_wallets(world: World, call: Call) -> Answer:
    rows = list(world.wallets)
    asked = call.asked("external_customer_id") or call.path.get("external_id")
    if asked is not None:
        rows = world.wallets.by("customer_id", known_customer(world, asked)["id"])
    return page_of(call.query, "wallets", rows[::-1], lambda row: show_wallet(world, row, "all"))


def list_transactions(world: World, call: Call) -> Answer:
    rows = world.wallet_transactions.by("wallet_id", _known(world, call)["id"])
    for name in ("status", "transaction_status", "transaction_type"):
        rows = [row for row in rows if call.asked(name) in (None, row[name])]
    return page_of(call.query, "wallet_transactions", rows[::-1], lambda row: show_transaction(world, row))


def get_transaction(world: World, call: Call) -> Answer:
    entry = world.wallet_transactions.get(call.path["id"])
    if entry is None:
        raise not_found("wallet_transaction")
    return {"wallet_transaction": show_transaction(world, entry)}


ROUTES = [
    ("POST", "/wallets", create_wallet),
    ("GET", "/wallets", list_wallets),
    ("GET", "/wallets/{id}", get_wallet),
    ("PUT", "/wallets/{id}", update_wallet),
    ("DELETE", "/wallets/{id}", delete_wallet),
    ("GET", "/wallets/{id}/wallet_transactions", list_transactions),
    ("POST", "/wallet_transactions", create_transactions),
    ("GET", "/wallet_transactions/{id}", get_transaction),
    ("GET", "/customers/{external_id}/wallets", list_wallets),
    ("GET", "/customers/{external_id}/wallets/{wallet_code}", get_wallet),
    ("GET", "/customers/{external_id}/wallets/{wallet_code}/wallet_transactions", list_transactions),
]
