"""A local server that keeps issues as GitHub or Forgejo do: labels, milestones, comments, state, signed webhooks."""

import hashlib
import hmac
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY, TOKEN = "kestrel/product", "token-of-the-tracker"
START = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


class IssueServer:
    """State that tests read and change; ``log`` holds method and path of each call, ``faults`` statuses to answer next."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.labels: list[dict[str, Any]] = []
        self.milestones: list[dict[str, Any]] = []
        self.log: list[str] = []
        self.faults: list[tuple[str, int, bool]] = []  # method, status, whether it is done all the same
        self._ticks = 0
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"tracker": self}))
        server.daemon_threads = True
        self._server = server
        threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}" + ("" if kind == "github" else "/api/v1")

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def writes(self) -> list[str]:
        return [line for line in self.log if not line.startswith("GET")]

    def now(self) -> str:
        self._ticks += 1
        return (START + timedelta(seconds=self._ticks)).strftime("%Y-%m-%dT%H:%M:%SZ")

    # what developers do in the tracker's own pages

    def open(self, title: str, *, body: str = "", labels: tuple[str, ...] = (), by: str = "dev", pull: bool = False) -> int:
        issue = {"title": title, "body": body, "labels": [{"name": name} for name in labels], "milestone": None, "user": {"login": by}}
        number = len(self.issues) + 1
        self.issues[number] = {
            "number": number,
            "state": "open",
            "html_url": f"https://git.example.test/{number}",
            "pull_request": pull or None,
        }
        self.issues[number] |= issue | {"updated_at": self.now()}
        self.comments[number] = []
        return number

    def comment(self, number: int, body: str, *, by: str = "dev") -> int:
        identity = sum(len(rows) for rows in self.comments.values()) + 1
        self.comments[number].append({"id": identity, "body": body, "user": {"login": by}, "created_at": self.now()})
        self.issues[number]["updated_at"] = self.now()
        return identity

    def set(self, number: int, **changes: Any) -> None:
        self.issues[number] |= changes | {"updated_at": self.now()}

    def add(self, kind: str, document: dict[str, Any]) -> dict[str, Any]:
        rows = self.labels if kind == "labels" else self.milestones
        identity = 100 + len(rows)  # never a milestone's number at GitHub
        row = {"id": identity, "number": len(rows) + 1, "state": "open"} | document
        rows.append(row)
        return row

    def of_milestone(self, value: int | None) -> dict[str, Any] | None:
        key = "number" if self.kind == "github" else "id"
        return next((row for row in self.milestones if row[key] == value), None)

    def names_of(self, labels: list[Any]) -> tuple[str, ...]:
        if self.kind == "github":
            return tuple(labels)
        return tuple(next(row["name"] for row in self.labels if row["id"] == wanted) for wanted in labels)


def signed(body: bytes, secret: str, *, kind: str) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={digest}"} if kind == "github" else {"x-forgejo-signature": digest}


class _Handler(BaseHTTPRequestHandler):
    tracker: IssueServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = urlsplit(self.path)
        if REPOSITORY in parts.path:  # whoever looks for a server of its own on a port that this one was given asks elsewhere
            self.tracker.log.append(f"{method} {parts.path.split(REPOSITORY)[-1]}")
        fault = next((one for one in self.tracker.faults if one[0] == method), None)
        if fault:
            self.tracker.faults.remove(fault)
        if fault and not fault[2]:
            return self._answer(fault[1], {"message": "not now"})
        word = "Bearer" if self.tracker.kind == "github" else "token"
        if self.headers.get("authorization") != f"{word} {TOKEN}":
            return self._answer(401, {"message": "Bad credentials"})
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        status, answer = self._act(method, parts.path.split(REPOSITORY)[-1].strip("/").split("/"), asked, json.loads(body or b"null"))
        return self._answer(*((fault[1], {"message": "lost"}) if fault else (status, answer)))

    def _act(self, method: str, path: list[str], asked: dict[str, str], document: Any) -> tuple[int, Any]:
        tracker = self.tracker
        match method, path:
            case "GET", ["issues"]:
                rows = [row for row in tracker.issues.values() if row["updated_at"] >= asked.get("since", "")]
                return 200, _page(sorted(rows, key=lambda row: row["updated_at"], reverse=True), asked)
            case "POST", ["issues"]:
                number = tracker.open(document["title"], body=document["body"], labels=tracker.names_of(document["labels"]), by="glue")
                tracker.set(number, milestone=tracker.of_milestone(document.get("milestone")))
                return 201, tracker.issues[number]
            case "GET", ["issues", number] if int(number) in tracker.issues:
                return 200, tracker.issues[int(number)]
            case "PATCH", ["issues", number] if int(number) in tracker.issues:
                tracker.set(int(number), **document)
                return 200 if tracker.kind == "github" else 201, tracker.issues[int(number)]
            case "GET", ["issues", number, "comments"] if int(number) in tracker.issues:
                return 200, _page(tracker.comments[int(number)], asked)
            case "POST", ["issues", number, "comments"] if int(number) in tracker.issues:
                return 201, {"id": tracker.comment(int(number), document["body"], by="glue")}
            case "GET", ["labels" | "milestones" as kind]:
                return 200, _page(getattr(tracker, kind), asked)
            case "POST", ["labels" | "milestones" as kind]:
                return 201, tracker.add(kind, document)
        return 404, {"message": "Not Found"}

    def _answer(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _page(rows: list[Any], asked: dict[str, str]) -> list[Any]:
    size, page = int(asked["per_page"]), int(asked["page"])
    return rows[(page - 1) * size : page * size]
