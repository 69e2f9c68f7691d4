"""One request, read."""

from dataclasses import dataclass, field
from typing import Any

from glue.sandbox.lago.errors import missing_root
from glue.sandbox.lago.values import text

Answer = dict[str, Any] | None  # None: 200 with an empty body


@dataclass
class Call:
    """A request after routing: path parameters by name, query values by name, the JSON body."""

    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, list[str]] = field(default_factory=dict)
    body: Any = None

    def root(self, name: str) -> dict[str, Any]:
        """The object under the root key. Refuses with 400 when it is missing, empty or no object."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        if not isinstance(value, dict) or not value:
            raise missing_root(name)
        return value

    def asked(self, name: str) -> str | None:
        """The last value of a query parameter, None when absent or empty."""
        values = self.query.get(name)
        return values[-1] or None if values else None

    def asked_all(self, name: str) -> list[str]:
        """All values of ``name[]=`` and ``name=``."""
        return [value for key in (f"{name}[]", name) for value in self.query.get(key, [])]

    def asked_flag(self, name: str) -> bool | None:
        value = self.asked(name)
        return None if value is None else value in ("true", "1", "t")


def required(fields: dict[str, Any], *names: str) -> dict[str, list[str]]:
    """Error details for those of ``names`` that are absent or blank."""
    return {name: ["value_is_mandatory"] for name in names if not (text(fields.get(name)) or "").strip()}
