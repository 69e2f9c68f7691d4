"""Errors in the shapes that Keygen gives them."""

from typing import Any

from glue.sandbox.keygen.names import camel, snake

NO_PERMISSION = "You do not have permission to complete the request"
ALL_RESOURCES = f"{NO_PERMISSION} (ensure the token or license is allowed to access all resources)"
DOCS = "https://keygen.sh/docs/api"

Fault = dict[str, Any]


class Problem(Exception):
    """An answer that is not a success. ``signed`` false: given before Keygen knows the account, hence without signature."""

    def __init__(self, status: int, *faults: Fault, signed: bool = True, bare: bool = False, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {faults}")
        self.status, self.faults, self.signed, self.headers = status, list(faults), signed, headers or {}
        self.bare = bare  # from a middleware: without meta and Keygen's headers

    def document(self, request_id: str) -> dict[str, Any]:
        if self.bare:
            return {"errors": self.faults}
        return {"meta": {"id": request_id}, "errors": self.faults}


def _fault(title: str, detail: str, code: str | None, source: dict[str, str] | None, about: str | None) -> Fault:
    fault: Fault = {"title": title, "detail": detail}
    if code:
        fault["code"] = code
    if source:
        fault["source"] = source
    if about:
        fault["links"] = {"about": about}
    return fault


def bad_request(detail: str, pointer: str | None = None, *, parameter: str | None = None, code: str | None = None) -> Problem:
    source = {"pointer": pointer} if pointer else {"parameter": parameter} if parameter else None
    return Problem(400, _fault("Bad request", detail, code, source, None))


def forbidden(detail: str = ALL_RESOURCES, *, code: str | None = None, pointer: str | None = None, about: str | None = None) -> Problem:
    return Problem(403, _fault("Access denied", detail, code, {"pointer": pointer} if pointer else None, about))


def unauthorized(scheme: str | None, detail: str, code: str, *, about: str | None = None, header: bool = False) -> Problem:
    fault = _fault("Unauthorized", detail, code, {"header": "Authorization"} if header else None, about)
    return Problem(401, fault, headers={"www-authenticate": f'{(scheme or "Bearer").capitalize()} realm="keygen"'})


def missing(kind: str, wanted: str | None = None) -> Problem:
    """404 for a record: ``kind`` is the resource type, e.g. ``webhook-events``."""
    return Problem(
        404,
        _fault("Not found", f"The requested {singular(kind).replace('-', ' ')}{_quoted(wanted)} was not found", "NOT_FOUND", None, None),
    )


def no_route() -> Problem:
    detail = "The requested endpoint was not found (check your HTTP method, Accept header, and URL path)"
    return Problem(404, _fault("Not found", detail, "NOT_FOUND", None, None), signed=False)


def too_many_requests(retry_after_seconds: int) -> Problem:
    detail = f"Throttle limit has been reached for your IP address. Please slow down. See {DOCS}/rate-limiting/ for more info."
    fault = _fault("Too many requests", detail, "TOO_MANY_REQUESTS", None, None)
    return Problem(429, fault, signed=False, bare=True, headers={"retry-after": str(retry_after_seconds)})


def not_in_sandbox(what: str) -> Problem:
    return Problem(501, _fault("Not implemented", f"{what} is not part of this sandbox", "NOT_IN_SANDBOX", None, None))


def conflict(detail: str = "The request could not be completed because of a conflict", pointer: str | None = None) -> Problem:
    return Problem(409, _fault("Conflict", detail, None, {"pointer": pointer} if pointer else None, None))


def entity_refused(detail: str, pointer: str | None = None, *, code: str | None = None) -> Problem:
    """422 of an action."""
    return Problem(422, _fault("Unprocessable entity", detail, code, {"pointer": pointer} if pointer else None, None))


def resource_refused(*faults: Fault) -> Problem:
    """422 of a resource that does not validate; faults come from ``on_attribute``, ``on_relationship`` and ``on_resource``."""
    return Problem(422, *faults)


def on_attribute(kind: str, name: str, detail: str, reason: str) -> Fault:
    """A fault of one attribute; its code is the attribute's name and ``reason``."""
    code = f"{snake(name)}_{reason}".upper()
    return _fault(
        "Unprocessable resource", detail, code, {"pointer": f"/data/attributes/{name}"}, f"{DOCS}/{kind}/#{kind}-object-attrs-{name}"
    )


def on_relationship(kind: str, name: str, detail: str, code: str) -> Fault:
    pointer = {"pointer": f"/data/relationships/{name}"}
    return _fault("Unprocessable resource", detail, code, pointer, f"{DOCS}/{kind}/#{kind}-object-relationships-{name}")


def on_resource(kind: str, detail: str, code: str, pointer: str = "/data") -> Fault:
    return _fault("Unprocessable resource", detail, code, {"pointer": pointer}, f"{DOCS}/{kind}/#{kind}-object")


def not_found(kind: str, name: str) -> Fault:
    """The relationship ``name`` points at nothing."""
    return on_relationship(kind, name, "must exist", f"{snake(camel(name)).upper()}_NOT_FOUND")


def singular(kind: str) -> str:
    return kind[:-3] + "y" if kind.endswith("ies") else kind.removesuffix("s")


def _quoted(wanted: str | None) -> str:
    return f" '{wanted}'" if wanted is not None else ""
