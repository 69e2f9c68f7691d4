"""Invitations to an organization: a row, a mail with a signed link, and what the link does."""

from glue.sandbox.identity import mails
from glue.sandbox.identity.answers import Document, message, oauth
from glue.sandbox.identity.organizations import add_member
from glue.sandbox.identity.people import is_email
from glue.sandbox.identity.state import Realm, new_id, pick, text_of


async def invite_address(realm: Realm, organization: Document, form: dict[str, str]) -> Document:
    """Invite whoever has that address; an account of that address is invited by its names."""
    email = form.get("email", "").strip().lower()
    if not email:
        raise message(400, "Email is required to invite a member")
    if not is_email(email):
        raise message(400, "Invalid email format")
    user = realm.users.one("email", email)
    if user and realm.membership(organization["id"], user["id"]):
        raise message(409, "User already a member of the organization")
    if any(_status(realm, row) == "PENDING" for row in _of(realm, organization, email)):
        raise message(409, "User already has a pending invitation")
    names = pick(user, "firstName", "lastName") if user else {name: form[name] for name in ("firstName", "lastName") if form.get(name)}
    return await _invite(realm, organization, email=email, user=user, names=names)


async def invite_account(realm: Realm, organization: Document, user_id: str | None) -> Document:
    """Invite an account by id, even one that is a member already."""
    user = realm.users.get(user_id or "")
    if user is None or not user.get("email"):
        raise message(400, "User does not exist")
    return await _invite(realm, organization, email=user["email"], user=user, names=pick(user, "firstName", "lastName"))


async def resend(realm: Realm, organization: Document, old: Document) -> Document:
    """A new invitation in place of the old one, whose link is dead then."""
    realm.invitations.remove(old["id"])
    try:
        return await _invite(
            realm, organization, email=old["email"], user=realm.users.get(old.get("user") or ""), names=pick(old, "firstName", "lastName")
        )
    except Exception:
        realm.invitations.put(old["id"], old)
        raise


async def _invite(realm: Realm, organization: Document, *, email: str, user: Document | None, names: Document) -> Document:
    if not organization["enabled"]:
        raise message(400, "Organization is disabled")
    lifespan = realm.settings["actionTokenGeneratedByAdminLifespan"]
    row: Document = {"id": new_id(), "organization": organization["id"], "email": email, "user": user["id"] if user else None, **names}
    row |= {"sent": realm.now(), "expires": realm.now() + lifespan}
    try:
        await mails.send_invitation(realm, row, organization=organization["name"], link=_link(realm, organization, row), seconds=lifespan)
    except mails.MailError:
        raise message(500, "Failed to send invite email") from None
    # A real server mails first and finds the earlier row only when it stores the new one: the link that went out is dead.
    if _of(realm, organization, email):
        raise oauth(409, "conflict", "Duplicate resource error")
    with realm.store.transaction():
        return realm.invitations.put(row["id"], row)


def _link(realm: Realm, organization: Document, row: Document) -> str:
    claims = {"iss": realm.issuer, "aud": realm.issuer, "azp": "account", "typ": "ORGIVT", "jti": row["id"], "nonce": new_id()}
    claims |= {"iat": row["sent"], "exp": row["expires"], "eml": row["email"], "org_id": organization["id"]}
    claims["reduri"] = organization.get("redirectUrl") or f"{realm.issuer}/account/"
    if row["user"]:
        return f"{realm.issuer}/login-actions/action-token?key={realm.keys.seal(claims | {'sub': row['user']})}"
    return f"{realm.issuer}/protocol/openid-connect/registrations?response_type=code&client_id=account&token={realm.keys.seal(claims)}"


def _of(realm: Realm, organization: Document, email: str) -> list[Document]:
    return [row for row in realm.invitations.by("organization", organization["id"]) if row["email"] == email]


def _status(realm: Realm, row: Document) -> str:
    return "PENDING" if row["expires"] > realm.now() else "EXPIRED"


def invitation_page(realm: Realm, row: Document) -> Document:
    """An invitation's representation; times in seconds, no link."""
    page = {"id": row["id"], "organizationId": row["organization"], "email": row["email"]} | pick(row, "firstName", "lastName")
    return page | {"sentDate": row["sent"], "expiresAt": row["expires"], "status": _status(realm, row)}


def search_invitations(realm: Realm, organization: Document, asked: dict[str, str]) -> list[Document]:
    """Pages, newest first."""
    found = []
    for row in reversed(realm.invitations.by("organization", organization["id"])):
        page = invitation_page(realm, row)
        texts = [text_of(page.get(name)).lower() for name in ("email", "firstName", "lastName")]
        if asked.get("status") and page["status"] != asked["status"].upper():
            continue
        if asked.get("email") and page["email"] != asked["email"].lower():
            continue
        if asked.get("search") and not any(asked["search"].lower() in text for text in texts):
            continue
        found.append(page)
    return found


def require_invitation(realm: Realm, organization: Document, invitation_id: str) -> Document:
    row = realm.invitations.get(invitation_id)
    if row is None or row["organization"] != organization["id"]:
        raise message(404, "Invitation not found")
    return row


def open_invitation(realm: Realm, claims: Document | None) -> tuple[Document, Document] | None:
    """The invitation and organization of a link's token, None when it holds no more."""
    if claims is None or claims.get("typ") != "ORGIVT" or claims["exp"] <= realm.now():
        return None
    row = realm.invitations.get(claims["jti"])
    organization = realm.organizations.get(claims["org_id"])
    if row is None or organization is None or not organization["enabled"]:
        return None
    return row, organization


def accept(realm: Realm, invitation: Document, organization: Document, user: Document, *, managed: bool) -> None:
    """The invitation becomes a membership; who is a member already stays what they are."""
    realm.invitations.remove(invitation["id"])
    if not realm.membership(organization["id"], user["id"]):
        add_member(realm, organization, user, managed=managed)
