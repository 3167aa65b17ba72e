"""The pages, one module each."""

from __future__ import annotations

from typing import cast

import reflex as rx
import structlog

from clawbench_ui.pages import benchmark, benchmarks, home, missing, run, runs, signin
from clawbench_ui.state import presence
from clawbench_ui.state.session import Session

log = structlog.get_logger()


def _failed(error: Exception) -> rx.event.EventSpec:
    """The edge of every handler: all of what went wrong into the log, nothing but that it did to the reader."""
    log.error("page.failed", error=repr(error), exc_info=error)
    return cast(rx.event.EventSpec, Session.fail())


def register(app: rx.App) -> None:
    """Put every page on the app."""
    presence.attach(app)
    app.backend_exception_handler = _failed
    # Pages say themselves that the connection is lost; Reflex's own word for it names addresses and sockets.
    app.app_wraps.pop((5, "Overlay"), None)
    app.toaster = None
    for page in (home, benchmarks, benchmark, runs, run, signin, missing):
        page.add(app)
