"""A person with a browser and no scripts: opens pages, fills forms, follows links, keeps cookies.

Knows HTML and HTTP, not whose pages they are. `register` and `log_in` walk the pages of a login that names its forms as
Keycloak does. A redirect to an address where nobody listens ends like in a browser: the address stands in the bar, nothing on the page.
"""

import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit
from urllib.request import Request

import httpx

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SILENT = {"script", "style", "template", "svg", "select"}
LONGEST_CHAIN = 20
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


class Lost(Exception):
    """The page is not the one the person expected; says where they are and what they read."""

    def __init__(self, expected: str, page: "Page") -> None:
        super().__init__(f"{expected}; at {page.status} {page.url} ({page.id or page.title}): {page.text[:400]}")
        self.page = page


@dataclass
class Form:
    """A form as it stands: ``fields`` with their present values, ``buttons`` as (name, value, label)."""

    id: str
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Page:
    """What a person sees. ``id`` is the body's ``data-page-id``; ``links`` are (text, address); status 0: nobody listens there."""

    status: int
    url: str
    title: str = ""
    id: str = ""
    language: str = ""
    text: str = ""
    html: str = ""
    content: bytes = field(default=b"", repr=False)
    forms: list[Form] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)

    def form(self, form_id: str | None = None) -> Form:
        """The form with this id, else the first one. Raises Lost."""
        found = [form for form in self.forms if form_id in {None, form.id}]
        if not found:
            raise Lost(f"No form {form_id or ''} here", self)
        return found[0]


class Visitor:
    """One person's browser. Every method that goes somewhere returns the page arrived at, which is also ``page``."""

    def __init__(self, *, language: str = "en", timeout_seconds: float = 30) -> None:
        headers = {"User-Agent": AGENT, "Accept": "text/html,*/*;q=0.8", "Accept-Language": language}
        self._client = httpx.Client(headers=headers, timeout=timeout_seconds, trust_env=False)
        self._jar = httpx.Cookies(CookieJar(_LoopbackPolicy()))  # beside the client, which would copy it without the policy
        self.page = Page(0, "about:blank")

    def open(self, url: str) -> Page:
        """Type an address (a relative one counts from here)."""
        return self._go("GET", urljoin(self.page.url, url), typed=True)

    def submit(self, form_id: str | None = None, *, button: str | None = None, **fields: str) -> Page:
        """Fill ``fields`` into a form (the first unless named) and send it, pressing the button with this value or label.

        A field's underscores stand for hyphens or dots where the form has no such name with underscores. Raises Lost for
        a field or button that is not there.
        """
        form = self.page.form(form_id)
        sent = dict(form.fields)
        for name, value in fields.items():
            known = next((key for key in form.fields if key == name or key.replace("-", "_").replace(".", "_") == name), None)
            if known is None:
                raise Lost(f"No field {name} in form {form.id}", self.page)
            sent[known] = value
        if button is not None:
            pressed = next(((name, value) for name, value, label in form.buttons if button in {value, label}), None)
            if pressed is None:
                raise Lost(f"No button {button} in form {form.id}", self.page)
            sent |= dict([pressed]) if pressed[0] else {}
        elif form.buttons and form.buttons[0][0]:
            sent.setdefault(form.buttons[0][0], form.buttons[0][1])
        return self._go(form.method, urljoin(self.page.url, form.action), sent=sent)

    def follow(self, words: str) -> Page:
        """Follow the first link whose text or address contains ``words``. Raises Lost."""
        for text, address in self.page.links:
            if words.lower() in text.lower() or words in address:
                return self._go("GET", urljoin(self.page.url, address))
        raise Lost(f"No link {words!r} here", self.page)

    def send(self, method: str, url: str, *, headers: dict[str, str], **sent: Any) -> httpx.Response:
        """One exchange with this person's cookies, its answer as it is: not followed, no page of it. ``sent`` as httpx takes it."""
        request = self._client.build_request(method, url, headers=headers, **sent)
        self._jar.set_cookie_header(request)
        answer = self._client.send(request)
        self._jar.extract_cookies(answer)
        self._client.cookies.clear()
        return answer

    def cookies(self) -> dict[str, str]:
        """All cookies held, by name."""
        return {cookie.name: cookie.value or "" for cookie in self._jar.jar}

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def _go(self, method: str, url: str, *, sent: dict[str, str] | None = None, typed: bool = False) -> Page:
        start = self.page.url
        site = "none" if typed else "same-origin"
        for _ in range(LONGEST_CHAIN):
            site = site if typed else _further(site, start, url)
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
            if method == "POST":
                headers["Origin"] = _origin(start)
            try:
                form = {"data": sent} if method == "POST" else {"params": sent} if sent else {}
                answer = self.send(method, url, headers=headers, **form)
            except httpx.ConnectError:
                self.page = Page(0, url)
                return self.page
            if not answer.has_redirect_location:
                self.page = read_page(answer)
                return self.page
            url = urljoin(url, answer.headers["location"])
            if answer.status_code not in {307, 308}:
                method, sent = "GET", None
        raise Lost(f"More than {LONGEST_CHAIN} redirects", Page(0, url))


def read_page(answer: httpx.Response) -> Page:
    """Parse an answer into what a person sees."""
    page = Page(answer.status_code, str(answer.url), html=answer.text, content=answer.content)
    if "html" in answer.headers.get("content-type", ""):
        _Reader(page).feed(answer.text)
        page.text = " ".join(page.text.split())
    return page


