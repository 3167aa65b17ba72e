"""What an unknown address shows."""

from __future__ import annotations

import reflex as rx

from clawbench_ui.state.session import Session
from clawbench_ui.views.frame import frame
from clawbench_ui.views.waiting import missing


def page() -> rx.Component:
    """Say that there is nothing."""
    return frame(missing())


def add(app: rx.App) -> None:
    """Put the page on the app."""
    app.add_page(page, route="/404", title="Not found · ClawBench", on_load=[Session.load])
