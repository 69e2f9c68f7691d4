"""What we hold about a tenant, handed over as one archive, and erased when it is asked for."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from sqlmodel import SQLModel, select

from glue.actions.asking import Actions
from glue.converge.timeline import read_timeline
from glue.db import TenantScoped
from glue.errors import BadInput, Conflict
from glue.rules.names import TenantId
from glue.rules.tenant import IntentKind

_SECRET = {"registration_key", "data", "digest", "content", "nonce"}


def export(actions: Actions, tenant: TenantId, *, usage: Callable[[], Iterable[Mapping[str, Any]]] = tuple) -> bytes:
    """A ZIP with what the three systems and our tables hold, as JSON, usage and timeline as CSV too. Raises UpstreamUnavailable."""
    record = actions.record(tenant)
    keycloak, lago, keygen = actions.systems.keycloak, actions.systems.lago, actions.systems.keygen
    organization = keycloak.find_organization(tenant)
    license_id = record.identities.license_id
    parts: dict[str, Any] = {
        "keycloak/organization.json": organization,
        "keycloak/members.json": keycloak.list_members(organization.id) if organization else (),
        "keycloak/invitations.json": keycloak.list_invitations(organization.id) if organization else (),
        "lago/customer.json": lago.find_customer(tenant),
        "lago/subscriptions.json": lago.subscriptions_of(tenant),
        "lago/invoices.json": [lago.get_invoice(row.lago_id) for row in lago.invoices_of(tenant)],
        "keygen/license.json": keygen.find_license(license_id) if license_id else None,
        "keygen/machines.json": keygen.list_machines(license_id) if license_id else (),
        "coditect/tenant.json": record,
    }
    with actions.database.read(tenant) as session:
        timeline = [entry.model_dump(mode="json") for entry in read_timeline(session, tenant, limit=10_000)]
        for table in _tables():
            rows = [_public(row) for row in session.exec(select(table))]
            if rows:
                parts[f"coditect/{table.__tablename__}.json"] = rows
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, value in parts.items():
            bundle.writestr(name, json.dumps(_plain(value), indent=2, ensure_ascii=False, default=str))
        bundle.writestr("coditect/timeline.csv", as_csv(timeline))
        bundle.writestr("coditect/usage.csv", as_csv(usage()))
    return archive.getvalue()


def erase(actions: Actions, tenant: TenantId, *, confirm: str, by: str) -> None:
    """Erase the tenant everywhere. Raises Conflict while the subscription runs, BadInput without the name as confirmation."""
    record = actions.record(tenant)
    if any(row.status in {"active", "pending"} for row in actions.systems.lago.subscriptions_of(tenant)):
        raise Conflict("The subscription is still running.", remedy="Cancel it first.")
    if confirm.strip() != record.display_name:
        raise BadInput("This is not the organization's name.", field="confirm", expected=record.display_name)
    actions.ask(tenant, IntentKind.ERASE, by=by, text="Erase everything.")


def block(actions: Actions, tenant: TenantId, *, reason: str, by: str) -> None:
    """Lock the tenant out until ``unblock``. Raises BadInput without a reason."""
    if not reason.strip():
        raise BadInput("A block needs a reason: the customer reads it.", field="reason")
    actions.change(tenant, by=by, text="Suspended by an operator.", blocked=reason.strip()[:300])


def unblock(actions: Actions, tenant: TenantId, *, by: str) -> None:
    actions.change(tenant, by=by, text="Let in again by an operator.", blocked="")


def rename(actions: Actions, tenant: TenantId, *, name: str, by: str) -> None:
    """Raises BadInput."""
    if not 2 <= len(name.strip()) <= 80:
        raise BadInput("Please give a name of 2 to 80 characters.", field="name")
    actions.change(tenant, by=by, text="Changed the organization's name.", display_name=name.strip())


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV; cells that a spreadsheet would take for formulas are quoted by an apostrophe."""
    rows = list(rows)
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def _tables() -> list[type[TenantScoped]]:
    return [table for table in TenantScoped.__subclasses__() if hasattr(table, "__table__") and table.__tablename__ != "tenants"]


def _public(row: SQLModel) -> dict[str, Any]:
    return {name: value for name, value in row.model_dump(exclude=_SECRET).items() if not isinstance(value, bytes)}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value