def wait_for_mail(mail_url: str, to: str, *, count: int = 1, seconds: float = 15) -> dict[str, Any]:
    """The latest mail to ``to`` in the mail sink at ``mail_url``, once there are ``count``. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        mails: list[dict[str, Any]] = httpx.get(f"{mail_url}/messages.json", params={"to": to}, trust_env=False).json()
        if len(mails) >= count:
            return mails[-1]
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(mails)} mails to {to} in {seconds} s, {count} expected")
        time.sleep(0.05)


def register(visitor: Visitor, url: str, *, email: str, password: str, first_name: str, last_name: str, mail_url: str) -> Page:
    """Register at the page that ``url`` leads to, follow the link in the mail, set the password; the page after it. Raises Lost."""
    before = len(httpx.get(f"{mail_url}/messages.json", params={"to": email}, trust_env=False).json())
    page = visitor.open(url)
    if "email" in page.form("kc-register-form").fields:
        fields = {"email": email, "firstName": first_name, "lastName": last_name}
    else:  # an invitation: the address is fixed
        fields = {"firstName": first_name, "lastName": last_name}
    visitor.submit("kc-register-form", **fields)
    if visitor.page.id == "login-register":
        raise Lost("The registration was refused", visitor.page)
    visitor.open(wait_for_mail(mail_url, email, count=before + 1)["links"][0])
    return visitor.submit("kc-passwd-update-form", password_new=password, password_confirm=password)


def log_in(visitor: Visitor, url: str, *, email: str, password: str) -> Page:
    """Log in at the page that ``url`` leads to, address and password on one page or on two; nothing to do with a session. Raises Lost."""
    page = visitor.open(url)
    for _ in range(2):
        form = next((form for form in page.forms if form.id == "kc-form-login"), None)
        if form is None:
            break
        known = {"username": email, "password": password}
        page = visitor.submit("kc-form-login", **{name: value for name, value in known.items() if name in form.fields})
    if any(form.id == "kc-form-login" for form in page.forms):
        raise Lost("The login was refused", page)
    return page


class _LoopbackPolicy(DefaultCookiePolicy):
    """Browsers take loopback for safe: Secure cookies travel there over plain HTTP, too."""

    def return_ok_secure(self, cookie: Cookie, request: Request) -> bool:
        return urlsplit(request.full_url).hostname in {"localhost", "127.0.0.1", "::1"} or super().return_ok_secure(cookie, request)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "null"


def _further(site: str, start: str, url: str) -> str:
    """Fetch-Metadata's word for how far a navigation has come from where it began; it never comes nearer again."""
    order = ["same-origin", "same-site", "cross-site"]
    here = 0 if _origin(start) == _origin(url) else 1 if urlsplit(start).hostname == urlsplit(url).hostname else 2
    return order[max(here, order.index(site))]


class _Reader(HTMLParser):
    """Fills a page from its HTML."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._open: list[str] = []
        self._form: Form | None = None
        self._select: str | None = None
        self._words: list[str] | None = None
        self._sink: tuple[str, dict[str, str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self._open.append(tag)
        match tag:
            case "html":
                self._page.language = given.get("lang", "")
            case "body":
                self._page.id = given.get("data-page-id", "")
            case "form":
                method = given.get("method", "get").upper()
                self._form = Form(given.get("id", ""), given.get("action", self._page.url), method)
                self._page.forms.append(self._form)
            case "input":
                self._input(given, names=dict(attrs))
            case "select" if self._form is not None and given.get("name"):
                self._select = given["name"]
            case "option" if self._form is not None and self._select is not None:
                if "selected" in given or self._select not in self._form.fields:
                    self._form.fields[self._select] = given.get("value", "")
            case "a" | "button" | "textarea":
                self._words, self._sink = [], (tag, given)

    def _input(self, given: dict[str, str], *, names: dict[str, str | None]) -> None:
        kind, name = given.get("type", "text"), given.get("name", "")
        if self._form is None or "disabled" in names:
            return
        if kind in {"submit", "image"}:
            self._form.buttons.append((name, given.get("value", ""), given.get("value", "")))
        elif name and (kind not in {"checkbox", "radio", "button", "reset"} or "checked" in names):
            self._form.fields[name] = given.get("value", "on" if kind in {"checkbox", "radio"} else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag == "form":
            self._form = None
        if tag == "select":
            self._select = None
        if self._sink is not None and self._words is not None and tag == self._sink[0]:
            given, words = self._sink[1], " ".join(" ".join(self._words).split())
            if tag == "a" and given.get("href"):
                self._page.links.append((words, given["href"]))
            elif tag == "button" and self._form is not None and given.get("type", "submit") == "submit":
                self._form.buttons.append((given.get("name", ""), given.get("value", ""), words))
            elif tag == "textarea" and self._form is not None and given.get("name"):
                self._form.fields[given["name"]] = "".join(self._words)
            self._words = self._sink = None

    def handle_data(self, data: str) -> None:
        if self._words is not None:
            self._words.append(data)
        if "title" in self._open and "svg" not in self._open:
            self._page.title = (self._page.title + data).strip()
        elif not SILENT & set(self._open) and "head" not in self._open:
            self._page.text += f" {data}"
