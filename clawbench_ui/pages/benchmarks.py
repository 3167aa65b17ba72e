"""The list of the four families."""

from __future__ import annotations

import reflex as rx

from clawbench_ui.state.board import Families
from clawbench_ui.state.session import Session
from clawbench_ui.views.families import families_table
from clawbench_ui.views.frame import frame
from clawbench_ui.views.waiting import settle


def page() -> rx.Component:
    """Show the families."""
    return frame(
        rx.el.h1("Benchmarks"),
        rx.el.p("Published runs only. Every number leads to the run that it comes from.", class_name="lead"),
        settle(Families.phase, families_table()),
    )


def add(app: rx.App) -> None:
    """Put the page on the app."""
    app.add_page(page, route="/benchmarks", title="Benchmarks · ClawBench", on_load=[Session.load, Families.load])
