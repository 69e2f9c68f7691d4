"""Customers: upsert by external id, lists, deletion."""

import base64
import hashlib
import json
import re
from typing import Any

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.currencies import COUNTRIES, CURRENCIES
from glue.sandbox.lago.errors import Refusal, broken, invalid, not_found
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.taxes import find_by_codes, shown_taxes
from glue.sandbox.lago.values import iso, iso_ms, text, whole
from glue.sandbox.lago.world import ENTITY_CODE, Row, World

_TEXTS = """
name firstname lastname country address_line1 address_line2 state zipcode email city url phone logo_url legal_name
legal_number currency tax_identification_number external_salesforce_id customer_type
"""
TEXTS = _TEXTS.split()
ADDRESS = ("address_line1", "address_line2", "city", "zipcode", "state", "country")
MAX_NAME, MAX_METADATA, MAX_METADATA_KEY, MAX_METADATA_VALUE = 255, 5, 20, 255
PORTAL_HOURS = 12
EMAIL = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+\Z")


def show_customer(world: World, customer: Row, *parts: str) -> Row:
    """A customer as embedded elsewhere; ``parts`` adds what its own answers show besides."""
    shown = {
        "lago_id": customer["id"],
        "billing_entity_code": ENTITY_CODE,
        "external_id": customer["external_id"],
        "account_type": "customer",
        **{name: customer[name] for name in TEXTS},
        "sequential_id": customer["sequential_id"],
        "slug": customer["slug"],
        "created_at": iso(customer["created_at"]),
        "updated_at": iso(customer["updated_at"]),
        "timezone": None,  # the open-source edition drops it
        "applicable_timezone": "UTC",
        "net_payment_term": customer["net_payment_term"],
        "finalize_zero_amount_invoice": customer["finalize_zero_amount_invoice"],
        "billing_configuration": {
            "invoice_grace_period": None,
            "payment_provider": customer["payment_provider"],
            "payment_provider_code": customer["payment_provider_code"],
            "document_locale": customer["document_locale"],
            "subscription_invoice_issuing_date_anchor": None,
            "subscription_invoice_issuing_date_adjustment": None,
            **({"provider_customer_id": customer["provider_customer_id"]} if customer["payment_provider"] else {}),
        },
        "shipping_address": customer["shipping_address"],
        "skip_invoice_custom_sections": False,
        "metadata": [{**entry, "created_at": iso(entry["created_at"])} for entry in customer["metadata"]],
    }
    if "taxes" in parts:
        shown["taxes"] = shown_taxes(world, customer["tax_ids"])
    if "integrations" in parts:
        shown["integration_customers"] = []
    if "all" in parts:
        shown |= {"applicable_invoice_custom_sections": [], "error_details": []}
    return shown


def shown_fully(world: World, customer: Row) -> Row:
    return show_customer(world, customer, "taxes", "integrations", "all")


def find_customer(world: World, external_id: str | None) -> Row | None:
    return next((row for row in reversed(world.customers.by("external_id", external_id)) if not row["deleted_at"]), None)


def known_customer(world: World, external_id: str | None) -> Row:
    """The customer, or 404."""
    customer = find_customer(world, external_id)
    if customer is None:
        raise not_found("customer")
    return customer


def new_customer(world: World, external_id: str) -> Row:
    number = world.count("customers")
    prefix = f"PRO-{world.organization_id[-4:].upper()}"
    customer: Row = {
        "id": world.new_id(),
        "external_id": external_id,
        "sequential_id": number,
        "slug": f"{prefix}-{number:03d}",
        "created_at": world.now(),
        "updated_at": world.now(),
        **dict.fromkeys(TEXTS),
        **dict.fromkeys(("net_payment_term", "payment_provider", "payment_provider_code", "provider_customer_id")),
        "finalize_zero_amount_invoice": "inherit",
        "document_locale": None,
        "shipping_address": dict.fromkeys(ADDRESS),
        "metadata": [],
        "tax_ids": [],
        "deleted_at": None,
    }
    return world.customers.put(customer["id"], customer)


