"""The trace: one row an event, opened in place, growing at the end while the run does."""

from __future__ import annotations

import reflex as rx
from reflex.vars import ObjectVar

from clawbench_ui.components.badge import badge
from clawbench_ui.components.tail import tail
from clawbench_ui.components.terminal_block import terminal_block
from clawbench_ui.state.events import Detail, EventRow
from clawbench_ui.state.run import RunPage


def trace() -> rx.Component:
    """Show the window of the trace with ways to both ends."""
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Trace ", rx.el.span(RunPage.total, class_name="count"), id="trace"),
            rx.el.span(
                rx.cond(RunPage.live, badge("live", "info"), badge("complete")), role="status", class_name="status"
            ),
            class_name="trace-head",
        ),
        rx.cond(
            RunPage.first_seq > 1,
            rx.el.button("Load earlier", type="button", class_name="button", on_click=RunPage.earlier),
        ),
        rx.el.ol(rx.foreach(RunPage.rows, _row), class_name="trace", aria_labelledby="trace"),
        rx.cond(RunPage.last_seq < RunPage.total, _further()),
        tail(RunPage.last_seq, RunPage.follow),
        aria_labelledby="trace",
    )


def _further() -> rx.Component:
    return rx.el.div(
        rx.el.button("Load more", type="button", class_name="button", on_click=RunPage.later),
        rx.el.button("Go to the end", type="button", class_name="button", on_click=RunPage.to_end),
        rx.el.span(RunPage.total - RunPage.last_seq, " more events", class_name="soft"),
        class_name="further",
    )


def _row(event: ObjectVar[EventRow]) -> rx.Component:
    opened = RunPage.opened.contains(event.seq)
    place = f"event-{event.seq}"
    return rx.el.li(
        rx.el.button(
            rx.el.span(event.offset, class_name="ev-at", title=event.at),
            rx.el.span(event.tool, class_name="ev-tool"),
            rx.el.span(event.line, class_name="ev-line"),
            rx.el.span(rx.cond(event.outcome != "", badge(event.outcome, event.tone)), class_name="ev-outcome"),
            rx.el.span(event.duration, class_name="ev-took"),
            type="button",
            class_name="event",
            aria_expanded=opened.to_string(),
            aria_controls=place,
            on_click=RunPage.toggle(event.seq),
        ),
        rx.cond(opened, rx.el.div(_detail(RunPage.opened[event.seq].to(Detail)), id=place, class_name="detail")),
        key=event.seq.to_string(),
    )


def _detail(detail: ObjectVar[Detail]) -> rx.Component:
    return rx.fragment(
        rx.el.dl(
            rx.foreach(detail.facts, lambda fact: rx.el.div(rx.el.dt(fact[0]), rx.el.dd(fact[1]))), class_name="facts"
        ),
        rx.foreach(detail.texts, lambda text: _part(text[0], _plain(text[1], "Argument"))),
        rx.cond(detail.args != "", _part("Arguments", _plain(detail.args, "Arguments"))),
        rx.cond(detail.output.length() > 0, _part("Output", terminal_block(detail.output, detail.exact, "Output"))),
        rx.cond(detail.data != "", _part("Data", _plain(detail.data, "Data"))),
    )


def _part(title: rx.Var[str] | str, content: rx.Component) -> rx.Component:
    return rx.el.div(rx.el.h3(title), content)


def _plain(text: rx.Var[str], label: str) -> rx.Component:
    return rx.el.pre(
        text,
        class_name="terminal",
        tab_index=0,
        role="region",
        aria_label=label,
        dir="ltr",
        custom_attrs={"translate": "no"},
    )
