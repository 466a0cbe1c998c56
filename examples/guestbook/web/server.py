"""The guestbook's page: serves its files and passes /api/... on to the API, so that the browser knows one address."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

from serving import Handler, serve

HERE = Path(__file__).resolve().parent
VERSION = (HERE / "version.txt").read_text().strip()
API_URL = os.environ.get("API_URL", "http://127.0.0.1:8001").rstrip("/")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever http_proxy says: the API is next door
BODY_LIMIT = 64 * 1024

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/guestbook.js": ("guestbook.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Path to file and type: nothing else of the disk can be asked for."""

SAFETY = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Web(Handler):
    """Serve the page and forward the API."""

    def do_GET(self) -> None:
        """Answer with a file, the version, health, or what the API says."""
        path = self.path.partition("?")[0]
        if path.startswith("/api/"):
            return self.forward(None)
        if path == "/healthz":
            return self.reply_json(200, {"status": "ok"})
        if path == "/version":
            return self.reply(200, VERSION.encode() + b"\n", "text/plain; charset=utf-8", SAFETY)
        if path not in FILES:
            return self.reply(404, b"There is nothing here.\n", "text/plain; charset=utf-8", SAFETY)
        name, content_type = FILES[path]
        content = (HERE / "static" / name).read_bytes()
        if name == "index.html":
            content = content.replace(b"{{version}}", VERSION.encode())
        return self.reply(200, content, content_type, SAFETY)

    def do_POST(self) -> None:
        """Pass a request with a body on to the API."""
        body = self.body(BODY_LIMIT)
        if body is None or not self.path.startswith("/api/"):
            return self.reply_json(404 if body is not None else 413, {"error": "this cannot be sent here"})
        return self.forward(body)

    def forward(self, body: bytes | None) -> None:
        """Send the request to the API and its response back."""
        headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
        request = urllib.request.Request(API_URL + self.path.removeprefix("/api"), data=body, headers=headers)
        try:
            with DIRECT.open(request, timeout=10) as response:
                status, content = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, content = error.code, error.read()
        except OSError as error:
            print(f"api: {error}", flush=True)
            return self.reply_json(502, {"error": "the guestbook is not reachable at the moment"})
        return self.reply(status, content, "application/json", {"Cache-Control": "no-store"})


if __name__ == "__main__":
    serve(Web, int(os.environ.get("PORT", "8000")))
