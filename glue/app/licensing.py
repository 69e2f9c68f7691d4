"""Routes that a machine calls: activate, list, deactivate, signed files."""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from glue.actions import machines
from glue.actions.asking import Actions
from glue.errors import NotAllowed
from glue.meter.callers import Caller, Callers
from glue.rules.facts import Machine, Role
from glue.rules.names import TenantId


class MachineIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    fingerprint: str = Field(description="What the machine is known by: 8 to 200 letters, digits and :.+/=-", max_length=200)
    name: str = Field("", max_length=100)
    platform: str = Field("", max_length=100)
    hostname: str = Field("", max_length=100)


class MachineOut(BaseModel):
    id: str
    fingerprint: str
    name: str
    platform: str
    activated_at: datetime
    last_seen_at: datetime | None


class MachineAnswer(BaseModel):
    machine: MachineOut


class MachinesAnswer(BaseModel):
    machines: list[MachineOut]
    limit: int


class FileIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    fingerprint: str = Field("", description="Of an activated machine; empty for a file of the license.")


class FileAnswer(BaseModel):
    certificate: str
    issued_at: datetime
    expires_at: datetime | None
    public_key: str = Field(description="Ed25519, 32 bytes, base64: verify the certificate with it offline.")


def caller_dependency(callers: Callers) -> Callable[[Request], object]:
    """A FastAPI dependency: who is asking, for routes beside the hot path."""

    async def identify(request: Request) -> Caller:
        caller = await callers.identify(
            request.headers.get("authorization", ""),
            tenant=request.headers.get("glue-tenant", ""),
            address=request.client.host if request.client else "",
        )
        request.scope.setdefault("state", {})["tenant"] = caller.snapshot.tenant
        return caller

    return identify


def routes(actions: Actions, callers: Callers, *, public_key: Callable[[], bytes]) -> APIRouter:
    """``/v1/machines`` and ``/v1/license-files``."""
    router = APIRouter(prefix="/v1", tags=["licenses"])
    who = Annotated[Caller, Depends(caller_dependency(callers))]

    @router.post("/machines")
    def activate(body: MachineIn, caller: who) -> MachineAnswer:
        """Activate a machine; again is fine. 403 `limit_reached` when all places are taken."""
        machine = machines.activate(
            actions,
            _tenant(caller),
            fingerprint=body.fingerprint,
            name=body.name,
            platform=body.platform,
            hostname=body.hostname,
            by=caller.name,
        )
        return MachineAnswer(machine=_out(machine))

    @router.get("/machines")
    def list_machines(caller: who) -> MachinesAnswer:
        view = machines.read_license(actions, _tenant(caller))
        return MachinesAnswer(machines=[_out(machine) for machine in view.machines] if view else [], limit=view.limit if view else 0)

    @router.delete("/machines/{machine}", status_code=204)
    def deactivate(machine: str, caller: who) -> None:
        """By id or fingerprint. A person needs to be admin; a license key frees its own machines."""
        if caller.kind == "member" and Role.ADMIN not in caller.snapshot.members.get(caller.id, frozenset()):
            raise NotAllowed("Only an admin may remove machines.")
        machines.deactivate(actions, _tenant(caller), machine, by=caller.name)

    @router.post("/license-files")
    def check_out(body: FileIn, caller: who) -> FileAnswer:
        """A signed file that a machine verifies offline."""
        file = machines.check_out(actions, _tenant(caller), fingerprint=body.fingerprint)
        return FileAnswer(
            certificate=file.certificate,
            issued_at=file.issued_at,
            expires_at=file.expires_at,
            public_key=base64.b64encode(public_key()).decode(),
        )

    return router


def _tenant(caller: Caller) -> TenantId:
    return caller.snapshot.tenant


def _out(machine: Machine) -> MachineOut:
    return MachineOut(
        id=machine.id,
        fingerprint=machine.fingerprint,
        name=machine.name,
        platform=machine.platform,
        activated_at=machine.created_at,
        last_seen_at=machine.last_seen_at,
    )
