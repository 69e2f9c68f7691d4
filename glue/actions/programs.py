"""Programs: service accounts of a tenant, their secrets shown once."""

import re
import secrets

from glue.actions.asking import Actions
from glue.actions.team import _organization as organization_of
from glue.errors import BadInput, LimitReached, NotFound
from glue.rules.facts import Member
from glue.rules.names import TenantId

_PREFIX = "service-account-"


def list_programs(actions: Actions, tenant: TenantId) -> list[Member]:
    """The tenant's programs as members of its organization."""
    return [member for member in actions.systems.keycloak.list_members(organization_of(actions, tenant)) if member.service_account]


def client_id_of(program: Member) -> str:
    """The id that the program logs in with."""
    return program.username.removeprefix(_PREFIX)


def create_program(actions: Actions, tenant: TenantId, *, name: str, by: str, nonce: str) -> tuple[str, str]:
    """Client id and secret of a new program. Raises BadInput, LimitReached; Conflict when this form was sent before."""
    name = name.strip()
    if not re.fullmatch(r"[\w .-]{1,40}", name):
        raise BadInput(
            "Please give a name of letters, digits, dots and dashes.", field="name", expected="1 to 40 letters, digits, dots, dashes"
        )
    with actions.one_at_a_time(f"programs/{tenant}"):
        limit, count = actions.grants(tenant).programs, len(list_programs(actions, tenant))
        if count >= limit:
            raise LimitReached(
                f"All {limit} programs of your plan exist.",
                remedy="Switch one off or choose another plan.",
                limit=limit,
                used=count,
                remaining=0,
            )
        client_id = f"prog-{tenant}-{secrets.token_hex(3)}"
        payload = {"organization_id": organization_of(actions, tenant), "client_id": client_id, "name": name}
        secret = actions.do(tenant, "create_program", payload, key=f"program/{tenant}/{nonce}", by=by, text=f"Made the program {name}.")
    return client_id, str(secret or "")


def rotate_secret(actions: Actions, tenant: TenantId, client_id: str, *, by: str, nonce: str) -> str:
    """A new secret; the old one stops working."""
    _own(actions, tenant, client_id)
    secret = actions.do(
        tenant,
        "rotate_program_secret",
        {"client_id": client_id},
        key=f"rotate/{client_id}/{nonce}",
        by=by,
        text=f"New secret for {client_id}.",
    )
    return str(secret or "")


def switch_off(actions: Actions, tenant: TenantId, client_id: str, *, by: str) -> None:
    """The program cannot log in any more and leaves the organization."""
    program = _own(actions, tenant, client_id)
    actions.do(
        tenant,
        "set_program_enabled",
        {"client_id": client_id, "enabled": False},
        key=f"off/{client_id}",
        by=by,
        text=f"Switched {client_id} off.",
    )
    payload = {"organization_id": organization_of(actions, tenant), "user_id": program.user_id, "managed": program.managed}
    actions.do(
        tenant, "remove_member", payload, key=f"remove/{tenant}/{program.user_id}", by=by, text=f"{client_id} left the organization."
    )


def _own(actions: Actions, tenant: TenantId, client_id: str) -> Member:
    found = next((program for program in list_programs(actions, tenant) if client_id_of(program) == client_id), None)
    if found is None:
        raise NotFound("There is no such program.")
    return found
