"""What files declare: metrics, features, plans, taxes, coupons, add-ons, as raw objects in Lago's shapes; and webhooks."""

from typing import Any

from glue.rules.facts import Entitlements
from glue.upstream.lago.calls import LagoCalls, LibraryModels, all_pages, checked_code, checked_id
from glue.upstream.lago.subscriptions import parse_entitlements

_ROOTS = {
    "billable_metrics": "billable_metric",
    "features": "feature",
    "plans": "plan",
    "taxes": "tax",
    "coupons": "coupon",
    "add_ons": "add_on",
}
_MODELS = {"billable_metrics": "BillableMetric", "plans": "Plan", "taxes": "Tax", "coupons": "Coupon", "add_ons": "AddOn"}


class Declared(LagoCalls):
    def organization_id(self) -> str:
        """Id of the organization that our key belongs to."""
        return self._send("organization_id", "GET", "/organizations", lambda answer: str(answer["organization"]["lago_id"]))

    def list_objects(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind (a key of Lago's lists, such as ``plans``), as they are."""
        root = _ROOTS[kind] and kind

        def fetch(page: int) -> Any:
            return self._list(f"list_{kind}", f"/{kind}", root, dict, params=[("page", page), ("per_page", 500)])

        return list(all_pages(fetch))

    def create_object(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make one; UpstreamConflict when its code is taken. Answers the object as Lago keeps it."""
        root, model = _ROOTS[kind], _MODELS.get(kind)
        if model is None:
            return self._send(f"create_{root}", "POST", f"/{kind}", lambda answer: dict(answer[root]), json={root: body})
        new = getattr(LibraryModels, model).parse_obj(body)
        self._use_library(f"create_{root}", lambda: bool(getattr(self._library, kind).create(new)))
        return self._get_object(kind, body["code"])

    def update_object(self, kind: str, code: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change the given fields; null clears one. Lago ignores some silently: compare with what is answered."""
        root = _ROOTS[kind]
        path = f"/{kind}/{checked_code(code)}"
        return self._send(f"update_{root}", "PUT", path, lambda answer: dict(answer[root]), json={root: body})

    def _get_object(self, kind: str, code: str) -> dict[str, Any]:
        root = _ROOTS[kind]
        return self._send(f"get_{root}", "GET", f"/{kind}/{checked_code(code)}", lambda answer: dict(answer[root]))

    def plan_entitlements(self, plan_code: str) -> Entitlements:
        return self._send("plan_entitlements", "GET", f"/plans/{checked_code(plan_code)}/entitlements", parse_entitlements)

    def set_plan_entitlements(self, plan_code: str, entitlements: Entitlements) -> None:
        """Replace all that the plan grants."""
        path = f"/plans/{checked_code(plan_code)}/entitlements"
        self._send("set_plan_entitlements", "POST", path, lambda _: None, json={"entitlements": entitlements})

    def ensure_webhook_endpoint(self, url: str, *, algorithm: str = "hmac") -> None:
        """Have all events sent to ``url``, signed by ``algorithm`` (Lago's default is jwt)."""
        existing = self._find_endpoint(url)
        body = {"webhook_url": url, "signature_algo": algorithm}
        if existing is None:
            new = LibraryModels.WebhookEndpoint(**body)
            self._use_library("create_webhook_endpoint", lambda: bool(self._library.webhook_endpoints.create(new)))
        elif existing["signature_algo"] != algorithm or existing["event_types"] not in (None, ["*"]):
            path = f"/webhook_endpoints/{checked_id(existing['lago_id'])}"
            json = {"webhook_endpoint": body | {"event_types": None}}
            self._send("update_webhook_endpoint", "PUT", path, lambda _: None, json=json)

    def _find_endpoint(self, url: str) -> dict[str, Any] | None:
        page = self._list("list_webhook_endpoints", "/webhook_endpoints", "webhook_endpoints", dict, params=[("per_page", 100)])
        return next((endpoint for endpoint in page.items if endpoint["webhook_url"] == url), None)

    def webhook_public_key(self) -> str:
        """PEM of the key that signs webhooks by jwt."""
        return self._use_library("webhook_public_key", lambda: bytes(self._library.webhooks.public_key()).decode("ascii"))
