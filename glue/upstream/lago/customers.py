"""Customers: a tenant as Lago knows it."""

from typing import Any

from glue.errors import UpstreamNotFound
from glue.rules.facts import Address, Customer
from glue.upstream.calling import Page
from glue.upstream.lago.calls import LagoCalls, checked_id
from glue.upstream.reading import text, whole

_SIMPLE = {
    "name": "name",
    "email": "email",
    "currency": "currency",
    "legal_name": "legal_name",
    "tax_id": "tax_identification_number",
    "net_payment_term_days": "net_payment_term",
}


class Customers(LagoCalls):
    def find_customer(self, external_id: str) -> Customer | None:
        path = f"/customers/{checked_id(external_id)}"
        try:
            return self._send("find_customer", "GET", path, lambda answer: parse_customer(answer["customer"]))
        except UpstreamNotFound:
            return None

    def upsert_customer(self, external_id: str, **fields: Any) -> Customer:
        """Create or change: only the given fields of Customer are sent, None or empty clears one.

        ``metadata`` replaces all of it. The currency is fixed after the first invoice (UpstreamConflict).
        """
        body = {"customer": {"external_id": checked_id(external_id), **_customer_body(fields)}}
        return self._send("upsert_customer", "POST", "/customers", lambda answer: parse_customer(answer["customer"]), json=body)

    def list_customers(self, *, page: int = 1, per_page: int = 1000) -> Page[Customer]:
        return self._list("list_customers", "/customers", "customers", parse_customer, params=[("page", page), ("per_page", per_page)])


def _customer_body(fields: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    billing: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _SIMPLE:
            body[_SIMPLE[name]] = None if value == "" else value
        elif name == "address":
            body |= _address_body(value or Address())
        elif name == "metadata":
            body["metadata"] = [{"key": key, "value": item, "display_in_invoice": False} for key, item in (value or {}).items()]
        elif name == "payment_provider":
            billing |= {"payment_provider": value or None, **({"sync_with_provider": True} if value else {})}
        elif name == "payment_provider_code":
            billing["payment_provider_code"] = value or None
        else:
            raise TypeError(f"a customer has no field {name}")
    return body | ({"billing_configuration": billing} if billing else {})


def _address_body(address: Address) -> dict[str, str | None]:
    return {
        "address_line1": address.line1 or None,
        "address_line2": address.line2 or None,
        "zipcode": address.zipcode or None,
        "city": address.city or None,
        "state": address.state or None,
        "country": address.country or None,
    }


def parse_customer(record: Any) -> Customer:
    billing = record.get("billing_configuration") or {}
    term = record.get("net_payment_term")
    return Customer(
        external_id=record["external_id"],
        lago_id=record["lago_id"],
        name=text(record["name"]),
        email=text(record["email"]),
        currency=record["currency"],
        legal_name=text(record["legal_name"]),
        tax_id=text(record["tax_identification_number"]),
        address=Address(
            line1=text(record["address_line1"]),
            line2=text(record["address_line2"]),
            zipcode=text(record["zipcode"]),
            city=text(record["city"]),
            state=text(record["state"]),
            country=text(record["country"]),
        ),
        net_payment_term_days=None if term is None else whole(term),
        payment_provider=text(billing.get("payment_provider")),
        payment_provider_code=text(billing.get("payment_provider_code")),
        metadata={item["key"]: text(item["value"]) for item in record.get("metadata") or []},
    )
