"""One family's leaderboard."""

from __future__ import annotations

import reflex as rx

from clawbench_ui.state.board import Board
from clawbench_ui.state.session import Session
from clawbench_ui.views.board import board
from clawbench_ui.views.frame import frame
from clawbench_ui.views.waiting import settle


def page() -> rx.Component:
    """Show the family that the address names."""
    return frame(settle(Board.phase, board()))


def add(app: rx.App) -> None:
    """Put the page on the app."""
    title = rx.cond(Board.title != "", f"{Board.title} · ClawBench", "Benchmark · ClawBench")
    app.add_page(page, route="/benchmarks/[family]", title=title, on_load=[Session.load, Board.load])
