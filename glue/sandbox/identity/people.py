"""Users: how they are made, checked, found, shown and removed."""

import re
from collections.abc import Iterable
from typing import Any

from glue.sandbox.identity import passwords
from glue.sandbox.identity.answers import Document, Refusal, message, server_error
from glue.sandbox.identity.roles import default_role
from glue.sandbox.identity.state import Realm, new_id, pick, text_of

EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*")
BASIC = ("id", "username", "firstName", "lastName", "email", "emailVerified")


def is_email(text: str) -> bool:
    return bool(EMAIL.fullmatch(text)) and ".." not in text


def add_user(realm: Realm, given: Document) -> Document:
    """A new user from a representation, checked as the admin API checks it."""
    email, username = text_of(given.get("email")).lower(), text_of(given.get("username")).lower()
    if realm.settings["registrationEmailAsUsername"]:
        if not email and not username:
            raise message(400, "User name is missing")
        if not email:
            raise _profile_error("email", "error-user-attribute-required")
        username = email
    elif not username:
        raise message(400, "User name is missing")
    _check_profile(given | {"email": email, "username": username})
    if realm.users.by("username", username) and not (realm.settings["registrationEmailAsUsername"]):
        raise message(409, "User exists with same username")
    if email and realm.users.by("email", email) and not realm.settings["duplicateEmailsAllowed"]:
        raise message(409, "User exists with same email")
    user = new_user(realm, username, **pick(given, "firstName", "lastName"))
    user["enabled"], user["emailVerified"] = bool(given.get("enabled")), bool(given.get("emailVerified"))
    if email:
        user["email"] = email
    user["attributes"] = declared_attributes(realm, given.get("attributes") or {})
    user["requiredActions"] = known_actions(realm, given.get("requiredActions") or [])
    for credential in given.get("credentials") or []:
        if passwords.policy_violation(realm, user, text_of(credential.get("value"))):
            raise message(400, "Password policy not met")
        take_credential(realm, user, credential)
    return realm.users.put(user["id"], user)


def new_user(realm: Realm, username: str, **fields: Any) -> Document:
    """A row for a user of that name, with the realm's default roles; not yet stored."""
    role = default_role(realm)
    return {
        "id": new_id(),
        "username": username,
        "emailVerified": False,
        "enabled": True,
        "createdTimestamp": realm.now_ms(),
        "requiredActions": [],
        "notBefore": 0,
        "attributes": {},
        "roles": [role["id"]] if role else [],
        **fields,
    }


def take_credential(realm: Realm, user: Document, credential: Document) -> None:
    """A password given by an administrator; a temporary one must be changed at the next login."""
    passwords.set_password(realm, user, text_of(credential.get("value")))
    actions = [action for action in user["requiredActions"] if action != "UPDATE_PASSWORD"]
    user["requiredActions"] = actions + ["UPDATE_PASSWORD"] * bool(credential.get("temporary"))


def change_user(realm: Realm, user: Document, given: Document) -> None:
    """PUT: merges the fields that are given; with attributes among them the names that are not are lost."""
    email = text_of(given["email"]).lower() if given.get("email") is not None else None
    if given.get("attributes") is not None and not email:
        raise _profile_error("email", "error-user-attribute-required")
    _check_profile(given)
    if email and any(row["id"] != user["id"] for row in realm.users.by("email", email)) and not realm.settings["duplicateEmailsAllowed"]:
        raise message(409, "User exists with same email")
    name = text_of(given.get("username")).lower()
    if realm.settings["registrationEmailAsUsername"]:
        name = email or user.get("email") or user["username"]
    elif not name or not realm.settings["editUsernameAllowed"]:
        name = user["username"]
    elif any(row["id"] != user["id"] for row in realm.users.by("username", name)):
        raise message(409, "User exists with same username")
    user["username"] = name
    if email:
        user["email"] = email
    user.update(pick(given, "firstName", "lastName", "enabled", "emailVerified"))
    if given.get("attributes") is not None:
        user["attributes"] = declared_attributes(realm, given["attributes"])
        for name in ("firstName", "lastName"):
            if given.get(name) is None:
                user.pop(name, None)
    if given.get("requiredActions") is not None:
        user["requiredActions"] = known_actions(realm, given["requiredActions"])
    for credential in given.get("credentials") or []:
        take_credential(realm, user, credential)
    realm.users.put(user["id"], user)


def declared_attributes(realm: Realm, given: Document) -> Document:
    """What the realm's user profile lets through; the rest is dropped without a word."""
    profile = realm.settings["profile"]
    names = {item["name"] for item in profile["attributes"]} - {"username", "email", "firstName", "lastName"}
    if realm.settings["internationalizationEnabled"]:
        names.add("locale")
    unmanaged = profile.get("unmanagedAttributePolicy") in ("ENABLED", "ADMIN_EDIT")
    kept = {name: value if isinstance(value, list) else [value] for name, value in given.items() if unmanaged or name in names}
    return {name: [text_of(item) for item in value] for name, value in kept.items() if value}


