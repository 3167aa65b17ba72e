"""The composition root: the one place that knows the pages, the API and the MCP server.

Importing it makes no engine, thread, socket or loop; all of that begins with the server (`backend.app.life`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import reflex as rx
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

import backend.app
from backend import settings
from clawbench_mcp import server
from clawbench_ui import pages

_SETTINGS = settings.load()


def _beside(special: Starlette) -> Callable[[ASGIApp], ASGIApp]:
    """Send the paths of `special` to it, with its own middleware, and everything else to the app behind."""
    paths = {path for route in special.routes if (path := getattr(route, "path", None))}

    def wrap(behind: ASGIApp) -> ASGIApp:
        async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
            target = special if scope["type"] == "http" and scope["path"] in paths else behind
            await target(scope, receive, send)

        return dispatch

    return wrap


_api = backend.app.create(_SETTINGS)
_mcp = server.create(_SETTINGS)

app = rx.App(api_transformer=[_api, _beside(_mcp)], stylesheets=["/theme.css"])


def _life() -> AbstractAsyncContextManager[None]:
    return backend.app.life(_SETTINGS, _mcp, _api)


app.register_lifespan_task(_life)
pages.register(app)
