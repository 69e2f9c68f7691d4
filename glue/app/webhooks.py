"""Routes of the doors: the raw body and the headers go to the door, its answer is the status."""

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from glue.doors.deliveries import LARGEST_BODY, Outcome
from glue.doors.keygen import KeygenDoor
from glue.doors.lago import LagoDoor
from glue.errors import DeliveryRefused


def routes(lago: LagoDoor, keygen: KeygenDoor) -> APIRouter:
    """``POST /webhooks/lago`` and ``/webhooks/keygen``. 2xx means: kept, and its tenants are marked."""
    router = APIRouter(prefix="/webhooks", tags=["webhooks"])

    @router.post("/lago")
    async def from_lago(request: Request) -> Response:
        body = await read_body(request)
        return _answer(await run_in_threadpool(lago.receive, request.headers, body))

    @router.post("/keygen")
    async def from_keygen(request: Request) -> Response:
        body = await read_body(request)
        return _answer(await run_in_threadpool(keygen.receive, request.headers, body))

    return router


async def read_body(request: Request, *, largest: int = LARGEST_BODY) -> bytes:
    """The whole body. Raises DeliveryRefused when it is larger than allowed."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > largest:
            raise DeliveryRefused("The delivery is too large.")
        chunks.append(chunk)
    return b"".join(chunks)


def _answer(outcome: Outcome) -> Response:
    return JSONResponse({"new": outcome.new, "kind": outcome.kind, "tenants": len(outcome.tenants)}, status_code=200)
