"""The realm file's placeholders: what a start must be given, and what to change on a server that was prepared with other values.

Keycloak resolves ``${NAME}`` and ``${NAME:default}`` from its environment, but only while it imports a file. A database
prepared once therefore holds the values of that day; whatever differs today is written over REST right after the start.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glue.errors import ConfigInvalid

PLACEHOLDER = re.compile(r"\$\{(GLUE_\w+)(?::([^}]*))?\}")

Values = Mapping[str, str]


@dataclass(frozen=True)
class Changes:
    """Top-level settings of the realm that hold other values now; whole clients by id, for a part alone moves more than itself."""

    realm: dict[str, Any]
    clients: dict[str, dict[str, Any]]

    def __bool__(self) -> bool:
        return bool(self.realm or self.clients)


@dataclass(frozen=True)
class RealmFile:
    """One realm in Keycloak's own import shape, as it stands in the repository."""

    path: Path
    text: str
    content: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.content["realm"])

    def names(self) -> dict[str, str | None]:
        """Every placeholder with its default (None: it must be given)."""
        return {found.group(1): found.group(2) for found in PLACEHOLDER.finditer(self.text)}

    def digest(self, values: Values) -> str:
        """Names the prepared database: the same file, and the same values wherever REST could not change them later."""
        fixed = {key: value for key, value in self.content.items() if key != "clients" and not _changeable(value)}
        return hashlib.sha256(f"{self.text}\0{json.dumps(expand(fixed, values), sort_keys=True)}".encode()).hexdigest()[:16]

    def changes(self, before: Values, after: Values) -> Changes:
        """What a server imported with ``before`` needs to stand as if imported with ``after``."""
        realm = {key: value for key, value in self.content.items() if key != "clients" and _changeable(value)}
        clients = {
            str(client["clientId"]): {key: value for key, value in expand(client, after).items() if not key.endswith("ClientScopes")}
            for client in self.content.get("clients", [])
            if expand(client, before) != expand(client, after)
        }
        return Changes(_changed(realm, before, after), clients)


def read_realm(folder: Path) -> RealmFile:
    """The one ``*-realm.json`` in ``folder``. Raises ConfigInvalid."""
    files = sorted(folder.glob("*-realm.json"))
    if len(files) != 1:
        raise ConfigInvalid(f"{folder} holds {len(files)} files named *-realm.json.", remedy="Exactly one is expected.")
    text = files[0].read_text(encoding="utf-8")
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigInvalid(f"{files[0]} is not JSON: {error}", remedy="Correct the file.") from error
    if not isinstance(content, dict) or not isinstance(content.get("realm"), str):
        raise ConfigInvalid(f'{files[0]} has no "realm".', remedy="Keycloak's realm import shape is expected.")
    return RealmFile(files[0], text, content)


def expand(node: Any, values: Values) -> Any:
    """``node`` with its placeholders resolved as Keycloak does: given value, else default, else left as it is."""
    if isinstance(node, dict):
        return {key: expand(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [expand(value, values) for value in node]
    if isinstance(node, str):
        return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0] if found[2] is None else found[2]), node)
    return node


def _changeable(value: Any) -> bool:
    """Whether a top-level setting can be written alone over REST: plain ones and flat groups such as smtpServer."""
    if isinstance(value, dict):
        return all(isinstance(inner, str) for inner in value.values())
    return not isinstance(value, list)


def _changed(node: dict[str, Any], before: Values, after: Values) -> dict[str, Any]:
    expanded = {key: (expand(value, before), expand(value, after)) for key, value in node.items()}
    return {key: new for key, (old, new) in expanded.items() if old != new}
