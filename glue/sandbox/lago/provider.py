"""A stand-in for the payment provider ``stripe``: cards, payments and the pages that take them.

A customer linked to it may save a card; from then on new invoices are paid with it, or refused when it is a bad one.
Without a card an invoice waits for its payment page.
"""

from html import escape

from glue.sandbox.lago.payments import set_payment_status, tell_payment_failure
from glue.sandbox.lago.values import iso
from glue.sandbox.lago.world import Row, World

OUTCOMES = ("succeeded", "failed")


def pay(world: World, invoice: Row, outcome: str) -> Row:
    """Settle an open invoice as the provider would: a payment, or a refusal and the invoice marked failed."""
    if outcome not in OUTCOMES:
        raise ValueError(f"unknown outcome {outcome}")
    if invoice["status"] != "finalized" or invoice["payment_status"] == "succeeded":
        raise ValueError("this invoice is not open")
    customer = world.customers.get(invoice["customer_id"]) or {}
    if outcome == "failed":
        world.later(lambda: tell_payment_failure(world, invoice, "card_declined", "Your card was declined."))
    else:
        amount = invoice["total_amount_cents"] - invoice["total_paid_amount_cents"]
        invoice["total_paid_amount_cents"] += amount
        payment = _payment(world, customer, invoice, amount)
        world.later(lambda: world.tell("payment.succeeded", "payment", payment))
    set_payment_status(world, invoice, outcome)
    return {"invoice_id": invoice["id"], "payment_status": invoice["payment_status"]}


def _payment(world: World, customer: Row, invoice: Row, amount: int) -> Row:
    return {
        "lago_id": world.new_id(),
        "lago_customer_id": customer["id"],
        "external_customer_id": customer["external_id"],
        "invoice_ids": [invoice["id"]],
        "invoice_numbers": [invoice["number"]],
        "lago_payable_id": invoice["id"],
        "payable_type": "Invoice",
        "amount_cents": amount,
        "amount_currency": invoice["currency"],
        "status": "succeeded",
        "payment_status": "succeeded",
        "type": "provider",
        "reference": None,
        "payment_provider_code": customer["payment_provider_code"],
        "payment_provider_type": customer["payment_provider"],
        "external_payment_id": f"pi_{world.new_id()[:14]}",
        "provider_payment_id": f"pi_{world.new_id()[:14]}",
        "provider_customer_id": customer["provider_customer_id"],
        "payment_method_id": None,
        "next_action": {},
        "created_at": iso(world.now()),
    }


def charge_card(world: World, invoice: Row) -> None:
    """A new invoice of a customer with a card on file is paid, or refused, by itself."""
    customer = world.customers.get(invoice["customer_id"]) or {}
    methods = customer.get("payment_methods")
    if methods and invoice["total_amount_cents"] > 0:
        world.later(lambda: pay(world, invoice, "failed" if methods[-1]["declines"] else "succeeded"))


def save_card(world: World, customer: Row, *, declines: bool = False) -> None:
    method = {
        "lago_id": world.new_id(),
        "is_default": True,
        "payment_provider_code": customer["payment_provider_code"],
        "payment_provider_name": "Stripe",
        "payment_provider_type": customer["payment_provider"],
        "provider_method_id": f"pm_{world.new_id()[:14]}",
        "created_at": iso(world.now()),
        "declines": declines,
    }
    others = [{**row, "is_default": False} for row in customer.get("payment_methods", [])]
    customer["payment_methods"] = [*others, method]
    world.customers.put(customer["id"], customer)


# Pages.
def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><style>body{font:16px system-ui;max-width:30rem;margin:4rem auto;'
        "padding:0 1rem}button{font:inherit;padding:.6rem 1.2rem;margin-right:.6rem}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )


def _buttons(yes: str) -> str:
    return (
        '<form method="post"><button name="outcome" value="succeeded">'
        f'{escape(yes)}</button><button name="outcome" value="failed">Decline</button></form>'
    )


def checkout_page(world: World, kind: str, row_id: str, outcome: str | None) -> str | None:
    """The page of ``/checkout/invoice/ID`` or ``/checkout/customer/ID``; with an outcome it acts first. None: no such page."""
    if kind == "invoice":
        invoice = world.invoices.get(row_id)
        return _invoice_page(world, invoice, outcome) if invoice else None
    customer = world.customers.get(row_id) if kind == "customer" else None
    if customer is None or not customer["payment_provider"]:
        return None
    if outcome is not None:
        save_card(world, customer, declines=outcome == "failed")
        return _page("Card saved", "<p>You can close this window.</p>")
    return _page("Save a test card", f"<p>{escape(customer['name'] or customer['external_id'])}</p>{_buttons('Save')}")


def _invoice_page(world: World, invoice: Row, outcome: str | None) -> str:
    is_open = invoice["status"] == "finalized" and invoice["payment_status"] != "succeeded"
    if outcome is not None and is_open:
        pay(world, invoice, outcome)
    amount = f"{invoice['total_amount_cents'] / 100:.2f} {escape(invoice['currency'])}"
    status = f"<p>{escape(invoice['number'])}: {amount}, {escape(invoice['payment_status'])}.</p>"
    return _page("Pay with a test card", status + (_buttons("Pay") if is_open and outcome is None else ""))
