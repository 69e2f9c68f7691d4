"""Static files from memory, compressed once, kept by browsers for ever: their address changes with their content."""

import gzip
import mimetypes

from starlette.types import ASGIApp, Receive, Scope, Send

from portal.rendering import HERE, static

_COMPRESSIBLE = {".css", ".js", ".svg"}


class StaticFiles:
    """Answers ``/static/…`` itself and passes everything else on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._files: dict[str, tuple[bytes, bytes, bytes]] = {}
        for file in (HERE / "static").iterdir():
            content = file.read_bytes()
            packed = gzip.compress(content, 9, mtime=0) if file.suffix in _COMPRESSIBLE else b""
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            self._files[static(file.name)] = (content, packed, kind.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/static/"):
            await self._app(scope, receive, send)
            return
        found = self._files.get(scope["path"]) if scope["method"] in {"GET", "HEAD"} else None
        if found is None:
            await _answer(send, 404, [(b"cache-control", b"no-store")], b"")
            return
        content, packed, kind = found
        headers = [(b"content-type", kind), (b"cache-control", b"public, max-age=31536000, immutable"), (b"vary", b"accept-encoding")]
        accepts = next((value for name, value in scope["headers"] if name == b"accept-encoding"), b"")
        if packed and b"gzip" in accepts:
            content, headers = packed, [*headers, (b"content-encoding", b"gzip")]
        await _answer(send, 200, headers, b"" if scope["method"] == "HEAD" else content)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
