"""A tiny HTTP server that answers what a test tells it and counts what reaches it."""

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any


@dataclass
class Answer:
    status: int = 200
    body: Any = None  # text and bytes as they are, anything else as JSON
    headers: dict[str, str] = field(default_factory=dict)
    after_seconds: float = 0
    cut: bool = False  # close the connection without a word


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedServer:
    """``script`` decides each answer; ``requests`` holds all that came, token requests included."""

    script: Callable[[Request], Answer]
    url: str = ""
    requests: list[Request] = field(default_factory=list)

    def count(self, path_part: str) -> int:
        return sum(path_part in request.path for request in self.requests)


@contextmanager
def scripted(script: Callable[[Request], Answer]) -> Iterator[ScriptedServer]:
    served = ScriptedServer(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length))
            served.requests.append(request)
            answer = served.script(request)
            time.sleep(answer.after_seconds)
            self.close_connection = True
            if answer.cut:
                return
            body = answer.body if isinstance(answer.body, bytes) else answer.body.encode() if isinstance(answer.body, str) else b""
            if answer.body is not None and not isinstance(answer.body, (str, bytes)):
                body = json.dumps(answer.body).encode()
            try:
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                return  # the client has given up waiting, which is what some tests are about

        def log_message(self, *_: object) -> None:
            return

    for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{verb}", Handler.serve)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield served
        server.shutdown()
