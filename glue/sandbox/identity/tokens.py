"""Tokens: made, checked, refreshed, introspected."""

import base64
import hashlib
from dataclasses import dataclass

from glue.sandbox.identity.answers import Document, oauth
from glue.sandbox.identity.claims import Subject, audience, map_claims
from glue.sandbox.identity.clients import client_scopes
from glue.sandbox.identity.people import is_enabled
from glue.sandbox.identity.scopes import SINGLE, Granted, for_user, named, organizations_for
from glue.sandbox.identity.sessions import join_client, live_session, seconds_left
from glue.sandbox.identity.state import Realm, new_id

INVALID_ORGANIZATION = oauth(400, "invalid_grant", "Invalid organization")


@dataclass
class Issue:
    """An answer of the token endpoint, and what its event tells."""

    body: Document
    details: Document


def issue(subject: Subject, session: Document | None, *, how: str, keep: Granted | None = None, nonce: str | None = None) -> Issue:
    """Tokens for ``subject`` in ``session`` (None: a client on its own, no refresh token).

    ``how`` is the grant's two letters in the token's id; ``keep`` are the scopes that the refresh token carries.
    """
    realm, granted = subject.realm, subject.granted
    now, settings = realm.now(), realm.settings
    lifespan = int(subject.client["attributes"].get("access.token.lifespan") or settings["accessTokenLifespan"])
    kind = "tr" if session is None else "of" if session["offline"] else "on"
    base: Document = {"exp": now + lifespan, "iat": now, "iss": realm.issuer, "azp": subject.client["clientId"]}
    if session:
        base["sid"] = session["id"]
    mapped = map_claims(subject, "access")
    aud = audience(None, mapped.pop("aud"))
    access: Document = base | {"jti": f"{kind}rt{how}:{new_id()}", "typ": "Bearer"} | ({"aud": aud} if aud else {}) | mapped
    access["scope"] = granted.shown()
    body: Document = {"access_token": realm.keys.sign(access), "expires_in": lifespan, "refresh_expires_in": 0, "token_type": "Bearer"}
    details: Document = {"token_id": access["jti"], "scope": granted.shown()}
    if session:
        if how != "rt":
            told = organizations_for(realm, granted, subject.user, subject.chosen)
            join_client(realm, session, subject.client, bound=told[0]["alias"] if len(told) == 1 else None)
        left = seconds_left(realm, session)
        refresh: Document = {"iat": now, "jti": new_id(), "iss": realm.issuer, "aud": realm.issuer, "sub": subject.user["id"]}
        refresh |= {"typ": "Offline" if session["offline"] else "Refresh", "azp": subject.client["clientId"], "sid": session["id"]}
        refresh |= {"scope": " ".join((keep or granted).names()), "prov": "default"} | ({"aud_x": aud} if aud else {})
        if not session["offline"]:
            refresh["exp"] = now + left
        if nonce:
            refresh["nonce"] = nonce
        body |= {"refresh_token": realm.keys.seal(refresh), "refresh_expires_in": left}
        details |= {"refresh_token_id": refresh["jti"], "refresh_token_type": refresh["typ"]}
    if granted.openid:
        body["id_token"] = _id_token(subject, base, body["access_token"], nonce)
    body["not-before-policy"] = max(settings["notBefore"], subject.user["notBefore"])
    if session:
        body["session_state"] = session["id"]
    return Issue(body | {"scope": granted.shown()}, details)


def _id_token(subject: Subject, base: Document, access_token: str, nonce: str | None) -> str:
    mapped = map_claims(subject, "id")
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    claims = base | {
        "jti": new_id(),
        "typ": "ID",
        "sub": subject.user["id"],
        "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
    }
    claims |= {"aud": audience(subject.client["clientId"], mapped.pop("aud"))} | mapped
    if nonce:
        claims["nonce"] = nonce
    return subject.realm.keys.sign(claims)


def grant_of(realm: Realm, client: Document, words: str) -> Granted:
    """Scopes read back from a token: nothing is refused, what no longer exists is left out."""
    rows = {row["name"]: row for row in client_scopes(realm, client, "default") + client_scopes(realm, client, "optional")}
    default = client_scopes(realm, client, "default")
    asked = words.split()
    granted = Granted([*default, *(rows[name] for name in asked if name in rows and rows[name] not in default)], "openid" in asked)
    granted.words = [word for word in asked if word == SINGLE or word.startswith(SINGLE + ":")]
    if granted.words and SINGLE in rows and rows[SINGLE] not in granted.rows:
        granted.rows.append(rows[SINGLE])
    return granted


