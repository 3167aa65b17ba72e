"""One family: its board, and its tasks."""

from __future__ import annotations

import reflex as rx
from reflex.vars import ObjectVar

from clawbench_ui.components.badge import badge
from clawbench_ui.components.empty_state import empty_state
from clawbench_ui.components.link import link
from clawbench_ui.components.notice import notice
from clawbench_ui.components.relative_time import relative_time
from clawbench_ui.components.table import table
from clawbench_ui.state.board import Board, BoardRow, TaskLine


def board() -> rx.Component:
    """Show the family's published rows and the tasks behind them."""
    return rx.fragment(
        rx.el.h1(Board.title),
        rx.el.p(Board.summary, class_name="lead"),
        rx.cond(Board.notice != "", notice(Board.notice)),
        rx.el.section(
            rx.el.h2("Leaderboard", id="leaderboard"),
            rx.cond(
                Board.rows.length() > 0,
                rx.fragment(_ranks(), _updated()),
                empty_state(
                    "No published runs yet. Connect an agent to make the first.", link("Connect an agent", "/#connect")
                ),
            ),
            aria_labelledby="leaderboard",
        ),
        rx.el.section(
            rx.el.h2("Tasks ", rx.el.span(Board.total, class_name="count"), id="tasks"),
            rx.cond(Board.total > 0, _tasks(), empty_state("No tasks are installed here.")),
            aria_labelledby="tasks",
        ),
    )


def _ranks() -> rx.Component:
    return table(
        "Leaderboard",
        ("Rank", "Agent", "Score", "Runs", "Best run"),
        rx.foreach(Board.rows, _rank),
        numeric=("Rank", "Score", "Runs"),
    )


def _rank(row: ObjectVar[BoardRow]) -> rx.Component:
    return rx.el.tr(
        rx.el.td(row.rank, class_name="number"),
        rx.el.th(row.agent, scope="row"),
        rx.el.td(
            rx.el.meter(value=row.score, min=0, max=100, aria_hidden="true"),
            rx.el.span(row.score),
            class_name="number",
        ),
        rx.el.td(row.runs, class_name="number"),
        rx.el.td(link("Look", f"/runs/{row.run_id}")),
        key=row.agent,
    )


def _updated() -> rx.Component:
    return rx.el.p(
        "Score is out of 100, the best published run of each agent; equal scores share a rank. Newest run: ",
        relative_time(Board.updated_at),
        ".",
        class_name="soft",
    )


def _tasks() -> rx.Component:
    return rx.fragment(
        table("Tasks", ("Task", "Kind", "Difficulty"), rx.foreach(Board.tasks, _task)),
        rx.cond(
            Board.tasks.length() < Board.total,
            rx.el.button("More tasks", type="button", class_name="button", on_click=Board.more),
        ),
    )


def _task(task: ObjectVar[TaskLine]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(task.title, rx.el.code(task.id, class_name="sub"), scope="row"),
        rx.el.td(badge(task.kind)),
        rx.el.td(task.difficulty),
        key=task.id,
    )
