"""Answers and refusals in Keycloak's several shapes, and the reading of JSON as its parser reads it."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response

Document = dict[str, Any]
CONSULT_LOG = "For more on this error consult the server log."


@cache
def builtin() -> Document:
    """What a fresh realm of a real server holds: defaults, scopes, roles, discovery, and the fields of each representation."""
    loaded: Document = json.loads((Path(__file__).parent / "builtin.json").read_text())
    return loaded


class Refusal(Exception):
    """Ends a request with this status and JSON body."""

    def __init__(self, status: int, body: Document | None, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status, self.body, self.headers = status, body, headers or {}

    def response(self) -> Response:
        if self.body is None:
            return Response(status_code=self.status, headers=self.headers)
        return JSONResponse(self.body, status_code=self.status, headers=self.headers)


def error(status: int, text: str) -> Refusal:
    """``{"error": text}``: authentication, rights, things that are not there."""
    return Refusal(status, {"error": text})


def message(status: int, text: str) -> Refusal:
    """``{"errorMessage": text}``: conflicts and most refused input."""
    return Refusal(status, {"errorMessage": text})


def oauth(status: int, kind: str, description: str) -> Refusal:
    """``{"error": kind, "error_description": description}``."""
    return Refusal(status, {"error": kind, "error_description": description})


def nothing_there() -> Refusal:
    return error(404, "HTTP 404 Not Found")


def server_error() -> Refusal:
    """What a real server answers when it stumbles over input; its clients see only this."""
    return oauth(500, "unknown_error", CONSULT_LOG)


def answer(body: Any, *, status: int = 200) -> Response:
    response = JSONResponse(body, status_code=status)
    response.headers["content-type"] = "application/json;charset=UTF-8"
    return response


def done() -> Response:
    return Response(status_code=204)


def created(location: str) -> Response:
    return Response(status_code=201, headers={"location": location})


def read_object(raw: bytes, kind: str) -> Document:
    """The JSON object in ``raw`` as a ``kind`` (a representation's name); refuses unknown fields and wrong types."""
    text = raw.decode("utf-8", "replace")
    if text.lstrip()[:1] == "[":
        raise oauth(400, "unknown_error", "Cannot parse the JSON")
    body = _parse(text)
    if not isinstance(body, dict):
        raise oauth(400, "unknown_error", "Cannot parse the JSON")
    for name, value in body.items():
        fields: dict[str, str] = builtin()["fields"][kind]
        if name not in fields:
            line, column = _place(text, name)
            raise error(400, f'Invalid json representation for {kind}. Unrecognized field "{name}" at line {line} column {column}.')
        if value is not None and not _fits(value, fields[name]):
            raise oauth(400, "unknown_error", "Cannot parse the JSON")
    return body


def read_list(raw: bytes) -> list[Any]:
    """The JSON array in ``raw``."""
    body = _parse(raw.decode("utf-8", "replace"))
    if not isinstance(body, list):
        raise oauth(400, "unknown_error", "Cannot parse the JSON")
    return body


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise oauth(400, "invalid_request", "Cannot parse the JSON") from None


def _fits(value: Any, kind: str) -> bool:
    if kind == "bool":
        return isinstance(value, bool) or value in ("true", "false", "")
    if kind == "int":
        return isinstance(value, int) or (isinstance(value, str) and bool(re.fullmatch(r"-?\d*", value)))
    if kind == "str":
        return not isinstance(value, (dict, list))
    if kind == "lists":
        return isinstance(value, dict) and all(isinstance(item, list) for item in value.values())
    return isinstance(value, list if kind == "list" else dict)


def _place(text: str, name: str) -> tuple[int, int]:
    """Line and column behind the first token of the field's value, where a real parser stands when it complains."""
    found = re.search(rf'"{re.escape(name)}"\s*:\s*', text)
    start = found.end() if found else 0
    end = start + 1 if text[start] in '[{"' else json.JSONDecoder().raw_decode(text, start)[1]
    return text.count("\n", 0, end) + 1, end - text.rfind("\n", 0, end)
