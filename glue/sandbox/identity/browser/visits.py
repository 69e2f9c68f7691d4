"""A browser's request and the page or redirect that answers it, cookies included."""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from starlette.responses import HTMLResponse, Response

from glue.sandbox.identity.answers import Document
from glue.sandbox.identity.state import Realm

TEMPLATES = Path(__file__).parent / "templates"
LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français", "pt-BR": "Português (Brasil)"}
BROWSER_TAB, IDENTITY = "AUTH_SESSION_ID", "KEYCLOAK_IDENTITY"
BACK = "« Back to Application"
POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; frame-ancestors 'self'; base-uri 'none'"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)


class Problem(Exception):
    """Ends a visit with the error page."""

    def __init__(self, text: str, *, status: int = 400, client: Document | None = None) -> None:
        super().__init__(text)
        self.text, self.status, self.client = text, status, client


@dataclass
class Visit:
    """One request of a browser. Answers carry the cookies set meanwhile; errands are run before they leave."""

    realm: Realm
    method: str
    url: str
    query: dict[str, str]
    form: dict[str, str]
    cookies: dict[str, str]
    agent: str
    languages: str
    authorization: str | None
    wants_page: bool
    errands: list[Coroutine[Any, Any, None]] = field(default_factory=list)
    _baked: list[str] = field(default_factory=list)

    @property
    def given(self) -> dict[str, str]:
        """Query and form together."""
        return self.query | self.form

    def set_cookie(self, name: str, value: str, *, seconds: int | None = None, readable: bool = False) -> None:
        """As a real server does it: Secure and SameSite=None even over plain http, but for Safari."""
        self.cookies[name] = value
        safari = "Safari" in self.agent and "Chrom" not in self.agent
        parts = [f"{name}={value}", f"Path=/realms/{self.realm.name}/", *([] if readable else ["HttpOnly"])]
        parts += ["SameSite=Lax"] if safari else ["Secure", "SameSite=None"]
        self._baked.append("; ".join(parts + ([f"Max-Age={seconds}"] if seconds is not None else [])))

    def drop_cookie(self, name: str) -> None:
        self.set_cookie(name, "", seconds=0)
        self.cookies.pop(name)

    def remember_locale(self) -> None:
        """Keep the language chosen on a page."""
        if self.query.get("kc_locale") and "login-actions" in self.url:
            self.set_cookie("KEYCLOAK_LOCALE", self.query["kc_locale"])

    def locale(self) -> str:
        """The language asked for, among those that the realm has."""
        settings = self.realm.settings
        known = settings.get("supportedLocales") or ["en"]
        header = [part.split(";")[0].strip() for part in self.languages.split(",")]
        asked = [
            self.query.get("kc_locale") if "login-actions" in self.url else None,
            self.cookies.get("KEYCLOAK_LOCALE"),
            *(self.given.get("ui_locales") or "").split(),
            *header,
        ]
        found = next((locale for word in asked if word for locale in known if locale in (word, word.split("-")[0])), None)
        return str(found or settings.get("defaultLocale") or "en")

    def show(self, template: str, page_id: str, title: str, *, status: int = 200, **values: Any) -> Response:
        """A page; ``alert`` is told above its content."""
        realm = self.realm
        values.setdefault("errors", {})
        values.setdefault("alert_kind", "error" if values.get("alert") else "")
        locales = self._locales(values.get("action") or self.url) if status == 200 and template != "message.html" else []
        text = (
            _environment()
            .get_template(template)
            .render(page_id=page_id, title=title, product=realm.display_name, base=realm.issuer, locales=locales, **values)
        )
        return self._finish(HTMLResponse(text, status_code=status, headers={"content-security-policy": POLICY}))

    def tell(
        self, title: str, text: str, *, link: str | None = None, link_text: str = "» Click here to proceed", items: tuple[str, ...] = ()
    ) -> Response:
        """The info page."""
        return self.show("message.html", "info", title, text=text, items=items, link=link, link_text=link_text)

    def refuse_link(self, text: str, *, link: str | None = None) -> Response:
        """The page for an invitation that holds no more."""
        title = "Action expired. Please continue with login now."
        return self.show("message.html", "info", title, status=400, text=text, items=(), link=link, link_text=BACK)

    def explain(self, problem: Problem) -> Response:
        """The error page."""
        link = back_link(self.realm, problem.client) if problem.client else None
        return self.show(
            "message.html",
            "error",
            "We are sorry...",
            status=problem.status,
            text=problem.text,
            items=(),
            link=link,
            back=True,
            link_text=BACK,
        )

    def leave(self, url: str) -> Response:
        """A redirect."""
        return self._finish(Response(status_code=302, headers={"location": url}))

    def _locales(self, here: str) -> list[Document]:
        """The choice of languages; ``here`` is an address that shows the same step again."""
        if not self.realm.settings["internationalizationEnabled"]:
            return []
        chosen, mark = self.locale(), "&" if "?" in here else "?"
        names = self.realm.settings.get("supportedLocales") or []
        return [{"name": LANGUAGES.get(name, name), "chosen": name == chosen, "url": f"{here}{mark}kc_locale={name}"} for name in names]

    def _finish(self, response: Response) -> Response:
        response.headers["cache-control"] = "no-store, must-revalidate, max-age=0"
        response.headers["referrer-policy"] = "no-referrer"
        response.headers["x-content-type-options"] = "nosniff"
        for cookie in self._baked:
            response.raw_headers.append((b"set-cookie", cookie.encode()))
        return response


def back_link(realm: Realm, client: Document) -> str | None:
    """Where "Back to Application" goes: the client's base address."""
    base = client.get("baseUrl")
    if not base:
        return None
    return str(base) if "://" in base else (client.get("rootUrl") or realm.url).rstrip("/") + str(base)
