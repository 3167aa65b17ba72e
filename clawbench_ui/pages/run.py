"""One run: its tasks, its score, and its trace as it grows."""

from __future__ import annotations

import reflex as rx

from clawbench_ui.state.run import RunPage
from clawbench_ui.state.session import Session
from clawbench_ui.views.frame import frame
from clawbench_ui.views.result import header, tasks
from clawbench_ui.views.trace import trace
from clawbench_ui.views.waiting import settle


def page() -> rx.Component:
    """Show the run that the address names."""
    shown = rx.fragment(header(), rx.el.div(tasks(), trace(), class_name="run"))
    return frame(settle(RunPage.phase, shown))


def add(app: rx.App) -> None:
    """Put the page on the app."""
    title = rx.cond(
        RunPage.header.agent != "", f"{RunPage.header.agent} on {RunPage.header.family} · ClawBench", "Run · ClawBench"
    )
    app.add_page(page, route="/runs/[run_id]", title=title, on_load=[Session.load, RunPage.show])
