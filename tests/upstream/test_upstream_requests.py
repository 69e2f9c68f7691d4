"""What goes out in situations that sandboxes do not get into: links to a provider, expired invitations, lost races."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from scripted_server import Answer, Request, ScriptedServer, scripted

from glue.errors import ConfigInvalid, UpstreamConflict, UpstreamRefused, UpstreamUnavailable
from glue.settings import KeycloakSettings, KeygenSettings, LagoSettings
from glue.upstream.keycloak import Keycloak
from glue.upstream.keygen import Keygen
from glue.upstream.lago import Lago, UsageEvent

TOKEN = {"access_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJnbHVlIn0.x", "expires_in": 300}
NAMES = ("name", "email", "currency", "legal_name", "tax_identification_number", "net_payment_term")
LINES = ("address_line1", "address_line2", "zipcode", "city", "state", "country")
CUSTOMER = dict.fromkeys((*NAMES, *LINES)) | {
    "external_id": "t1",
    "lago_id": "l1",
    "metadata": [],
    "billing_configuration": {"payment_provider": "stripe"},
}
WALLET = {"lago_id": "w1", "external_customer_id": "t1", "code": "main", "name": "Credits", "status": "active", "currency": "USD"} | {
    "balance_cents": 0,
    "credits_balance": "0.0",
    "rate_amount": "1.0",
    "expiration_at": None,
}
META = {"current_page": 1, "next_page": None, "total_count": 1}
CONFLICT = Answer(422, {"errors": [{"title": "no", "detail": "taken", "code": "ENTITLEMENT_TAKEN"}], "meta": {"id": "r1"}})

Routes = dict[tuple[str, str], Any]


class Server:
    """Answers by (method, path without query); a list is answered one after another, the last for ever."""

    def __init__(self) -> None:
        self.routes: Routes = {("POST", "/realms/glue/protocol/openid-connect/token"): TOKEN}
        self.served: ScriptedServer | None = None

    def answer(self, request: Request) -> Answer:
        found = self.routes.get((request.method, request.path.partition("?")[0]), Answer(404, {}))
        if isinstance(found, list) and found and isinstance(found[0], Answer):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found if isinstance(found, Answer) else Answer(200, found)

    def sent(self, method: str, path: str) -> list[Any]:
        assert self.served is not None
        matching = [one for one in self.served.requests if (one.method, one.path.partition("?")[0]) == (method, path)]
        return [json.loads(one.body) if one.body.startswith(b"{") else one.body.decode() for one in matching]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with scripted(made.answer) as made.served:
        yield made


@pytest.fixture
def lago(server: Server) -> Iterator[Lago]:
    assert server.served is not None
    made = Lago(LagoSettings.model_validate({"url": server.served.url, "api_key": "k" * 16, "webhook_hmac_keys": []}))
    yield made
    made.close()


@pytest.fixture
def keygen(server: Server) -> Iterator[Keygen]:
    assert server.served is not None
    values = {"url": server.served.url, "host": "licensing.glue.test", "account_id": "acc", "admin_token": "t" * 16}
    made = Keygen(KeygenSettings.model_validate(values))
    yield made
    made.close()


@pytest.fixture
def make_keycloak(server: Server) -> Iterator[Callable[..., Keycloak]]:
    made: list[Keycloak] = []

    def make(*clients: str) -> Keycloak:
        assert server.served is not None
        secrets = {f"{name}_client_secret": "s" * 16 for name in clients}
        made.append(Keycloak(KeycloakSettings.model_validate({"url": server.served.url, **secrets})))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def keycloak(make_keycloak: Callable[..., Keycloak]) -> Keycloak:
    return make_keycloak("service", "portal", "api")


# --- Lago


def test_customer_is_linked_to_a_payment_provider(lago: Lago, server: Server) -> None:
    server.routes["POST", "/api/v1/customers"] = {"customer": CUSTOMER}
    linked = lago.upsert_customer("t1", payment_provider="stripe", payment_provider_code="main")
    assert linked.payment_provider == "stripe"
    lago.upsert_customer("t1", payment_provider="")
    sent = [body["customer"]["billing_configuration"] for body in server.sent("POST", "/api/v1/customers")]
    assert sent[0] == {"payment_provider": "stripe", "sync_with_provider": True, "payment_provider_code": "main"}
    assert sent[1] == {"payment_provider": None}


def test_addresses_of_payment_pages_are_passed_on(lago: Lago, server: Server) -> None:
    server.routes["POST", "/api/v1/invoices/i1/payment_url"] = {"invoice_payment_details": {"payment_url": "https://pay.example/1"}}
    server.routes["POST", "/api/v1/customers/t1/checkout_url"] = {"customer": {"checkout_url": "https://pay.example/2"}}
    server.routes["POST", "/api/v1/invoices/i1/download"] = {"invoice": {"file_url": "https://files.example/3"}}
    assert lago.payment_url("i1") == "https://pay.example/1"
    assert lago.checkout_url("t1") == "https://pay.example/2"
    assert lago.invoice_pdf_url("i1") == "https://files.example/3"


def test_refusal_of_a_whole_batch_says_why(lago: Lago, server: Server) -> None:
    body = {"status": 422, "code": "validation_errors", "error_details": {"events": ["too_many_events"]}}
    server.routes["POST", "/api/v1/events/batch"] = Answer(422, body)
    with pytest.raises(UpstreamRefused, match="too_many_events"):
        lago.send_events([_event()])


def test_wallet_made_by_another_in_the_same_moment_is_found(lago: Lago, server: Server) -> None:
    lists = [Answer(200, {"wallets": wallets, "meta": META}) for wallets in ([], [WALLET])]
    server.routes["GET", "/api/v1/wallets"] = lists
    server.routes["POST", "/api/v1/wallets"] = Answer(500, {"status": 500, "error": "Internal Server Error"})
    found = lago.create_wallet(
        "t1", code="main", name="Credits", currency="USD", rate=Decimal(1), paid_credits=Decimal(0), granted_credits=Decimal("0.0000001")
    )
    assert found.lago_id == "w1"
    assert server.sent("POST", "/api/v1/wallets")[0]["wallet"]["granted_credits"] == "0.0000001"


def test_wallet_that_was_not_made_is_not_made_up(lago: Lago, server: Server) -> None:
    server.routes["GET", "/api/v1/wallets"] = {"wallets": [], "meta": META}
    server.routes["POST", "/api/v1/wallets"] = Answer(500, {"status": 500, "error": "Internal Server Error"})
    with pytest.raises(UpstreamUnavailable):
        lago.create_wallet(
            "t1", code="main", name="C", currency="USD", rate=Decimal(1), paid_credits=Decimal(0), granted_credits=Decimal(0)
        )


@pytest.mark.parametrize(
    ("answer", "kind", "codes"),
    [
        (Answer(502, "<html>bad gateway</html>"), UpstreamUnavailable, ()),
        (Answer(429, {"status": 429}, headers={"x-ratelimit-reset": "9"}), UpstreamUnavailable, ()),
        (Answer(422, {"code": "validation_errors", "error_details": {"code": ["value_already_exist"]}}), UpstreamConflict, None),
        (Answer(422, {"code": "validation_errors", "error_details": {"rate": ["value_is_invalid"]}}), UpstreamRefused, None),
        (Answer(200, "{"), UpstreamUnavailable, ()),
        (Answer(cut=True), UpstreamUnavailable, ()),
    ],
    ids=["proxy", "limited", "taken", "invalid", "unreadable", "cut"],
)
def test_failures_under_lagos_own_library_are_told_the_same_way(
    lago: Lago, server: Server, answer: Answer, kind: type[Exception], codes: tuple[str, ...] | None
) -> None:
    server.routes["POST", "/api/v1/taxes"] = answer
    with pytest.raises(kind) as caught:
        lago.create_object("taxes", {"code": "vat", "name": "VAT", "rate": 20})
    assert type(caught.value) is kind
    assert len(server.sent("POST", "/api/v1/taxes")) == 1
    if codes is None:
        assert "validation_errors" in caught.value.fields["codes"]  # type: ignore[attr-defined]


def test_an_address_that_redirects_is_named_as_the_cause(lago: Lago, server: Server) -> None:
    server.routes["GET", "/api/v1/customers/t1"] = Answer(301, "", headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(UpstreamRefused, match="redirects"):
        lago.find_customer("t1")


# --- Keygen


def test_entitlement_attached_by_another_in_the_same_moment_is_fine(keygen: Keygen, server: Server) -> None:
    one = {"id": "e1", "attributes": {"code": "ONE"}}
    server.routes["GET", "/v1/entitlements"] = _page([one])
    for path, attach in (("licenses/l1", keygen.attach_entitlements), ("policies/p1", keygen.attach_policy_entitlements)):
        server.routes["GET", f"/v1/{path}/entitlements"] = [Answer(200, _page([])), Answer(200, _page([one]))]
        server.routes["POST", f"/v1/{path}/entitlements"] = CONFLICT
        attach(path[-2:], frozenset({"ONE"}))
        server.routes["GET", f"/v1/{path}/entitlements"] = _page([])
        with pytest.raises(UpstreamConflict):
            attach(path[-2:], frozenset({"ONE"}))


def test_keygen_hears_its_host_and_scheme(keygen: Keygen, server: Server) -> None:
    server.routes["GET", "/v1/licenses"] = _page([])
    keygen.list_licenses()
    assert server.served is not None
    headers = server.served.requests[-1].headers
    assert (headers["host"], headers["x-forwarded-proto"], headers["keygen-version"]) == ("licensing.glue.test", "https", "1.8")


def test_webhook_endpoint_with_other_events_is_mended(keygen: Keygen, server: Server) -> None:
    url = "https://hooks.glue.test/x"
    server.routes["GET", "/v1/webhook-endpoints"] = _page([{"id": "w1", "attributes": {"url": url, "subscriptions": ["*"]}}])
    server.routes["PATCH", "/v1/webhook-endpoints/w1"] = {"data": {"id": "w1", "attributes": {}}}
    keygen.ensure_webhook_endpoint(url)
    (sent,) = server.sent("PATCH", "/v1/webhook-endpoints/w1")
    assert "license.suspended" in sent["data"]["attributes"]["subscriptions"]


# --- Keycloak

ORGANIZATION = "/admin/realms/glue/organizations/o1"


def test_expired_invitation_is_sent_again_instead_of_made_anew(keycloak: Keycloak, server: Server) -> None:
    row = {"id": "i1", "email": "ada@acme.test", "status": "EXPIRED", "sentDate": 1, "expiresAt": 2}
    server.routes["GET", f"{ORGANIZATION}/invitations"] = [row]
    server.routes["POST", f"{ORGANIZATION}/invitations/i1/resend"] = Answer(204)
    keycloak.invite("o1", email="Ada@acme.test")
    assert len(server.sent("POST", f"{ORGANIZATION}/invitations/i1/resend")) == 1
    assert server.sent("POST", f"{ORGANIZATION}/members/invite-user") == []


def test_removing_a_member_whose_account_would_die_needs_a_word(keycloak: Keycloak, server: Server) -> None:
    server.routes["GET", f"{ORGANIZATION}/members/u1"] = {"id": "u1", "membershipType": "MANAGED"}
    server.routes["DELETE", f"{ORGANIZATION}/members/u1"] = Answer(204)
    with pytest.raises(UpstreamConflict, match="deletes it"):
        keycloak.remove_member("o1", "u1")
    assert server.sent("DELETE", f"{ORGANIZATION}/members/u1") == []
    keycloak.remove_member("o1", "u1", managed=True)
    assert len(server.sent("DELETE", f"{ORGANIZATION}/members/u1")) == 1


def test_members_are_read_to_the_last_page(keycloak: Keycloak, server: Server) -> None:
    def person(number: int) -> dict[str, Any]:
        return {"id": f"u{number}", "username": f"u{number}", "enabled": True, "membershipType": "UNMANAGED"}

    pages = [Answer(200, [person(number) for number in range(500)]), Answer(200, [person(500)])]
    server.routes["GET", f"{ORGANIZATION}/members"] = pages
    server.routes["GET", f"{ORGANIZATION}/groups"] = []
    assert len({member.user_id for member in keycloak.list_members("o1")}) == 501


def test_without_the_apply_client_the_realm_stays_as_it_is(keycloak: Keycloak) -> None:
    with pytest.raises(ConfigInvalid, match="apply client"):
        keycloak.list_clients()


def _page(records: list[Any]) -> dict[str, Any]:
    return {"data": records, "links": {"next": None, "meta": {"count": len(records)}}}


def _event() -> UsageEvent:
    return UsageEvent("e1", "calls", "sub-t1", datetime(2026, 11, 24, tzinfo=UTC), {"units": "1"})
