"""Lago calls that answer without state here: the paid edition's refusals, analytics, and what this sandbox leaves out."""

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.endpoints import create_endpoint
from glue.sandbox.lago.errors import broken, forbidden, not_found, not_in_sandbox
from glue.sandbox.lago.routing import Handler, Route
from glue.sandbox.lago.values import day_of, iso_ms, start_of, text
from glue.sandbox.lago.world import Row, World


def refuse(_: World, __: Call) -> Answer:
    raise forbidden()


def break_down(_: World, __: Call) -> Answer:
    raise broken()


def leave_out(_: World, __: Call) -> Answer:
    raise not_in_sandbox()


def _no(what: str) -> Handler:
    def handler(_: World, __: Call) -> Answer:
        raise not_found(what)

    return handler


def gross_revenue(world: World, _: Call) -> Answer:
    """Finalized invoices by month and currency."""
    sums: dict[tuple[str, str], Row] = {}
    for invoice in world.invoices:
        if invoice["status"] != "finalized":
            continue
        month = iso_ms(start_of(day_of(invoice["created_at"]).replace(day=1))) or ""
        row = sums.setdefault(
            (month, invoice["currency"]),
            {
                "month": month,
                "amount_cents": 0.0,
                "currency": invoice["currency"],
                "invoices_count": 0.0,
                "billing_entity_id": world.organization_id,
            },
        )
        row["amount_cents"] += invoice["total_amount_cents"]
        row["invoices_count"] += 1
    return {"gross_revenues": [sums[key] for key in sorted(sums, reverse=True)]}


def show_organization(world: World) -> Row:
    return {
        "organization": {
            "lago_id": world.organization_id,
            "name": "Probe",
            "slug": f"PRO-{world.organization_id[-4:].upper()}",
            "webhook_url": None,
            "webhook_urls": [row["webhook_url"] for row in world.endpoints],
            "default_currency": "USD",
            "timezone": "UTC",
            "net_payment_term": 0,
            "document_numbering": "per_customer",
        }
    }


def get_organization(world: World, _: Call) -> Answer:
    return show_organization(world)


def update_organization(world: World, call: Call) -> Answer:
    """A webhook_url here makes another endpoint, signed by jwt."""
    url = text(call.root("organization").get("webhook_url"))
    if url:
        create_endpoint(world, Call(body={"webhook_endpoint": {"webhook_url": url}}))
    return show_organization(world)


PAID = """
GET /activity_logs|GET /activity_logs/{id}|GET /api_logs|GET /api_logs/{id}|GET /security_logs
GET /analytics/mrr|GET /analytics/invoiced_usage|GET /analytics/invoice_collection|POST /payment_requests|POST /billing_entities
PUT /subscriptions/{external_id}/charges/{charge_code}|PUT /subscriptions/{external_id}/fixed_charges/{charge_code}
"""
LEFT_OUT = """
GET /billing_entities|GET /billing_entities/{code}|PUT /billing_entities/{code}|GET /analytics/overdue_balance
POST /billable_metrics/evaluate_expression|PUT /credit_notes/{id}|POST /credit_notes/{id}/download|PUT /credit_notes/{id}/void
POST /credit_notes/{id}/metadata|PATCH /credit_notes/{id}/metadata|DELETE /credit_notes/{id}/metadata
DELETE /credit_notes/{id}/metadata/{key}|GET /customers/{external_id}/applied_coupons|GET /customers/{external_id}/credit_notes
GET /customers/{external_id}/payments|GET /customers/{external_id}/payment_requests
POST /customers/{external_id}/wallets|PUT /customers/{external_id}/wallets/{wallet_code}
DELETE /customers/{external_id}/wallets/{wallet_code}|POST /customers/{external_id}/wallets/{wallet_code}/metadata
PATCH /customers/{external_id}/wallets/{wallet_code}/metadata|DELETE /customers/{external_id}/wallets/{wallet_code}/metadata
DELETE /customers/{external_id}/wallets/{wallet_code}/metadata/{key}|GET /customers/{external_id}/wallets/{wallet_code}/alerts
POST /customers/{external_id}/wallets/{wallet_code}/alerts|DELETE /customers/{external_id}/wallets/{wallet_code}/alerts
GET /customers/{external_id}/wallets/{wallet_code}/alerts/{code}|PUT /customers/{external_id}/wallets/{wallet_code}/alerts/{code}
DELETE /customers/{external_id}/wallets/{wallet_code}/alerts/{code}
PUT /customers/{external_id}/payment_methods/{id}/set_as_default|DELETE /customers/{external_id}/payment_methods/{id}
POST /events/estimate_instant_fees|POST /events/batch_estimate_instant_fees|GET /fees/{id}|PUT /fees/{id}|DELETE /fees/{id}
GET /payment_receipts|GET /payment_requests|GET /payment_requests/{id}|GET /payments|GET /payments/{id}|DELETE /plans/{code}/metadata
GET /plans/{code}/charges/{charge_code}/filters|POST /plans/{code}/charges/{charge_code}/filters
GET /plans/{code}/charges/{charge_code}/filters/{id}|PUT /plans/{code}/charges/{charge_code}/filters/{id}
DELETE /plans/{code}/charges/{charge_code}/filters/{id}|GET /plans/{code}/fixed_charges|POST /plans/{code}/fixed_charges
GET /plans/{code}/fixed_charges/{charge_code}|PUT /plans/{code}/fixed_charges/{charge_code}
DELETE /plans/{code}/fixed_charges/{charge_code}|GET /subscriptions/{external_id}/fixed_charges|GET /subscriptions/{external_id}/charges
GET /subscriptions/{external_id}/charges/{charge_code}|GET /subscriptions/{external_id}/charges/{charge_code}/filters
POST /subscriptions/{external_id}/charges/{charge_code}/filters|GET /subscriptions/{external_id}/charges/{charge_code}/filters/{id}
PUT /subscriptions/{external_id}/charges/{charge_code}/filters/{id}|DELETE /subscriptions/{external_id}/charges/{charge_code}/filters/{id}
GET /subscriptions/{external_id}/fixed_charges/{charge_code}|POST /wallets/{id}/metadata|PATCH /wallets/{id}/metadata
DELETE /wallets/{id}/metadata|DELETE /wallets/{id}/metadata/{key}|POST /wallet_transactions/{id}/payment_url
GET /wallet_transactions/{id}/consumptions|GET /wallet_transactions/{id}/fundings
"""


def _routes(listed: str, handler: Handler) -> list[Route]:
    pairs = [entry.split(" ", 1) for line in listed.split("\n") for entry in line.split("|") if entry]
    return [(method, path, handler) for method, path in pairs]


ROUTES: list[Route] = [
    ("GET", "/analytics/usage", break_down),
    ("GET", "/analytics/gross_revenue", gross_revenue),
    ("GET", "/payment_receipts/{id}", _no("invoice")),
    ("GET", "/organizations", get_organization),
    ("PUT", "/organizations", update_organization),
    *_routes(PAID, refuse),
    *_routes(LEFT_OUT, leave_out),
]
