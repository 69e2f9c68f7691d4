"""The control port: the clock and the reset of every sandbox, and Lago's own jobs, deliveries and faults."""

import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from glue.sandbox.lago.provider import pay
from glue.sandbox.lago.runner import FAULTS, Runner
from glue.sandbox.serving import control_app


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    body = json.loads(raw) if raw.strip() else {}
    if not isinstance(body, dict):
        raise ValueError("a JSON object is expected")
    return body


def control(runner: Runner) -> Starlette:
    """Besides ``/clock`` and ``/reset``:

    ``POST /lago/jobs`` {"job", "offset_days"} runs that scheduled job as if so many days later and answers ``ok``.
    ``GET /lago/webhooks`` lists deliveries, newest first; ``POST /lago/webhooks/retry`` {"id"} sends one again.
    ``POST /lago/pay`` {"invoice_id", "outcome"}: the payment provider succeeds or fails.
    ``POST /faults`` {"mode"}: down (503 to everything), answer_503_but_do (writes are done, yet answered 503),
    lose_webhooks (every attempt fails), null (none).
    """

    async def run_job(request: Request) -> Response:
        body = await _body(request)
        await runner.run_job(str(body["job"]), float(body.get("offset_days") or 0))
        return PlainTextResponse("ok")

    async def list_deliveries(_: Request) -> Response:
        return JSONResponse({"webhooks": list(runner.courier.listed())})

    async def retry_delivery(request: Request) -> Response:
        return JSONResponse(runner.courier.retry(str((await _body(request))["id"])))

    async def pay_invoice(request: Request) -> Response:
        body = await _body(request)
        invoice = runner.world.invoices.get(str(body["invoice_id"]))
        if invoice is None:
            raise KeyError("invoice_id")
        with runner.world.store.transaction():
            shown = pay(runner.world, invoice, str(body.get("outcome", "succeeded")))
        runner.work_off()
        return JSONResponse(shown)

    async def set_fault(request: Request) -> Response:
        mode = (await _body(request)).get("mode")
        if mode is not None and mode not in FAULTS:
            raise ValueError(f"unknown mode {mode}")
        runner.set_fault(mode)
        return JSONResponse({"mode": mode})

    async def on_bad_input(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=400)

    routes = [
        Route("/lago/jobs", run_job, methods=["POST"]),
        Route("/lago/webhooks", list_deliveries, methods=["GET"]),
        Route("/lago/webhooks/retry", retry_delivery, methods=["POST"]),
        Route("/lago/pay", pay_invoice, methods=["POST"]),
        Route("/faults", set_fault, methods=["POST"]),
        Mount("/", control_app(runner.world.clock, move=runner.move, reset=runner.reset)),
    ]
    return Starlette(routes=routes, exception_handlers={ValueError: on_bad_input, KeyError: on_bad_input})
