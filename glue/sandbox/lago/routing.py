"""Matching a raw path as Rails does, dots included.

Most parameters end at a dot: ``/subscriptions/x.dev`` is the subscription ``x`` in the format ``dev``, and below it
(``/subscriptions/x.dev/alerts``) nothing is found. Codes and transaction ids take dots; ``%2E`` works everywhere.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.errors import broken, unreadable
from glue.sandbox.lago.world import World

Handler = Callable[[World, Call], Answer]
Route = tuple[str, str, Handler]
PREFIX = "/api/v1"
TAKES_DOTS = {"code", "feature_code", "privilege_code", "charge_code", "transaction_id", "alert_code", "wallet_code", "key"}


@dataclass(frozen=True)
class Match:
    handler: Handler
    path: dict[str, str]


def _pattern(path: str) -> re.Pattern[str]:
    parts = []
    for part in path.strip("/").split("/"):
        if part.startswith("{"):
            name = part[1:-1]
            parts.append(f"(?P<{name}>{'[^/]+' if name in TAKES_DOTS else '[^/.]+'})")
        else:
            parts.append(re.escape(part))
    last = path.rsplit("{", 1)[-1].rstrip("}")
    ends = "" if path.endswith("}") and last in TAKES_DOTS else r"(\.[^/.]+)*"
    return re.compile(PREFIX + "/" + "/".join(parts) + ends + "/?")


def decode(raw: str) -> str:
    """A path segment or query value; refuses bytes that are no UTF-8."""
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise unreadable() from None


class Router:
    """Finds the handler of a method and raw path."""

    def __init__(self, routes: list[Route]) -> None:
        fixed_first = sorted(routes, key=lambda route: route[1].count("{"))
        self._routes = [(method, _pattern(path), handler) for method, path, handler in fixed_first]

    def match(self, method: str, raw_path: str) -> Match | None:
        for wanted, pattern, handler in self._routes:
            found = pattern.fullmatch(raw_path) if wanted == method else None
            if found:
                path = {name: decode(value) for name, value in found.groupdict().items()}
                if any("\0" in value for value in path.values()):
                    raise broken()
                return Match(handler, path)
        return None
