"""A person with Chromium: does what `glue.sandbox.visitor.Visitor` does, in the real browser, with style, scripts and its own rules.

Playwright runs a loop of its own, which must not be the one of the tests: everything happens in one thread for the purpose.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from glue.sandbox.visitor import Lost, Page, read_page

PATH = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-gpu",
]  # fmt: skip
LONGEST_SECONDS = 60
BUTTONS = "button:not([type=button]), input[type=submit]"
# What stands in a closed menu is found by opening the menu.
UNFOLD = "element => { for (let one = element.closest('details'); one; one = one.parentElement.closest('details')) one.open = true }"


class Chromium:
    """The browser, running until closed."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chromium")
        self.run(self._start)

    def _start(self) -> None:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self.browser = self._playwright.chromium.launch(executable_path=PATH, args=ARGUMENTS)

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Do it in the browser's thread."""
        return self._thread.submit(function, *args, **kwargs).result()

    def close(self) -> None:
        self.run(self.browser.close)
        self.run(self._playwright.stop)
        self._thread.shutdown()


def _in_thread(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def run(self: "ChromiumVisitor", *args: Any, **kwargs: Any) -> Any:
        return self._chromium.run(method, self, *args, **kwargs)

    return run


class ChromiumVisitor:
    """One person's windows: cookies of their own, one tab. Same promises as Visitor's; a form is filled as a person fills it.

    What the browser itself would refuse (an empty required field) is sent all the same: the server's refusal is what tests ask for.
    """

    def __init__(self, chromium: Chromium, *, language: str = "en-US", scripts: bool = True) -> None:
        self._chromium = chromium
        self.page = Page(0, "about:blank")
        chromium.run(self._open_window, language, scripts)

    def _open_window(self, language: str, scripts: bool) -> None:
        size = {"width": 1280, "height": 860}
        self._context = self._chromium.browser.new_context(locale=language, java_script_enabled=scripts, viewport=size)
        self._context.set_default_timeout(LONGEST_SECONDS * 1000)
        self.tab = self._context.new_page()

    @_in_thread
    def open(self, url: str) -> Page:
        from playwright.sync_api import Error

        url = urljoin(self.page.url, url)
        try:
            return self._read(self.tab.goto(url))
        except Error as error:
            if "ERR_CONNECTION_REFUSED" not in str(error):
                raise
            self.page = Page(0, url)
            return self.page

    @_in_thread
    def submit(self, form_id: str | None = None, *, button: str | None = None, **fields: str) -> Page:
        self.page = read_page(httpx.Response(self.page.status, html=self.tab.content(), request=httpx.Request("GET", self.tab.url)))
        known = self.page.form(form_id)
        form = self.tab.locator(f'form[id="{form_id}"]' if form_id else "form").first
        for name, value in fields.items():
            called = next((key for key in known.fields if key.replace("-", "_").replace(".", "_") == name), name)
            self._fill(form.locator(f'[name="{called}"]'), value, name)
        form.evaluate("form => { form.noValidate = true }")
        buttons = form.locator(BUTTONS)
        pressed = buttons.first
        if button is not None:
            pressed = next((one for one in buttons.all() if button in {one.get_attribute("value"), one.inner_text().strip()}), None)
            if pressed is None:
                raise Lost(f"No button {button} in form {form_id}", self.page)
        pressed.evaluate(UNFOLD)
        with self.tab.expect_navigation() as arrival:
            pressed.click()
        return self._read(arrival.value)

    def _fill(self, field: Any, value: str, name: str) -> None:
        if not field.count():
            raise Lost(f"No field {name}", self.page)
        field.first.evaluate(UNFOLD)
        match field.first.evaluate("field => field.type"):
            case "select-one":
                field.first.select_option(value)
            case "radio" | "checkbox":
                # The whole card is the thing to press; the point itself may be out of sight.
                field.and_(self.tab.locator(f'[value="{value}"]')).check(force=True)
            case _:
                field.first.fill(value)

    @_in_thread
    def follow(self, words: str) -> Page:
        for link in self.tab.locator("a[href]").all():
            if words.lower() in (link.text_content() or "").lower() or words in (link.get_attribute("href") or ""):
                link.evaluate(UNFOLD)
                with self.tab.expect_navigation() as arrival:
                    link.click()
                return self._read(arrival.value)
        raise Lost(f"No link {words!r} here", self.page)

    @_in_thread
    def send(self, method: str, url: str, *, headers: dict[str, str], **sent: Any) -> httpx.Response:
        cookies = {cookie["name"]: cookie["value"] for cookie in self._context.cookies(url)}
        with httpx.Client(cookies=cookies, headers={"User-Agent": "Chromium"}, timeout=LONGEST_SECONDS, trust_env=False) as client:
            answer = client.request(method, url, headers=headers, **sent)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self._context.clear_cookies(name=name)
                if morsel["max-age"] != "0":
                    # Over https as far as the browser asks: it keeps a Secure cookie for loopback, but only pages may set one there.
                    kept = {"name": name, "value": morsel.value, "url": f"https://{urlsplit(url).netloc}", "secure": True, "httpOnly": True}
                    self._context.add_cookies([kept])
        return answer

    @_in_thread
    def cookies(self) -> dict[str, str]:
        return {cookie["name"]: cookie["value"] for cookie in self._context.cookies()}

    @_in_thread
    def close(self) -> None:
        self._context.close()

    def _read(self, answer: Any) -> Page:
        request = httpx.Request("GET", self.tab.url)
        self.page = read_page(httpx.Response(answer.status if answer else 200, html=self.tab.content(), request=request))
        return self.page
