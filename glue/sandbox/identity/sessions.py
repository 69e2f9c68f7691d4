"""Sessions of people: their start, their life, their end, and who must be told of it."""

import sys
from typing import Any

import httpx

from glue.sandbox.identity.answers import Document
from glue.sandbox.identity.state import Realm, new_id, new_word

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


def start_session(
    realm: Realm, user: Document, *, sid: str | None = None, offline: bool = False, notes: Document | None = None
) -> Document:
    """A new session; an offline one lies beside the ordinary one of the same id and outlives it."""
    sid = sid or new_word()
    row: Document = {"id": sid, "key": f"offline/{sid}" if offline else sid, "user": user["id"], "offline": offline}
    row |= {"start": realm.now(), "last": realm.now(), "remember": False, "clients": {}, "notes": notes or {}, "organization": None}
    return realm.sessions.put(row["key"], row)


def live_session(realm: Realm, sid: str | None, *, offline: bool = False) -> Document | None:
    """The session of that id while it lives."""
    row = realm.sessions.get(f"offline/{sid}" if offline else sid or "")
    if row is None:
        return None
    idle, most = (30 * 86400, None) if offline else (realm.settings["ssoSessionIdleTimeout"], realm.settings["ssoSessionMaxLifespan"])
    now = realm.now()
    if now > row["last"] + idle or (most is not None and now > row["start"] + most):
        return None
    return row


def seconds_left(realm: Realm, row: Document) -> int:
    """How long a refresh token of that session lives; 0 for offline ones: without end."""
    if row["offline"]:
        return 0
    left: int = row["start"] + realm.settings["ssoSessionMaxLifespan"] - realm.now()
    return min(int(realm.settings["ssoSessionIdleTimeout"]), left)


def join_client(realm: Realm, row: Document, client: Document, **kept: Any) -> Document:
    """The client's own place in a session, with what it keeps there."""
    place: Document = row["clients"].setdefault(client["id"], {"used": {}, "organization": None})
    place.update(kept)
    realm.sessions.put(row["key"], row)
    return place


def leave_client(realm: Realm, row: Document, client: Document) -> None:
    """The session loses that client: its tokens there are dead."""
    row["clients"].pop(client["id"], None)
    realm.sessions.put(row["key"], row)


def touch(realm: Realm, row: Document) -> None:
    row["last"] = realm.now()
    realm.sessions.put(row["key"], row)


def session_page(realm: Realm, row: Document) -> Document:
    user = realm.users.get(row["user"])
    clients = {client_id: client["clientId"] for client_id in row["clients"] if (client := realm.clients.get(client_id))}
    page = {"id": row["id"], "username": user["username"] if user else "", "userId": row["user"], "ipAddress": "127.0.0.1"}
    page |= {"start": row["start"] * 1000, "lastAccess": row["last"] * 1000, "rememberMe": row["remember"]}
    return page | {"clients": clients, "transientUser": False}


def sessions_of(realm: Realm, user_id: str) -> list[Document]:
    """A user's live ordinary sessions."""
    return [row for row in realm.sessions.by("user", user_id) if not row["offline"] and live_session(realm, row["id"])]


def end_session(realm: Realm, row: Document) -> list[tuple[str, str]]:
    """End a session; returns the back-channel messages to send: (address, logout token)."""
    realm.sessions.remove(row["key"])
    messages = []
    for client_id in row["clients"]:
        client = realm.clients.get(client_id)
        url = client["attributes"].get("backchannel.logout.url") if client else None
        if client and url:
            now = realm.now()
            claims = {"iss": realm.issuer, "aud": client["clientId"], "iat": now, "exp": now + 120, "jti": new_id(), "typ": "Logout"}
            claims |= {"sub": row["user"], "events": {LOGOUT_EVENT: {}}}
            if client["attributes"].get("backchannel.logout.session.required") == "true":
                claims["sid"] = row["id"]
            messages.append((url, realm.keys.sign(claims, typ="logout+jwt")))
    return messages


async def tell_clients(messages: list[tuple[str, str]]) -> None:
    """Post logout tokens; who cannot be reached is told on stderr and forgotten, as a real server does."""
    if not messages:
        return
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        for url, token in messages:
            try:
                answered = await http.post(url, data={"logout_token": token})
                if answered.is_error:
                    sys.stderr.write(f"identity sandbox: back-channel logout to {url}: {answered.status_code}\n")
            except httpx.HTTPError as problem:
                sys.stderr.write(f"identity sandbox: back-channel logout to {url}: {problem!r}\n")
