"""Subscriptions and what they entitle to. A tenant has several rows over time under one external id: key on ``lago_id``."""

from datetime import datetime
from typing import Any

from glue.errors import UpstreamNotFound
from glue.rules.facts import Entitlements, Subscription
from glue.upstream.calling import Page
from glue.upstream.lago.calls import LagoCalls, all_pages, checked_code, checked_id
from glue.upstream.reading import day, instant, iso, known_instant

ALL_STATUSES = ("pending", "active", "terminated", "canceled", "incomplete")


class Subscriptions(LagoCalls):
    def list_subscriptions(
        self,
        *,
        external_customer_id: str | None = None,
        statuses: tuple[str, ...] = ALL_STATUSES,
        page: int = 1,
        per_page: int = 1000,
    ) -> Page[Subscription]:
        params: list[tuple[str, str | int]] = [("page", page), ("per_page", per_page), *(("status[]", status) for status in statuses)]
        if external_customer_id is not None:
            params.append(("external_customer_id", checked_id(external_customer_id)))

        def wanted(record: Any) -> Subscription | None:
            row = parse_subscription(record)
            return row if row.status in statuses and external_customer_id in {None, row.customer_external_id} else None

        return self._list("list_subscriptions", "/subscriptions", "subscriptions", wanted, params=params)

    def subscriptions_of(self, external_customer_id: str) -> tuple[Subscription, ...]:
        """Every row of a customer, of all times. Empty also for an unknown customer."""
        return tuple(all_pages(lambda page: self.list_subscriptions(external_customer_id=external_customer_id, page=page)))

    def create_subscription(
        self, *, customer: str, external_id: str, plan_code: str, name: str = "", ending_at: datetime | None = None
    ) -> Subscription:
        """Start, upgrade at once or schedule a downgrade: Lago decides by the plan's price a year.

        Repeating it with the plan that is running changes nothing; with one that waits, neither. A customer that Lago
        does not know would be made without a word: create it first. An upgrade drops all overrides of entitlements.
        """
        body: dict[str, Any] = {
            "external_customer_id": checked_id(customer),
            "external_id": checked_id(external_id),
            "plan_code": plan_code,
        }
        if name:
            body["name"] = name
        if ending_at is not None:
            body["ending_at"] = iso(ending_at)
        return self._send(
            "create_subscription",
            "POST",
            "/subscriptions",
            lambda answer: parse_subscription(answer["subscription"]),
            json={"subscription": body},
        )

    def set_subscription_end(self, external_id: str, ending_at: datetime | None) -> None:
        """End the active row on that day (it ends at 00:05 of it, whatever the hour); None lets it run on."""
        path = f"/subscriptions/{checked_id(external_id)}"
        self._send("set_subscription_end", "PUT", path, lambda _: None, json={"subscription": {"ending_at": iso(ending_at)}})

    def terminate_subscription(self, external_id: str, *, status: str = "active") -> None:
        """End the active row now; ``pending`` cancels a waiting start or downgrade. Already gone is fine."""
        params = {} if status == "active" else {"status": status}
        try:
            self._send("terminate_subscription", "DELETE", f"/subscriptions/{checked_id(external_id)}", lambda _: None, params=params)
        except UpstreamNotFound as error:
            if "subscription_not_found" not in error.fields["codes"]:
                raise

    def entitlements(self, subscription_external_id: str) -> Entitlements:
        """What the active row grants: its plan, with the overrides of this subscription."""
        path = f"/subscriptions/{checked_id(subscription_external_id)}/entitlements"
        return self._send("entitlements", "GET", path, parse_entitlements)

    def override_entitlements(self, subscription_external_id: str, overrides: Entitlements) -> None:
        """Merge these values over the plan's for this subscription."""
        path = f"/subscriptions/{checked_id(subscription_external_id)}/entitlements"
        self._send("override_entitlements", "PATCH", path, lambda _: None, json={"entitlements": overrides})

    def entitlement_overrides(self, subscription_external_id: str) -> Entitlements:
        """Only what this subscription has in place of its plan's values."""
        path = f"/subscriptions/{checked_id(subscription_external_id)}/entitlements"
        return self._send("entitlement_overrides", "GET", path, _parse_overrides)

    def reset_entitlements(self, subscription_external_id: str, features: frozenset[str]) -> None:
        """Give these features the plan's values again, so that a later change of the plan shows through."""
        path = f"/subscriptions/{checked_id(subscription_external_id)}/entitlements"
        for feature in sorted(features):
            self._send("drop_entitlement", "DELETE", f"{path}/{checked_code(feature)}", lambda _: None)
        self._send("restore_entitlements", "PATCH", path, lambda _: None, json={"entitlements": {feature: {} for feature in features}})


def _parse_overrides(answer: Any) -> Entitlements:
    return {feature["code"]: dict(feature["overrides"]) for feature in answer["entitlements"] if feature["overrides"]}


def parse_entitlements(answer: Any) -> Entitlements:
    return {
        feature["code"]: {privilege["code"]: privilege["value"] for privilege in feature["privileges"]}
        for feature in answer["entitlements"]
    }


def parse_subscription(record: Any) -> Subscription:
    return Subscription(
        lago_id=record["lago_id"],
        external_id=record["external_id"],
        customer_external_id=record["external_customer_id"],
        plan_code=record["plan_code"],
        status=record["status"],
        started_at=instant(record["started_at"]),
        ending_at=instant(record["ending_at"]),
        terminated_at=instant(record["terminated_at"]),
        canceled_at=instant(record["canceled_at"]),
        trial_ended_at=instant(record["trial_ended_at"]),
        previous_plan_code=record["previous_plan_code"],
        next_plan_code=record["next_plan_code"],
        downgrade_plan_date=day(record["downgrade_plan_date"]),
        created_at=known_instant(record["created_at"]),
        period_started_at=instant(record.get("current_billing_period_started_at")),
        period_ends_at=instant(record.get("current_billing_period_ending_at")),
    )