@dataclass
class Checked:
    """An access (or ID) token that holds, with its user, client and session (None: a client's own token)."""

    claims: Document
    user: Document
    client: Document
    session: Document | None

    def subject(self, realm: Realm) -> Subject:
        granted = grant_of(realm, self.client, str(self.claims.get("scope", "")))
        subject = subject_of(realm, self.user, self.client, for_user(realm, granted, self.user), self.session)
        subject.bound = self.only_organization(realm)
        return subject

    def only_organization(self, realm: Realm) -> str | None:
        """The alias that the token tells of, when it is just one: then it stands and falls with that organization."""
        told = self.claims.get(_claim_name(realm, self.client))
        aliases = [told] if isinstance(told, str) else list(told or [])
        return aliases[0] if len(aliases) == 1 else None


def subject_of(realm: Realm, user: Document, client: Document, granted: Granted, session: Document | None) -> Subject:
    """Everything that mappers want to know, from the session or, without one, of the client itself."""
    if session is None:
        notes = {"client_id": client["clientId"], "clientHost": "127.0.0.1", "clientAddress": "127.0.0.1"}
        return Subject(realm, user, client, granted, notes=notes)
    place = session["clients"].get(client["id"], {})
    notes = session["notes"] | {"acr": place.get("acr", "1")}
    return Subject(realm, user, client, granted, place.get("organization"), session["organization"], place.get("bound"), notes)


def check_token(realm: Realm, token: str) -> Checked | str:
    """The token with its world, or the reason why it does not hold."""
    claims = realm.keys.read(token)
    if claims is None or claims.get("iss") != realm.issuer or claims.get("typ") not in ("Bearer", "ID") or claims["exp"] <= realm.now():
        return "Token verification failed"
    if realm.revoked.get(claims["jti"]):
        return "Token verification failed"
    client = realm.client(claims["azp"])
    if client is None or not client["enabled"]:
        return "Client disabled"
    session = None
    if "sid" in claims:
        offline = str(claims["jti"]).startswith("of")
        session = live_session(realm, claims["sid"], offline=offline)
        if session is None or client["id"] not in session["clients"]:
            return "user_session_not_found"
        user = realm.users.get(session["user"])
    else:
        user = realm.users.one("service_client", client["id"])
    if user is None or not is_enabled(realm, user):
        return "User disabled"
    if claims["iat"] < max(realm.settings["notBefore"], user["notBefore"]):
        return "Stale token"
    return Checked(claims, user, client, session)


def lost_organization(realm: Realm, checked: Checked) -> bool:
    """Whether the only organization that the token tells of is no longer the user's, or no longer enabled."""
    alias = checked.only_organization(realm)
    return alias is not None and not named(realm, f"{SINGLE}:{alias}", checked.user)


def _claim_name(realm: Realm, client: Document) -> str:
    for kind in ("default", "optional"):
        for row in client_scopes(realm, client, kind):
            for mapper in row["protocolMappers"]:
                if mapper["protocolMapper"] == "oidc-organization-membership-mapper":
                    return str(mapper["config"].get("claim.name") or SINGLE)
    return SINGLE


def introspect(realm: Realm, token: str, caller: Document) -> Document:
    """RFC 7662 as Keycloak does it: active only for a caller in ``aud``, claims computed anew."""
    checked = check_token(realm, token)
    if isinstance(checked, str):
        return {"active": False}
    aud = checked.claims.get("aud") or []
    if caller["clientId"] not in ([aud] if isinstance(aud, str) else aud):
        return {"active": False}
    if lost_organization(realm, checked):
        raise oauth(400, "invalid_request", "Failed to introspect token.")
    mapped = map_claims(checked.subject(realm), "introspection")
    kept: Document = {
        name: checked.claims[name]
        for name in ("exp", "iat", "jti", "iss", "sub", "typ", "azp", "sid", "acr", "scope", "nonce")
        if name in checked.claims
    }
    own = [aud] if isinstance(aud, str) else aud
    kept["aud"] = audience(None, list(dict.fromkeys([*own, *mapped.pop("aud")])))
    kept |= mapped | {"client_id": checked.client["clientId"], "username": checked.user["username"]}
    return kept | {"token_type": kept["typ"], "active": True}


def user_info(realm: Realm, checked: Checked) -> Document:
    if lost_organization(realm, checked):
        raise INVALID_ORGANIZATION
    mapped = map_claims(checked.subject(realm), "userinfo")
    mapped.pop("aud")
    return {"sub": checked.user["id"]} | mapped
