"""Scopes: what was asked for, what of it is granted, and which organizations it names."""

from dataclasses import dataclass, field

from glue.sandbox.identity.answers import Document, oauth
from glue.sandbox.identity.clients import client_scopes
from glue.sandbox.identity.state import Realm

SINGLE, ALL = "organization", "organization:*"


@dataclass
class Granted:
    """A request's scopes: the scope rows that apply, ``openid`` or not, and the organization words in it."""

    rows: list[Document]
    openid: bool
    words: list[str] = field(default_factory=list)  # "organization", "organization:*" or "organization:<alias>", …

    @property
    def offline(self) -> bool:
        return any(row["name"] == "offline_access" for row in self.rows)

    def names(self) -> list[str]:
        """Every scope by name, as a refresh token carries them."""
        plain = [row["name"] for row in self.rows if row["name"] != SINGLE or not self.words]
        return [*(["openid"] if self.openid else []), *self.words, *plain]

    def shown(self) -> str:
        """The ``scope`` of an answer or token: only scopes that want to be shown."""
        plain = [row["name"] for row in self.rows if row["attributes"].get("include.in.token.scope", "true") == "true"]
        return " ".join([*(["openid"] if self.openid else []), *self.words, *(name for name in plain if name != SINGLE)])


def grant(realm: Realm, client: Document, asked: str | None) -> Granted:
    """What ``asked`` (a scope parameter; None when there is none) means for that client. Raises invalid_scope."""
    refused = oauth(400, "invalid_scope", f"Invalid scopes: {asked}")
    if asked is not None and not asked.strip():  # a parameter without a word in it is refused, too
        raise refused
    default, optional = client_scopes(realm, client, "default"), client_scopes(realm, client, "optional")
    names = {row["name"]: row for row in default + optional}
    granted = Granted(list(default), openid=False)
    for word in dict.fromkeys((asked or "").split()):
        if word == "openid":
            granted.openid = True
        elif word == SINGLE or word.startswith(SINGLE + ":"):
            if SINGLE not in names or not _is_known(realm, word):
                raise refused
            granted.words.append(word)
        elif word not in names:
            raise refused
        elif names[word] not in granted.rows:
            granted.rows.append(names[word])
    if len(granted.words) > 1 and {SINGLE, ALL} & set(granted.words):
        raise refused
    if granted.words and names[SINGLE] not in granted.rows:
        granted.rows.append(names[SINGLE])
    return granted


def _is_known(realm: Realm, word: str) -> bool:
    if word in (SINGLE, ALL):
        return True
    row = realm.organizations.one("alias", word.split(":", 1)[1])
    return bool(row and row["enabled"] and realm.settings.get("organizationsEnabled"))


def for_user(realm: Realm, granted: Granted, user: Document) -> Granted:
    """The grant as it holds for that user: organizations that are not theirs go without a word."""
    words = [word for word in granted.words if word == SINGLE or named(realm, word, user)]
    rows = [row for row in granted.rows if row["name"] != SINGLE or words or not granted.words]
    return Granted(rows, granted.openid, words)


def named(realm: Realm, word: str, user: Document) -> list[Document]:
    """The user's enabled organizations that ``organization:*`` or ``organization:<alias>`` names."""
    alias = word.split(":", 1)[1]
    return [row for row in realm.memberships(user["id"]) if row["enabled"] and alias in ("*", row["alias"])]


def organizations_for(realm: Realm, granted: Granted, user: Document, chosen: str | None = None) -> list[Document]:
    """The organizations that a token tells of; with the plain scope the ``chosen`` one, or the only one."""
    if granted.words == [SINGLE]:
        rows = [row for row in realm.memberships(user["id"]) if row["enabled"]]
        if chosen:
            return [row for row in rows if row["alias"] == chosen]
        return rows if len(rows) == 1 else []
    found = [row for word in granted.words for row in named(realm, word, user)]
    return sorted(found, key=lambda row: str(row["name"]))


def narrowed(granted: Granted, asked: str) -> Granted:
    """A refresh that asks for less: what was granted once and is asked for now (defaults always stay)."""
    wanted = asked.split()
    rows = [row for row in granted.rows if row["name"] != SINGLE]
    words = [word for word in granted.words if word in wanted]
    rows += [row for row in granted.rows if row["name"] == SINGLE and (words or not granted.words)]
    return Granted(rows, granted.openid and "openid" in wanted, words)