def _check(fields: Row) -> None:
    problems: dict[str, list[str]] = {}
    currency, country = text(fields.get("currency")), text(fields.get("country"))
    if currency and currency not in CURRENCIES:
        problems["currency"] = ["value_is_invalid"]
    if country and country.upper() not in COUNTRIES:
        problems["country"] = ["not_a_valid_country_code"]
    email = text(fields.get("email"))
    if email and not all(EMAIL.match(part.strip()) for part in email.split(",")):
        problems["email"] = ["invalid_email_format"]
    if len(text(fields.get("name")) or "") > MAX_NAME:
        problems["name"] = ["value_is_too_long"]
    term = whole(fields.get("net_payment_term"))
    if term is not None and term < 0:
        problems["net_payment_term"] = ["value_is_out_of_range"]
    if fields.get("customer_type") not in (None, "company", "individual"):
        problems["customer_type"] = ["value_is_invalid"]
    if problems:
        raise invalid(problems)


def _metadata(world: World, customer: Row | None, entries: Any) -> list[Row]:
    """The full new set: entries with the id of a present one keep it, all others get a new one."""
    if not isinstance(entries, list):
        return []
    if len(entries) > MAX_METADATA:
        raise invalid({"metadata": ["invalid_count"]})
    present = {entry["lago_id"]: entry for entry in customer["metadata"]} if customer else {}
    kept = []
    for entry in (entry for entry in entries if isinstance(entry, dict)):
        key, value = text(entry.get("key")) or "", text(entry.get("value")) or ""
        problems = {}
        if len(key) > MAX_METADATA_KEY:
            problems["key"] = ["value_is_too_long"]
        if len(value) > MAX_METADATA_VALUE:
            problems["value"] = ["value_is_too_long"]
        if problems:
            raise invalid(problems)
        old = present.get(entry.get("id") or entry.get("lago_id"))
        kept.append(
            {
                "lago_id": old["lago_id"] if old else world.new_id(),
                "key": key,
                "value": value,
                "display_in_invoice": entry.get("display_in_invoice") is True,
                "created_at": old["created_at"] if old else world.now(),
            }
        )
    return kept


def has_invoice_currency(world: World, customer: Row) -> bool:
    """Whether the currency is fixed: by an invoice, a subscription, a coupon or a wallet."""
    bound = (world.invoices, world.subscriptions, world.applied_coupons, world.wallets)
    return any(table.by("customer_id", customer["id"]) for table in bound)


def _provider(world: World, configuration: Any) -> Row:
    if not isinstance(configuration, dict):
        return {}
    changes: Row = {}
    if "document_locale" in configuration:
        changes["document_locale"] = text(configuration["document_locale"])
    if configuration.get("payment_provider"):
        code = text(configuration.get("payment_provider_code"))
        if code is not None and code not in world.setting("payment_providers", lambda: ["stripe"]):
            raise invalid({"base": ["payment_provider_not_found"]})
        changes["payment_provider"] = text(configuration["payment_provider"])
        changes["payment_provider_code"] = code
        given = text(configuration.get("provider_customer_id"))
        changes["provider_customer_id"] = given or f"cus_{hashlib.sha256(world.new_id().encode()).hexdigest()[:14]}"
    return changes


