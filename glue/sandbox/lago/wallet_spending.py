"""Wallet balances: what they look like, how credits come in and what invoices take out."""

from fractions import Fraction

from glue.sandbox.lago.usage import usage_cents
from glue.sandbox.lago.values import cents, given, iso, iso_ms, number_text
from glue.sandbox.lago.world import ENTITY_CODE, Row, World, pick

METHOD = {"payment_method_id": None, "payment_method_type": "provider"}


def show_wallet(world: World, wallet: Row, *parts: str) -> Row:
    customer = world.customers.get(wallet["customer_id"]) or {}
    rate = given(wallet["rate_amount"])
    shown: Row = {
        "lago_id": wallet["id"],
        "lago_customer_id": customer["id"],
        "external_customer_id": customer["external_id"],
        "billing_entity_code": ENTITY_CODE,
        **pick(wallet, "status currency name code rate_amount"),
        "credits_balance": number_text(Fraction(wallet["balance_cents"], 100) / rate),
        "credits_ongoing_balance": number_text(Fraction(wallet["ongoing_cents"], 100) / rate),
        "credits_ongoing_usage_balance": number_text(Fraction(wallet["ongoing_usage_cents"], 100) / rate),
        "balance_cents": wallet["balance_cents"],
        "ongoing_balance_cents": wallet["ongoing_cents"],
        "ongoing_usage_balance_cents": wallet["ongoing_usage_cents"],
        "consumed_credits": wallet["consumed_credits"],
        "created_at": iso(wallet["created_at"]),
        "expiration_at": iso(wallet["expiration_at"]),
        "last_balance_sync_at": iso(wallet["synced_at"]),
        "last_consumed_credit_at": iso(wallet["consumed_at"]),
        "terminated_at": iso_ms(wallet["terminated_at"]),
        "invoice_requires_successful_payment": False,
        "paid_top_up_min_amount_cents": None,
        "paid_top_up_max_amount_cents": None,
        "priority": wallet["priority"],
        "payment_method": METHOD,
    }
    if "rules" in parts or "all" in parts:
        shown["recurring_transaction_rules"] = []
    if "all" in parts:
        shown |= {"applies_to": {"fee_types": [], "billable_metric_codes": []}, "applied_invoice_custom_sections": []}
    return shown


def show_transaction(world: World, entry: Row, *, with_wallet: bool = False) -> Row:
    wallet = world.wallets.get(entry["wallet_id"]) or {}
    shown: Row = {
        "lago_id": entry["id"],
        "lago_wallet_id": entry["wallet_id"],
        "lago_invoice_id": entry["invoice_id"],
        "lago_credit_note_id": None,
        "lago_voided_invoice_id": None,
        "billing_entity_code": ENTITY_CODE,
        **pick(entry, "status source transaction_status transaction_type"),
        "amount": entry["amount"],
        "credit_amount": entry["credit_amount"],
        "remaining_amount_cents": entry["remaining_cents"],
        "remaining_credit_amount": (
            None
            if entry["remaining_cents"] is None
            else number_text(Fraction(entry["remaining_cents"], 100) / given(wallet["rate_amount"]))
        ),
        "priority": 50,
        "settled_at": iso(entry["settled_at"]),
        "failed_at": iso(entry["failed_at"]),
        "created_at": iso(entry["created_at"]),
        "invoice_requires_successful_payment": False,
        "metadata": entry["metadata"],
        "name": entry["name"],
    }
    if with_wallet:
        shown["wallet"] = show_wallet(world, wallet)
    return {**shown, "payment_method": METHOD}


def tell_transaction(world: World, webhook_type: str, entry: Row) -> None:
    world.tell(webhook_type, "wallet_transaction", show_transaction(world, entry, with_wallet=True))


def new_transaction(world: World, wallet: Row, amount: Fraction, **fields: object) -> Row:
    """A transaction of so many credits, not yet effective: pending and inbound unless said otherwise."""
    entry: Row = {
        "id": world.new_id(),
        "wallet_id": wallet["id"],
        "invoice_id": None,
        "status": "pending",
        "source": "manual",
        "transaction_status": "purchased",
        "transaction_type": "inbound",
        "amount": number_text(amount * given(wallet["rate_amount"])),
        "credit_amount": number_text(amount),
        "remaining_cents": None,
        "settled_at": None,
        "failed_at": None,
        "metadata": [],
        "name": None,
        "created_at": world.now(),
        **fields,
    }
    return world.wallet_transactions.put(entry["id"], entry)