def known_actions(realm: Realm, given: list[str]) -> list[str]:
    known = {action["alias"] for action in realm.settings["requiredActions"]}
    return [action for action in dict.fromkeys(given) if action in known]


def remove_user(realm: Realm, user: Document) -> None:
    """The account with everything that hangs on it."""
    for row in realm.members.by("user", user["id"]):
        realm.members.remove(f"{row['organization']}/{user['id']}")
    for row in realm.group_members.by("user", user["id"]):
        realm.group_members.remove(f"{row['group']}/{user['id']}")
    for session in realm.sessions.by("user", user["id"]):
        realm.sessions.remove(session["key"])
    realm.users.remove(user["id"])


def is_enabled(realm: Realm, user: Document) -> bool:
    """Whether the account is enabled, and no organization that manages it is disabled."""
    managing = {row["organization"] for row in realm.members.by("user", user["id"]) if row["kind"] == "MANAGED"}
    return bool(user["enabled"]) and all(row["enabled"] for row in realm.memberships(user["id"]) if row["id"] in managing)


def user_page(realm: Realm, user: Document, *, brief: bool = False) -> Document:
    """A user's representation, without ``access``."""
    page = pick(user, *BASIC)
    if user["attributes"]:
        page["attributes"] = user["attributes"]
    page |= {"enabled": is_enabled(realm, user), "createdTimestamp": user["createdTimestamp"]}
    if brief:
        return page
    actions = {"totp": False, "disableableCredentialTypes": [], "requiredActions": user["requiredActions"]}
    return page | actions | {"notBefore": user["notBefore"]}


def find_login(realm: Realm, name: str) -> Document | None:
    """Who logs in under that name or address; service accounts never do."""
    name = name.strip().lower()
    user = realm.users.one("username", name)
    if user is None and realm.settings["loginWithEmailAllowed"]:
        user = realm.users.one("email", name)
    return None if user is None or user.get("service_client") else user


def search_users(realm: Realm, asked: dict[str, str]) -> list[Document]:
    """Users that fit the query's filters, by username; filters that are not known are ignored."""
    fields = {name: asked[name].lower() for name in ("username", "email", "firstName", "lastName") if asked.get(name)}
    exact, search = asked.get("exact") == "true", asked.get("search", "").strip().lower()
    rows: Iterable[Document] = realm.users
    if exact and "email" in fields:
        rows = realm.users.by("email", fields["email"])
    elif exact and "username" in fields:
        rows = realm.users.by("username", fields["username"])
    found = []
    for user in rows:
        if search:
            if user.get("service_client") or not all(_word_fits(user, word) for word in search.split()):
                continue
        elif user.get("service_client") and not fields:
            continue
        if not all(_field_fits(text_of(user.get(name)).lower(), want, exact=exact) for name, want in fields.items()):
            continue
        if any(asked.get(flag) and str(user[flag]).lower() != asked[flag] for flag in ("enabled", "emailVerified")):
            continue
        if not all(value in user["attributes"].get(name, []) for name, value in query_pairs(asked.get("q", ""))):
            continue
        found.append(user)
    return sorted(found, key=lambda user: str(user["username"]))


def query_pairs(text: str) -> list[tuple[str, str]]:
    """``k:v k2:"v 2"`` as pairs; words without a colon are ignored."""
    return [(name.strip('"'), value.strip('"')) for name, value in re.findall(r'("[^"]+"|[^\s:"]+):("[^"]*"|\S+)', text)]


def _word_fits(user: Document, word: str) -> bool:
    """Prefix by default, ``*infix*`` and ``"exact"`` when so marked."""
    values = [text_of(user.get(name)).lower() for name in ("username", "email", "firstName", "lastName")]
    if len(word) > 1 and word[0] == word[-1] == '"':
        return word[1:-1] in values
    pattern = ".*".join(re.escape(part) for part in (word if word.endswith("*") else word + "*").split("*"))
    return any(re.match(pattern + "$", value) for value in values)


def _field_fits(value: str, want: str, *, exact: bool) -> bool:
    return value == want if exact else want in value


def _check_profile(given: Document) -> None:
    email = given.get("email")
    if email and not is_email(text_of(email)):
        raise _profile_error("email", "error-invalid-email", email)
    for name in ("username", "email", "firstName", "lastName"):
        if len(text_of(given.get(name))) > 255:
            raise server_error() if name == "username" else _profile_error(name, "error-invalid-length-too-long", given[name], 255)


def _profile_error(field: str, problem: str, *params: Any) -> Refusal:
    return Refusal(400, {"field": field, "errorMessage": problem, "params": [field, *params]})
