"""One request and its answer, and the table of routes that the subjects register in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from glue.sandbox.keygen.account import HOST, Account, Row
from glue.sandbox.keygen.bearers import Bearer
from glue.sandbox.keygen.names import read_uuid
from glue.sandbox.keygen.problems import missing
from glue.sandbox.keygen.render import Renderer

# Fields by which a record may be named in a URL, besides its id.
ALIASES = {"products": "code_key", "entitlements": "code_key", "users": "email", "licenses": "key", "machines": "fingerprint"}
_FOLDED = frozenset({"code_key", "email"})


@dataclass
class Answer:
    """``document`` is the JSON body; ``raw`` replaces it; ``location`` is the path of what was created."""

    status: int = 200
    document: dict[str, Any] | None = None
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    signed: bool = True
    location: str | None = None


@dataclass
class Call:
    """A request that reached its route."""

    account: Account
    method: str
    query: dict[str, Any]
    target: str  # path as sent, without query
    body: Any
    bearer: Bearer | None
    version: str = "1.8"

    @property
    def render(self) -> Renderer:
        return Renderer(self.account, self.version)

    @property
    def by(self) -> Bearer:
        """The bearer, on routes that have one."""
        if self.bearer is None:
            raise LookupError("the route admits anonymous callers")
        return self.bearer

    def find(self, kind: str, wanted: str) -> Row:
        """The record that a URL names, by id or alias; 404 when absent or out of the bearer's sight."""
        row_id = read_uuid(wanted)
        row = self.account.get(kind, row_id)
        alias = ALIASES.get(kind)
        if row is None and alias is not None:
            row = self.account.tables[kind].one(alias, wanted.lower() if alias in _FOLDED else wanted)
        if row is None or (self.bearer is not None and not self.bearer.sees(self.account, row)):
            raise missing(kind, wanted)
        return row

    def show(self, row: Row, status: int = 200) -> Answer:
        document = self.render.resource(row)
        return Answer(status, {"data": document}, location=document["links"]["self"] if status == 201 else None)

    def announce(self, event: str, row: Row, *, meta: dict[str, Any] | None = None) -> None:
        """Record an event about ``row`` as it is now."""
        self.account.broadcast(event, row, meta=meta)


Handler = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True)
class Route:
    handler: Handler
    action: str | None  # what the bearer must be permitted; None: any bearer
    anonymous: bool = False
    password: bool = False  # e-mail and password are taken


_ROUTES: dict[tuple[str, int, str], list[tuple[tuple[str, ...], Route]]] = {}


def route(
    method: str, path: str, action: str | None = None, *, anonymous: bool = False, password: bool = False
) -> Callable[[Handler], Handler]:
    """Register a handler; ``*`` in ``path`` takes any one segment, which the handler receives in order."""
    pattern = tuple(path.split("/"))

    def register(handler: Handler) -> Handler:
        entry = (pattern, Route(handler, action, anonymous, password))
        _ROUTES.setdefault((method, len(pattern), pattern[0]), []).append(entry)
        return handler

    return register


def match(method: str, segments: tuple[str, ...]) -> tuple[Route, list[str]] | None:
    """The route for decoded path segments and what stands at its wildcards."""
    for pattern, found in _ROUTES.get((method, len(segments), segments[0]), []):
        if all(part in ("*", segment) for part, segment in zip(pattern, segments, strict=True)):
            return found, [segment for part, segment in zip(pattern, segments, strict=True) if part == "*"]
    return None


def absolute(path: str) -> str:
    return f"https://{HOST}{path}"