def settle(world: World, wallet: Row, entry: Row) -> None:
    """Credits arrive. The ongoing balance follows a moment later, so ``wallet.updated`` still shows the old one."""
    amount = cents(given(entry["amount"]) * 100)
    entry["status"], entry["settled_at"], entry["remaining_cents"] = "settled", world.now(), amount
    world.wallet_transactions.put(entry["id"], entry)
    wallet["balance_cents"] += amount
    _changed(world, wallet)


def withdraw(world: World, wallet: Row, amount_cents: int, *, status: str, invoice_id: str | None) -> Row:
    """Take credits out, from what was granted before what was bought; answers the outbound transaction."""
    granted = 0
    rest = amount_cents
    entries = [row for row in world.wallet_transactions.by("wallet_id", wallet["id"]) if row["remaining_cents"]]
    for entry in sorted(entries, key=lambda row: row["transaction_status"] != "granted"):
        taken = min(entry["remaining_cents"], rest)
        if taken <= 0:
            break
        entry["remaining_cents"] -= taken
        world.wallet_transactions.put(entry["id"], entry)
        rest -= taken
        granted += taken if entry["transaction_status"] == "granted" else 0
    consumed = Fraction(amount_cents, 100) / given(wallet["rate_amount"])
    wallet["balance_cents"] -= amount_cents
    wallet["consumed_credits"] = number_text(given(wallet["consumed_credits"]) + consumed)
    wallet["consumed_at"] = world.now()
    return new_transaction(
        world,
        wallet,
        consumed,
        status="settled",
        settled_at=world.now(),
        transaction_type="outbound",
        transaction_status=status,
        invoice_id=invoice_id,
        granted_cents=granted,
    )


def _changed(world: World, wallet: Row) -> None:
    wallet["synced_at"] = world.now()
    world.wallets.put(wallet["id"], wallet)
    world.tell("wallet.updated", "wallet", show_wallet(world, wallet, "rules"))


def refresh_ongoing(world: World, customer_id: str) -> None:
    """Balance minus current usage, for all wallets of a customer; only a change of some balance causes it.

    Usage is laid on the wallets in the order they pay, the last one takes what is left. One that has run dry is told
    once.
    """
    rest = usage_cents(world, customer_id)
    wallets = _in_order(world, customer_id)
    for wallet in wallets:
        share = rest if wallet is wallets[-1] else min(rest, max(wallet["balance_cents"], 0))
        rest -= share
        wallet["ongoing_usage_cents"], wallet["ongoing_cents"] = share, wallet["balance_cents"] - share
        is_new = wallet["ongoing_cents"] <= 0 and not wallet["is_depleted"]
        wallet["is_depleted"] = wallet["ongoing_cents"] <= 0
        world.wallets.put(wallet["id"], wallet)
        if is_new:
            world.tell("wallet.depleted_ongoing_balance", "wallet", show_wallet(world, wallet))


def _in_order(world: World, customer_id: str) -> list[Row]:
    wallets = [row for row in world.wallets.by("customer_id", customer_id) if row["status"] == "active"]
    return sorted(wallets, key=lambda row: (row["priority"], row["created_at"]))


def spend_wallets(world: World, customer: Row, invoice: Row, total: int) -> int:
    """Take the rest of an invoice from the customer's wallets, low priority number first; answers how much."""
    spent = 0
    touched = []
    for wallet in _in_order(world, customer["id"]):
        amount = min(wallet["balance_cents"], total - spent)
        if amount <= 0 or wallet["currency"] != invoice["currency"]:
            continue
        entry = withdraw(world, wallet, amount, status="invoiced", invoice_id=invoice["id"])
        invoice["prepaid_granted_cents"] += entry["granted_cents"]
        invoice["prepaid_purchased_cents"] += amount - entry["granted_cents"]
        spent += amount
        touched.append((wallet, entry))
    if touched:
        refresh_ongoing(world, customer["id"])
    for wallet, entry in touched:
        _changed(world, wallet)
        tell_transaction(world, "wallet_transaction.created", entry)
    return spent
