"""How Lago refuses: the status and body of each kind of error."""

from http import HTTPStatus
from typing import Any


class Refusal(Exception):
    """A call that Lago answers with an error: HTTP ``status`` and JSON ``body`` (None: an empty HTML page)."""

    def __init__(self, status: int, body: dict[str, Any] | None) -> None:
        super().__init__(f"{status} {body}")
        self.status, self.body = status, body


def _coded(status: int, code: str, **more: Any) -> Refusal:
    return Refusal(status, {"status": status, "error": HTTPStatus(status).phrase, "code": code, **more})


def unauthorized() -> Refusal:
    return Refusal(401, {"status": 401, "error": "Unauthorized"})


def missing_root(name: str) -> Refusal:
    return Refusal(400, {"status": 400, "error": f"BadRequest: param is missing or the value is empty or invalid: {name}"})


def unreadable() -> Refusal:
    """What comes for bytes that are no JSON or no UTF-8."""
    return Refusal(400, None)


def not_found(what: str) -> Refusal:
    return _coded(404, f"{what}_not_found")


def forbidden(code: str = "feature_unavailable") -> Refusal:
    return _coded(403, code)


def not_allowed(code: str) -> Refusal:
    return _coded(405, code)


def invalid(details: dict[str, Any]) -> Refusal:
    return Refusal(422, {"status": 422, "error": "Unprocessable Entity", "code": "validation_errors", "error_details": details})


def broken() -> Refusal:
    """The plain 500 that some bad input causes."""
    return Refusal(500, {"status": 500, "error": "Internal Server Error"})


def not_in_sandbox() -> Refusal:
    return Refusal(501, {"status": 501, "error": "Not Implemented", "code": "not_in_sandbox"})
