"""What the answers of pages carry: a status that tells the truth, and headers that keep hostile text inert.

The pages are static files, so that an address of a run always finds one. What it shows is decided later, by the page's
own questions; this decides what a reader without a browser is told: 404 for what they may not see.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend import platform, reading
from backend.api import access
from backend.catalog.families import BY_ID
from backend.errors import ClawBenchError, RunNotFound, Unavailable
from backend.setup.frontend import WEB

_CLIENT = WEB / "build" / "client"
_RUN = re.compile(r"/runs/([^/]+)/?")
_FAMILY = re.compile(r"/benchmarks/([^/]+)/?")
# Their files lie in directories too, for which the file server would send every reader on to "/runs/".
_FILES = frozenset({"/benchmarks", "/runs", "/signin"})
_INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
_EVERYWHERE = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin"}
_HTML = {
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class Pages:
    """Wraps everything that the process serves over HTTP."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = await _status(scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                _dress(message, scope["path"], status)
            await send(message)

        if scope["path"] in _FILES:
            await self.app({**scope, "path": f"{scope['path']}.html"}, receive, answer)
        else:
            await self.app(_unconditional(scope) if status else scope, receive, answer)


async def _status(scope: Scope) -> int | None:
    """Another status than the file's own: 404 for what this reader may not see, 503 when that cannot be told."""
    if scope["method"] not in ("GET", "HEAD"):
        return None
    if (family := _FAMILY.fullmatch(scope["path"])) is not None:
        return None if family[1] in BY_ID else 404
    if (run := _RUN.fullmatch(scope["path"])) is None:
        return None
    try:
        reader = await access.reader(Request(scope))
        async with platform.current().database.transaction() as tx:
            await reading.visible(tx, run[1], reader)
    except RunNotFound:
        return 404
    except Unavailable:
        return 503
    except ClawBenchError:
        # A credential that is not good shows nothing; the page itself goes by the cookie alone.
        return 404
    return None


def _unconditional(scope: Scope) -> Scope:
    """The request without its conditions, so that no cached page is confirmed to whom it may not be shown."""
    conditions = (b"if-none-match", b"if-modified-since", b"range")
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in conditions]}


def _dress(message: Message, path: str, status: int | None) -> None:
    headers = MutableHeaders(raw=message["headers"])
    for name, value in _EVERYWHERE.items():
        headers.setdefault(name, value)
    if not headers.get("content-type", "").startswith("text/html"):
        return
    if status is not None and message["status"] == 200:
        message["status"] = status
    headers.setdefault("cache-control", "no-store" if status else "no-cache")
    for name, value in _HTML.items():
        headers.setdefault(name, value)
    # The API's own documentation page brings scripts of its own.
    if not path.startswith("/api/"):
        headers.setdefault("content-security-policy", policy())


def policy() -> str:
    """The Content-Security-Policy: our own scripts, and those inline ones that the build put into its pages."""
    try:
        built = _CLIENT.stat().st_mtime_ns
    except OSError:
        built = 0
    return _policy(built)


@lru_cache(maxsize=2)
def _policy(built: int) -> str:
    hashes = sorted({_hash(found) for page in _pages() for found in _INLINE.findall(page.read_bytes())})
    rules = (
        "default-src 'none'",
        " ".join(["script-src", "'self'", *hashes]),
        # The page's styling library makes an empty element and fills it by script, which needs no more than this.
        f"style-src 'self' {_hash(b'')}",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
    return "; ".join(rules)


def _pages() -> list[Path]:
    return sorted(_CLIENT.rglob("*.html"))


def _hash(script: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
