"""The mail sink, and the person with a browser but without scripts, on small pages of our own."""

import smtplib
import threading
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from glue.sandbox.visitor import Lost, Visitor, log_in, register, wait_for_mail
from tests.fixtures_sandbox import REALM_FILE, running_sandbox

FORM = """<html lang="de"><head><title>Hi</title><style>p {}</style></head><body data-page-id="form"><p>Hello &amp; <b>you</b></p>
<form id="one" action="/sent?x=1" method="post"><input name="first-name" value="Ann"><input type="hidden" name="token" value="t&amp;t">
<input type="checkbox" name="keep"><input type="checkbox" name="all" checked><input name="gone" disabled value="1"><input type="radio" name="size" value="s">
<input type="radio" name="size" value="l" checked>
<select name="land"><option value="de">D</option><option value="at" selected>A</option></select><textarea name="note">so</textarea>
<button name="do" value="go">Go on</button><button name="do" value="stop">Stop</button><button type="button">Show</button></form>
<form id="two" action="/search"><input name="q"><input type="submit" name="s" value="Find"></form>
<a href="/next">To the <b>next</b></a></body></html>"""


@pytest.fixture
def site():
    """Answers what it got; ``/set`` sets cookies, ``/away`` leads to a closed port, ``/loop`` nowhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = urlsplit(self.path).path
            to = {"/away": "http://127.0.0.1:9/there?code=1", "/loop": "/loop", "/set": "/echo"}.get(path)
            self.send_response(302 if to else 200)
            self.send_header("Content-Type", "text/html" if path == "/" else "text/plain")
            if to:
                self.send_header("Location", to)
            if path == "/set":
                self.send_header("Set-Cookie", "S=1; Secure; HttpOnly; SameSite=None; Path=/")
                self.send_header("Set-Cookie", "__Host-p=2; Secure; Path=/")
                self.send_header("Set-Cookie", "deep=3; Path=/deep/")
            self.end_headers()
            length = int(self.headers.get("content-length", 0))
            heard = [self.command, self.path, self.rfile.read(length).decode(), *(f"{k}: {v}" for k, v in self.headers.items())]
            self.wfile.write((FORM if path == "/" else "\n".join(heard)).encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visitor():
    with Visitor(language="de") as made:
        yield made


def test_page_is_read_as_a_person_sees_it(site, visitor):
    page = visitor.open(site)
    assert (page.status, page.title, page.id, page.language) == (200, "Hi", "form", "de")
    assert page.text.startswith("Hello & you")
    assert page.links == [("To the next", "/next")]
    assert [form.id for form in page.forms] == ["one", "two"]


def test_form_is_sent_with_what_stands_in_it(site, visitor):
    visitor.open(site)
    heard = visitor.submit("one", first_name="Bob", button="Stop").html.splitlines()
    assert heard[:2] == ["POST", "/sent?x=1"]
    assert parse_qs(heard[2]) == {
        "first-name": ["Bob"],
        "token": ["t&t"],
        "all": ["on"],
        "size": ["l"],
        "land": ["at"],
        "note": ["so"],
        "do": ["stop"],
    }


def test_first_button_is_pressed_unless_named(site, visitor):
    visitor.open(site)
    assert parse_qs(visitor.submit().html.splitlines()[2])["do"] == ["go"]


def test_search_form_asks_by_address(site, visitor):
    visitor.open(site)
    assert visitor.submit("two", q="x").html.splitlines()[1] == "/search?q=x&s=Find"


def test_what_is_not_there_is_told(site, visitor):
    visitor.open(site)
    for act in (
        lambda: visitor.submit("three"),
        lambda: visitor.submit(colour="red"),
        lambda: visitor.submit(button="Buy"),
        lambda: visitor.follow("nowhere"),
        lambda: visitor.open(f"{site}/loop"),
    ):
        with pytest.raises(Lost):
            act()


def test_secure_cookies_travel_on_loopback_within_their_path(site, visitor):
    assert "Cookie: S=1; __Host-p=2" in visitor.open(f"{site}/set").html
    assert "deep=3" in visitor.open("/deep/er").html
    assert visitor.cookies() == {"S": "1", "__Host-p": "2", "deep": "3"}


def test_browser_tells_where_a_navigation_came_from(site, visitor):
    assert "Sec-Fetch-Site: none" in visitor.open(f"{site}/echo").html
    visitor.open(site)
    assert "Sec-Fetch-Site: same-origin" in visitor.follow("next").html
    visitor.open(site)
    posted = visitor.submit("one").html
    assert f"Origin: {site}" in posted
    assert "Sec-Fetch-Site: same-origin" in posted
    assert "Accept-Language: de" in posted


def test_redirect_to_a_closed_port_leaves_its_address_in_the_bar(site, visitor):
    page = visitor.open(f"{site}/away")
    assert (page.status, page.url) == (0, "http://127.0.0.1:9/there?code=1")


@pytest.fixture(scope="module")
def sink():
    with running_sandbox("mail") as facts:
        yield facts


def send(sink, *to: str) -> dict:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ä <a@example.test>", ", ".join(to), "Grüße"
    mail.set_content("Hello\n.dotted\nhttp://x.test/?a=1&b=2\n")
    mail.add_alternative(
        '<p>Hi <a href="http://x.test/?a=1&amp;b=2">x</a> <a href="http://y.test/">y</a><script>1</script></p>', subtype="html"
    )
    with smtplib.SMTP(sink["smtp_host"], sink["smtp_port"]) as client:
        return client.send_message(mail)


def test_mail_is_kept_with_its_links(sink):
    send(sink, "ann@example.test", "bob@example.test")
    mail = wait_for_mail(sink["url"], "Bob@example.test")
    assert mail["to"] == ["ann@example.test", "bob@example.test"]
    assert (mail["from"], mail["subject"]) == ("Ä <a@example.test>", "Grüße")
    assert mail["text"].splitlines()[1] == ".dotted"
    assert mail["links"] == ["http://x.test/?a=1&b=2", "http://y.test/"]


def test_sink_shows_mails_and_forgets_them(sink):
    send(sink, "ann@example.test")
    page = httpx.get(sink["url"])
    assert "Grüße" in page.text
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert httpx.delete(f"{sink['url']}/messages").status_code == 204
    assert httpx.get(f"{sink['url']}/messages.json").json() == []
    with pytest.raises(TimeoutError, match="0 mails"):
        wait_for_mail(sink["url"], "ann@example.test", seconds=0.1)


def test_refusals_and_nonsense_are_answered(sink):
    with smtplib.SMTP(sink["smtp_host"], sink["smtp_port"]) as client:
        client.ehlo()
        assert client.docmd("DATA")[0] == 503
        assert client.docmd("VRFY x")[0] == 502
        client.mail("a@example.test")
        assert client.rcpt("bounce@example.test")[0] == 550
        assert client.rcpt("later@example.test")[0] == 451
        assert client.rset()[0] == 250
        assert client.docmd("X" * 70_000)[0] == 500


def test_register_and_log_in_walk_any_provider_with_these_forms(sink):
    """The identity sandbox names its pages and forms as Keycloak does; `test_keycloak_journeys` walks the real one."""
    environment = {f"GLUE_KEYCLOAK__{name}_CLIENT_SECRET": f"{name}-secret-1" for name in ("SERVICE", "PORTAL", "API", "APPLY")}
    environment |= {"GLUE_PUBLIC_URL": "http://127.0.0.1:9", "GLUE_MAIL__HOST": "127.0.0.1", "GLUE_MAIL__STARTTLS": "false"}
    words = ["--realm-file", str(REALM_FILE), "--smtp", f"{sink['smtp_host']}:{sink['smtp_port']}"]
    with running_sandbox("identity", *words, environment=environment) as identity, Visitor() as visitor, Visitor() as later:
        params = {"client_id": "glue-portal", "redirect_uri": "http://127.0.0.1:9/auth/callback", "response_type": "code", "state": "s"}
        params |= {"scope": "openid organization:*", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}
        url = str(httpx.URL(f"{identity['issuer']}/protocol/openid-connect/auth", params=params | {"code_challenge_method": "S256"}))
        person = {"email": "zoe@example.test", "password": "correct-horse-battery"}
        page = register(visitor, f"{url}&prompt=create", **person, first_name="Zoe", last_name="Ray", mail_url=sink["url"])
        assert "code=" in page.url
        assert "code=" in log_in(later, url, **person).url
        with pytest.raises(Lost, match="login"), Visitor() as stranger:
            log_in(stranger, url, email="zoe@example.test", password="wrong password")
