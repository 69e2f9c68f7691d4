"""Webhook endpoints, and the keys their signatures are checked with."""

import base64
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.errors import broken, invalid, not_found
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.values import iso, text
from glue.sandbox.lago.world import Row, World, pick

MAX_ENDPOINTS = 10
EVENT_TYPES = frozenset(
    f"{prefix}.{name}"
    for prefix, names in {
        "subscription": "started updated terminated canceled incomplete trial_ended termination_alert usage_threshold_reached",
        "invoice": "created one_off_created paid_credit_added generated drafted ready_to_finalize voided deleted resynced"
        " payment_status_updated payment_overdue payment_failure payment_dispute_lost add_on_added",
        "customer": "created updated vies_check payment_provider_created payment_provider_error checkout_url_generated"
        " accounting_provider_created accounting_provider_error crm_provider_created crm_provider_error tax_provider_error",
        "wallet": "created updated terminated depleted_ongoing_balance",
        "wallet_transaction": "created updated payment_failure",
        "plan": "created updated deleted",
        "feature": "created updated deleted",
        "billable_metric": "created updated deleted",
        "payment": "succeeded requires_action",
        "payment_request": "created payment_failure payment_status_updated",
        "payment_receipt": "created generated",
        "fee": "created tax_provider_error",
        "credit_note": "created generated provider_refund_failure",
        "events": "errors",
        "event": "error",
        "payment_provider": "error",
        "integration": "provider_error",
        "alert": "triggered",
        "dunning_campaign": "finished",
    }.items()
    for name in names.split()
)


def show_endpoint(world: World, endpoint: Row) -> Row:
    return {
        "lago_id": endpoint["id"],
        "lago_organization_id": world.organization_id,
        **pick(endpoint, "webhook_url signature_algo name event_types"),
        "created_at": iso(endpoint["created_at"]),
    }


def _event_types(sent: Any) -> list[str] | None:
    """Null and ["*"] take everything, an empty list takes nothing."""
    if sent is None or sent == ["*"]:
        return None
    types = [text(entry) or "" for entry in sent] if isinstance(sent, list) else []
    unknown = [name for name in types if name not in EVENT_TYPES]
    if unknown:
        listed = ", ".join(f'"{name}"' for name in unknown)
        raise invalid({"event_types": [f"contains invalid types: [{listed}]"]})
    return types


def _url_problems(world: World, url: str | None, own_id: str | None) -> list[str]:
    problems = [] if url else ["value_is_mandatory"]
    parts = urlsplit(url or "")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        problems.append("url_is_invalid")
    elif any(row["id"] != own_id for row in world.endpoints.by("webhook_url", url)):
        problems.append("value_already_exist")
    return problems


def _algorithm(sent: Any) -> str:
    if sent not in (None, "hmac", "jwt"):
        raise broken()
    return str(sent or "jwt")


def create_endpoint(world: World, call: Call) -> Answer:
    fields = call.root("webhook_endpoint")
    algorithm = _algorithm(fields.get("signature_algo"))
    url = text(fields.get("webhook_url"))
    problems = _url_problems(world, url, None)
    if problems:
        raise invalid({"webhook_url": problems})
    types = _event_types(fields.get("event_types"))
    if len(world.endpoints) >= MAX_ENDPOINTS:
        raise invalid({"base": ["Maximum number of webhook endpoints was reached"]})
    return {"webhook_endpoint": show_endpoint(world, _store(world, str(url), algorithm, text(fields.get("name")), types))}


def _store(world: World, url: str, algorithm: str, name: str | None, types: list[str] | None) -> Row:
    endpoint: Row = {
        "id": world.new_id(),
        "webhook_url": url,
        "signature_algo": algorithm,
        "name": name,
        "event_types": types,
        "created_at": world.now(),
    }
    return world.endpoints.put(endpoint["id"], endpoint)


def _known(world: World, call: Call) -> Row:
    endpoint = world.endpoints.get(call.path["id"])
    if endpoint is None:
        raise not_found("webhook_endpoint")
    return endpoint


def update_endpoint(world: World, call: Call) -> Answer:
    endpoint, fields = _known(world, call), call.root("webhook_endpoint")
    changes: Row = {}
    if "webhook_url" in fields:
        changes["webhook_url"] = text(fields["webhook_url"])
        problems = _url_problems(world, changes["webhook_url"], endpoint["id"])
        if problems:
            raise invalid({"webhook_url": problems})
    if fields.get("signature_algo") is not None:
        changes["signature_algo"] = _algorithm(fields["signature_algo"])
    if "name" in fields:
        changes["name"] = text(fields["name"])
    if "event_types" in fields:
        changes["event_types"] = _event_types(fields["event_types"])
    endpoint |= changes
    world.endpoints.put(endpoint["id"], endpoint)
    return {"webhook_endpoint": show_endpoint(world, endpoint)}


def get_endpoint(world: World, call: Call) -> Answer:
    return {"webhook_endpoint": show_endpoint(world, _known(world, call))}


def list_endpoints(world: World, call: Call) -> Answer:
    rows = sorted(world.endpoints, key=lambda row: str(row["webhook_url"]))
    return page_of(call.query, "webhook_endpoints", rows, lambda row: show_endpoint(world, row))


def delete_endpoint(world: World, call: Call) -> Answer:
    endpoint = _known(world, call)
    world.endpoints.remove(endpoint["id"])
    return {"webhook_endpoint": show_endpoint(world, endpoint)}


# Keys.
def _new_private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


def private_key(world: World) -> rsa.RSAPrivateKey:
    pem = world.setting("rsa_private_key", _new_private_key)
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def shown_public_key(world: World) -> str:
    """Base64 of the PEM, with line breaks in it."""
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.encodebytes(private_key(world).public_key().public_bytes(*form)).decode()


def json_public_key(world: World, _: Call) -> Answer:
    return {"webhook": {"public_key": _sixty(shown_public_key(world))}}


def _sixty(text_76: str) -> str:
    """Ruby breaks base64 after 60 characters, Python after 76."""
    flat = text_76.replace("\n", "")
    return "".join(flat[start : start + 60] + "\n" for start in range(0, len(flat), 60))


def plain_public_key(world: World) -> str:
    return _sixty(shown_public_key(world))


ROUTES = [
    ("POST", "/webhook_endpoints", create_endpoint),
    ("GET", "/webhook_endpoints", list_endpoints),
    ("GET", "/webhook_endpoints/{id}", get_endpoint),
    ("PUT", "/webhook_endpoints/{id}", update_endpoint),
    ("DELETE", "/webhook_endpoints/{id}", delete_endpoint),
    ("GET", "/webhooks/json_public_key", json_public_key),
]
