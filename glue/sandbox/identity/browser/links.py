"""Links from mails: they verify an address, set a password, or accept an invitation."""

from urllib.parse import urlencode

from starlette.responses import Response

from glue.sandbox.identity import invitations
from glue.sandbox.identity.answers import Document
from glue.sandbox.identity.browser.flow import EXPIRED, advance, keep, refuse_disabled, start_login
from glue.sandbox.identity.browser.visits import BACK, BROWSER_TAB, Problem, Visit, back_link
from glue.sandbox.identity.events import note_event
from glue.sandbox.identity.mails import ACTION_NAMES
from glue.sandbox.identity.state import new_word

GONE = "The link you clicked is no longer valid. It may have expired or already been used."
STALE = "The link you clicked is an old stale link and is no longer valid. Maybe you have already verified your email."


def follow(visit: Visit) -> Response:
    """``login-actions/action-token?key=…``."""
    realm = visit.realm
    claims = realm.keys.unseal(visit.query.get("key", ""))
    client = realm.client(claims.get("azp")) if claims else None
    if claims is None or client is None or claims.get("typ") not in ACTIONS:
        raise Problem("Invalid request")
    user = realm.users.get(claims.get("sub", ""))
    login = _own_login(visit, claims)
    if claims["exp"] <= realm.now():
        if login:
            keep(realm, login, user=None, attempted=None, proved=False, mailed=None)
            return advance(visit, login, alert=EXPIRED)
        raise Problem(EXPIRED, client=client)
    if user and claims["typ"] == "verify-email" and realm.revoked.get(claims["jti"]) and user["emailVerified"]:
        text = "Your email address has been verified already."
        return visit.tell("Email address verified", text, link=claims.get("reduri") or back_link(realm, client), link_text=BACK)
    if user is None or realm.revoked.get(claims["jti"]) or user.get("email") != claims["eml"]:
        raise Problem(STALE, client=client)
    refuse_disabled(realm, user, client)
    return ACTIONS[claims["typ"]](visit, claims, user, login)


def _own_login(visit: Visit, claims: Document) -> Document | None:
    """The login that the mail was sent in, when this is still its browser."""
    root, tab, *_ = (*str(claims.get("asid") or "..").split("."), "", "")
    login = visit.realm.logins.get(tab)
    return login if login and login["root"] == root == visit.cookies.get(BROWSER_TAB) else None


def _again(visit: Visit, claims: Document) -> str:
    """The same link, as the one on the page that asks whether to proceed."""
    return f"{visit.realm.issuer}/login-actions/action-token?" + urlencode(
        {"key": visit.realm.keys.seal(claims | {"proceed": new_word(6)})}
    )


def _use(visit: Visit, claims: Document) -> None:
    visit.realm.revoked.put(claims["jti"], {"id": claims["jti"]})


def _elsewhere(visit: Visit, claims: Document, user: Document, actions: list[str]) -> Response:
    """Go on in a browser that did not ask: the tab that did is dead, and this one ends with a page, not with a code."""
    realm = visit.realm
    root, tab, *_ = (*str(claims.get("asid") or "..").split("."), "", "")
    if root and realm.logins.get(tab):
        realm.logins.remove(tab)
    client = realm.client(claims["azp"])
    assert client, "looked at before"
    fields = {"user": user["id"], "attempted": user["username"], "proved": True, "ending": "updated", "actions": actions}
    login = start_login(visit, client, "actions", redirect_uri=claims.get("reduri"), **fields)
    return advance(visit, login)


def _verify(visit: Visit, claims: Document, user: Document, login: Document | None) -> Response:
    realm = visit.realm
    if login is None and "proceed" not in claims:
        text = f"Confirm validity of e-mail address {claims['eml']}."
        return visit.tell("Email address validation", text, link=_again(visit, claims))
    _use(visit, claims)
    user["emailVerified"] = True
    user["requiredActions"] = [action for action in user["requiredActions"] if action != "VERIFY_EMAIL"]
    realm.users.put(user["id"], user)
    note_event(
        realm, "VERIFY_EMAIL", client=claims["azp"], user=user["id"], action="verify-email", email=user["email"], username=user["username"]
    )
    if login:
        return advance(visit, keep(realm, login, user=user["id"], proved=True))
    return _elsewhere(visit, claims, user, [])


def _reset(visit: Visit, claims: Document, user: Document, login: Document | None) -> Response:
    realm = visit.realm
    _use(visit, claims)
    user["emailVerified"] = True
    realm.users.put(user["id"], user)
    note_event(
        realm,
        "RESET_PASSWORD",
        client=claims["azp"],
        user=user["id"],
        action="reset-credentials",
        email=user["email"],
        username=user["username"],
    )
    if login is None:
        return _elsewhere(visit, claims, user, ["UPDATE_PASSWORD"])
    return advance(
        visit,
        keep(realm, login, kind="authenticate", user=user["id"], attempted=user["username"], proved=True, actions=["UPDATE_PASSWORD"]),
    )


def _execute(visit: Visit, claims: Document, user: Document, _: Document | None) -> Response:
    if "proceed" not in claims:
        names = tuple(ACTION_NAMES.get(action, action) for action in claims["rqac"])
        return visit.tell("Perform the following action(s)", "Perform the following action(s):", link=_again(visit, claims), items=names)
    _use(visit, claims)
    note_event(
        visit.realm, "EXECUTE_ACTION_TOKEN", client=claims["azp"], user=user["id"], action="execute-actions", username=user["username"]
    )
    return _elsewhere(visit, claims, user, claims["rqac"])


def _join(visit: Visit, claims: Document, user: Document, _: Document | None) -> Response:
    realm = visit.realm
    opened = invitations.open_invitation(realm, claims)
    if opened is None:
        organization = realm.organizations.get(claims["org_id"])
        member = realm.membership(organization["id"], user["id"]) if organization else None
        text = f"You are already a member of the {organization['name']} organization." if organization and member else GONE
        return visit.refuse_link(text, link=claims["reduri"] if member else None)
    invitation, organization = opened
    if "proceed" not in claims:
        text = f"By clicking on the link below, you will become a member of the {organization['name']} organization:"
        return visit.tell(f"You are about to join organization {organization['name']}", text, link=_again(visit, claims))
    invitations.accept(realm, invitation, organization, user, managed=False)
    told = {
        "token_id": invitation["id"],
        "org_id": organization["id"],
        "action": "ORGIVT",
        "auth_method": "openid-connect",
        "response_type": "code",
    }
    told |= {
        "redirect_uri": claims["reduri"],
        "remember_me": "false",
        "code_id": new_word(),
        "response_mode": "query",
        "username": user["username"],
    }
    note_event(realm, "INVITE_ORG", client="account", user=user["id"], **told)
    return visit.leave(claims["reduri"])


ACTIONS = {"verify-email": _verify, "reset-credentials": _reset, "execute-actions": _execute, "ORGIVT": _join}