def upsert_customer(world: World, call: Call) -> Answer:
    fields = call.root("customer")
    raw_id = fields.get("external_id")
    if isinstance(raw_id, str) and "\0" in raw_id:
        raise broken()
    external_id = text(raw_id) or ""
    if not external_id.strip():
        raise invalid({"external_id": ["value_is_mandatory"]})
    customer = find_customer(world, external_id)
    _check(fields)
    currency = text(fields.get("currency"))
    if customer and currency and customer["currency"] not in (None, currency) and has_invoice_currency(world, customer):
        raise invalid({"currency": ["currencies_does_not_match"]})
    metadata = _metadata(world, customer, fields["metadata"]) if "metadata" in fields else None
    tax_ids = find_by_codes(world, fields["tax_codes"]) if "tax_codes" in fields else None
    is_new = customer is None
    if customer is None:
        customer = new_customer(world, external_id)
    provider = _provider(world, fields.get("billing_configuration"))  # refused too late: the customer is there by now
    before = json.dumps(customer, sort_keys=True)
    for name in TEXTS:
        if name in fields and (fields[name] is None or text(fields[name]) is not None):
            customer[name] = text(fields[name])
    if "net_payment_term" in fields:
        customer["net_payment_term"] = whole(fields["net_payment_term"])
    if fields.get("finalize_zero_amount_invoice") in ("inherit", "skip", "finalize"):
        customer["finalize_zero_amount_invoice"] = fields["finalize_zero_amount_invoice"]
    if isinstance(fields.get("shipping_address"), dict):
        customer["shipping_address"] |= {name: text(fields["shipping_address"].get(name)) for name in ADDRESS}
    customer |= provider
    if tax_ids is not None:
        customer["tax_ids"] = tax_ids
    if json.dumps(customer, sort_keys=True) != before:
        customer["updated_at"] = world.now()
    if metadata is not None:
        customer["metadata"] = metadata
    world.customers.put(customer["id"], customer)
    row = customer
    world.later(
        lambda: world.tell("customer.created" if is_new else "customer.updated", "customer", show_customer(world, row, "integrations"))
    )
    if provider.get("payment_provider"):
        world.later(lambda: _tell_provider(world, row))
    return {"customer": shown_fully(world, customer)}


def _tell_provider(world: World, customer: Row) -> None:
    world.tell("customer.payment_provider_created", "customer", show_customer(world, customer, "integrations"))
    world.tell("customer.checkout_url_generated", "payment_provider_customer_checkout_url", _checkout(world, customer))


def _checkout(world: World, customer: Row) -> Row:
    return {
        "lago_customer_id": customer["id"],
        "external_customer_id": customer["external_id"],
        "payment_provider": customer["payment_provider"],
        "payment_provider_code": customer["payment_provider_code"],
        "checkout_url": f"{world.front_url}/checkout/customer/{customer['id']}",
    }


def get_customer(world: World, call: Call) -> Answer:
    return {"customer": shown_fully(world, known_customer(world, call.path["external_id"]))}


def list_customers(world: World, call: Call) -> Answer:
    rows = [row for row in world.customers if not row["deleted_at"]][::-1]
    term = (call.asked("search_term") or "").replace("\0", "").lower()
    if term:
        searched = ("external_id", "name", "firstname", "lastname", "legal_name", "email")
        rows = [row for row in rows if any(term in (row[name] or "").lower() for name in searched)]
    return page_of(call.query, "customers", rows, lambda row: show_customer(world, row, "taxes", "integrations"))


def portal_url(world: World, call: Call) -> Answer:
    customer = known_customer(world, call.path["external_id"])
    claims = {"_rails": {"data": customer["id"], "exp": iso_ms(world.now() + PORTAL_HOURS * 3_600_000)}}
    signed = base64.b64encode(json.dumps(claims).encode()).decode()
    digest = hashlib.sha1(signed.encode()).hexdigest()
    return {"customer": {"portal_url": f"{world.front_url}/customer-portal/{signed}--{digest}"}}


def checkout_url(world: World, call: Call) -> Answer:
    customer = known_customer(world, call.path["external_id"])
    if not customer["payment_provider"]:
        raise invalid({"base": ["no_linked_payment_provider"]})
    return {"customer": _checkout(world, customer)}


def list_payment_methods(world: World, call: Call) -> Answer:
    customer = known_customer(world, call.path["external_id"])
    return page_of(call.query, "payment_methods", customer.get("payment_methods", []), _show_method)


def _show_method(method: Row) -> Row:
    return {name: value for name, value in method.items() if name != "declines"}


def refuse_projected_usage(_: World, __: Call) -> Answer:
    raise Refusal(403, {"status": 403, "error": "Forbidden", "code": "projected_usage_not_enabled"})


ROUTES = [
    ("POST", "/customers", upsert_customer),
    ("GET", "/customers", list_customers),
    ("GET", "/customers/{external_id}", get_customer),
    ("GET", "/customers/{external_id}/portal_url", portal_url),
    ("POST", "/customers/{external_id}/checkout_url", checkout_url),
    ("GET", "/customers/{external_id}/payment_methods", list_payment_methods),
    ("GET", "/customers/{external_id}/projected_usage", refuse_projected_usage),
]
