"""The effects we know: how each is done, and how it is found again. With ``act`` the only writes to the three systems.

Payloads are JSON. People's effects name the organization by Keycloak's id.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from glue.converge.effects import EffectKind, Payload
from glue.converge.systems import Systems
from glue.errors import UpstreamUnavailable
from glue.rules.facts import Invitation, Member, Role
from glue.rules.seats import count_seats, require_free_seat

_NO_CONNECTION = {"ConnectionRefusedError", "gaierror"}


def known_kinds(systems: Systems, *, compose: Callable[[Payload], dict[str, str]]) -> dict[str, EffectKind]:
    """Every kind by its name. ``compose`` makes subject, text and html of a mail from its payload."""
    return _people(systems) | _programs(systems) | _licenses(systems) | _money(systems) | _mails(systems, compose)


def _people(systems: Systems) -> dict[str, EffectKind]:
    keycloak = systems.keycloak

    def members(payload: Payload) -> dict[str, Member]:
        return {member.user_id: member for member in keycloak.list_members(payload["organization_id"])}

    def invitation(payload: Payload) -> Invitation | None:
        invitations = keycloak.list_invitations(payload["organization_id"])
        return next((item for item in invitations if item.email.lower() == payload["email"].lower()), None)

    def invite(payload: Payload) -> None:
        # One at a time for a tenant: the seat that was free when it was asked for may be taken by now.
        invitations = keycloak.list_invitations(payload["organization_id"])
        others = tuple(item for item in invitations if item.email.lower() != payload["email"].lower())
        require_free_seat(count_seats(tuple(members(payload).values()), others, limit=payload["limit"]))
        keycloak.invite(
            payload["organization_id"],
            email=payload["email"],
            first_name=payload.get("first_name", ""),
            last_name=payload.get("last_name", ""),
        )

    def was_invited(payload: Payload) -> bool:
        item = invitation(payload)
        joined = any(member.email.lower() == payload["email"].lower() for member in members(payload).values())
        return joined or (item is not None and item.status == "PENDING")

    def resend(payload: Payload) -> None:
        item = invitation(payload)
        if item is None:
            invite(payload)
        else:
            keycloak.resend_invitation(payload["organization_id"], item.id)

    def was_resent(payload: Payload) -> bool:
        item = invitation(payload)
        # Keycloak keeps whole seconds, and lives on the wall clock.
        return item is not None and item.sent_at.timestamp() >= int(datetime.fromisoformat(payload["asked_at"]).timestamp())

    def invitation_is_gone(payload: Payload) -> bool:
        return all(item.id != payload["invitation_id"] for item in keycloak.list_invitations(payload["organization_id"]))

    def roles(payload: Payload) -> frozenset[Role]:
        return frozenset(Role(role) for role in payload["roles"])

    def has_roles(payload: Payload) -> bool:
        member = members(payload).get(payload["user_id"])
        return member is not None and member.roles == roles(payload)

    return {
        "invite": EffectKind(invite, was_invited),
        "resend_invitation": EffectKind(resend, was_resent),
        "delete_invitation": EffectKind(
            lambda payload: keycloak.delete_invitation(payload["organization_id"], payload["invitation_id"]), invitation_is_gone
        ),
        "set_roles": EffectKind(
            lambda payload: keycloak.set_roles(payload["organization_id"], payload["user_id"], roles(payload)), has_roles
        ),
        "remove_member": EffectKind(
            lambda payload: keycloak.remove_member(payload["organization_id"], payload["user_id"], managed=payload["managed"]),
            lambda payload: payload["user_id"] not in members(payload),
        ),
        "logout_user": EffectKind(lambda payload: keycloak.logout_user(payload["user_id"])),
    }


def _programs(systems: Systems) -> dict[str, EffectKind]:
    keycloak = systems.keycloak
    return {
        # Both answer a secret that is shown once and kept nowhere: after a lost answer a person asks for a new one.
        "create_program": EffectKind(
            lambda payload: keycloak.create_program(payload["organization_id"], client_id=payload["client_id"], name=payload["name"])
        ),
        "rotate_program_secret": EffectKind(lambda payload: keycloak.rotate_program_secret(payload["client_id"])),
        "set_program_enabled": EffectKind(lambda payload: keycloak.set_program_enabled(payload["client_id"], enabled=payload["enabled"])),
    }


def _licenses(systems: Systems) -> dict[str, EffectKind]:
    keygen = systems.keygen

    def activate(payload: Payload) -> Any:
        named = {name: payload.get(name, "") for name in ("fingerprint", "name", "platform", "hostname")}
        return keygen.activate_machine(payload["license_id"], **named)

    def is_active(payload: Payload) -> bool:
        return any(machine.fingerprint == payload["fingerprint"] for machine in keygen.list_machines(payload["license_id"]))

    def is_deactivated(payload: Payload) -> bool:
        return all(machine.id != payload["machine_id"] for machine in keygen.list_machines(payload["license_id"]))

    def is_retired(payload: Payload) -> bool:
        license_found = keygen.find_license(payload["license_id"])
        return license_found is None or license_found.suspended

    return {
        "activate_machine": EffectKind(activate, is_active),
        "deactivate_machine": EffectKind(lambda payload: keygen.deactivate_machine(payload["machine_id"]), is_deactivated),
        "retire_license": EffectKind(lambda payload: keygen.update_license(payload["license_id"], suspended=True), is_retired),
    }


def _money(systems: Systems) -> dict[str, EffectKind]:
    lago = systems.lago

    def bill(payload: Payload) -> Any:
        return lago.create_one_off_invoice(
            payload["customer"],
            currency=payload["currency"],
            add_on_code=payload["add_on_code"],
            units=Decimal(payload["units"]),
            unit_amount_cents=payload["unit_amount_cents"],
            description=payload["description"],
        )

    def top_up(payload: Payload) -> None:
        credits = {name: Decimal(payload[name]) for name in ("paid_credits", "granted_credits")}  # noqa: A001
        lago.top_up_wallet(payload["wallet_id"], **credits, marker=payload["key"])

    return {
        "mark_invoice_paid": EffectKind(
            lambda payload: lago.mark_invoice_paid(payload["invoice_id"]),
            lambda payload: lago.get_invoice(payload["invoice_id"]).payment_status == "succeeded",
        ),
        "one_off_invoice": EffectKind(
            bill, lambda payload: lago.find_one_off_invoice(payload["customer"], payload["description"]) is not None
        ),
        "top_up_wallet": EffectKind(top_up, lambda payload: lago.find_top_up(payload["wallet_id"], payload["key"])),
        "apply_coupon": EffectKind(
            lambda payload: lago.apply_coupon(payload["customer"], payload["coupon_code"]),
            lambda payload: lago.has_coupon(payload["customer"], payload["coupon_code"]),
        ),
    }


def _mails(systems: Systems, compose: Callable[[Payload], Mapping[str, str]]) -> dict[str, EffectKind]:
    def send(payload: Payload) -> None:
        systems.mail.send(to=payload["to"], **compose(payload), message_id=f"<{payload['key'].replace('/', '.')}@glue.invalid>")

    def not_sent(error: UpstreamUnavailable) -> bool:
        # An answer that it is not taken now, no connection at all, or our own breaker: the mail was not handed over.
        return error.status is not None or error.body in _NO_CONNECTION or bool(error.fields.get("not_sent"))

    return {"mail": EffectKind(send, not_sent=not_sent)}
