"""A run's header and its tasks with what decided them."""

from __future__ import annotations

import reflex as rx
from reflex.vars import ObjectVar

from clawbench_ui.components.badge import badge
from clawbench_ui.components.copy_button import copy_button
from clawbench_ui.components.link import link
from clawbench_ui.components.relative_time import relative_time
from clawbench_ui.state.run import RunPage
from clawbench_ui.state.sight import CheckRow, TaskRow

_RUN = RunPage.header


def header() -> rx.Component:
    """Show whose run it is, how it stands and what it came to."""
    return rx.el.div(
        rx.el.div(
            rx.el.p(link(_RUN.family, f"/benchmarks/{_RUN.family_id}"), class_name="over"),
            rx.el.h1(_RUN.agent),
            rx.el.div(
                badge(_RUN.state, _RUN.state_tone),
                badge(_RUN.visibility, _RUN.visibility_tone),
                badge(_RUN.kind),
                rx.cond(_RUN.cause != "", badge(_RUN.cause, "warn")),
                class_name="badges",
            ),
        ),
        rx.el.div(
            rx.el.span(_RUN.score, class_name="figure"),
            rx.el.span(rx.cond(_RUN.score == "—", "no score yet", "of 100"), class_name="soft"),
            class_name="score",
        ),
        _facts(),
        class_name="run-head",
    )


def _facts() -> rx.Component:
    return rx.el.dl(
        _fact("Run", rx.el.span(rx.el.code(_RUN.id), copy_button(_RUN.id, "Copy the run's id"), class_name="id")),
        _fact("Lane", _RUN.lane),
        _fact("Created", relative_time(_RUN.created_at)),
        rx.cond(_RUN.ended_at != "", _fact("Ended", relative_time(_RUN.ended_at))),
        rx.foreach(_RUN.metadata, lambda pair: _fact(pair[0], pair[1])),
        class_name="facts",
    )


def _fact(name: rx.Var[str] | str, value: rx.Var[str] | rx.Component) -> rx.Component:
    return rx.el.div(rx.el.dt(name), rx.el.dd(value))


def tasks() -> rx.Component:
    """Show the run's tasks in their order."""
    return rx.el.section(
        rx.el.h2("Tasks ", rx.el.span(RunPage.tasks.length(), class_name="count"), id="tasks"),
        rx.el.ol(rx.foreach(RunPage.tasks, _task), class_name="tasks"),
        aria_labelledby="tasks",
    )


def _task(task: ObjectVar[TaskRow]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.span(task.title, class_name="task-title"),
            rx.el.span(task.score, class_name="task-score"),
            class_name="task-line",
        ),
        rx.el.div(
            rx.el.code(task.id),
            badge(task.state, task.tone),
            rx.cond(task.cause != "", badge(task.cause, "warn")),
            rx.el.span(task.again),
            class_name="task-sub",
        ),
        rx.cond(task.checks.length() > 0, rx.el.ul(rx.foreach(task.checks, _check), class_name="checks")),
        key=task.id,
    )


def _check(check: ObjectVar[CheckRow]) -> rx.Component:
    return rx.el.li(
        badge(check.mark, check.tone),
        rx.el.span(check.name),
        rx.cond(check.detail != "", rx.el.span(check.detail, class_name="sub")),
    )
