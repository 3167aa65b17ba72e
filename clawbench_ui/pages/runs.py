"""A person's own runs."""

from __future__ import annotations

import reflex as rx
from reflex.vars import ObjectVar

from clawbench_ui.components.badge import badge
from clawbench_ui.components.code_block import code_block
from clawbench_ui.components.empty_state import empty_state
from clawbench_ui.components.link import link
from clawbench_ui.components.relative_time import relative_time
from clawbench_ui.components.table import table
from clawbench_ui.state.mine import MyRuns, RunRow
from clawbench_ui.state.session import Session
from clawbench_ui.views.frame import frame
from clawbench_ui.views.waiting import settle


def page() -> rx.Component:
    """Show the runs of who is signed in, or how to sign in."""
    return frame(settle(MyRuns.phase, _mine(), signed_out=_signed_out()))


def _mine() -> rx.Component:
    return rx.fragment(
        rx.el.h1("Your runs"),
        rx.cond(
            MyRuns.rows.length() > 0,
            table(
                "Your runs, newest first",
                ("Run", "Score", "State", "Benchmark", "Created"),
                rx.foreach(MyRuns.rows, _row),
                numeric=("Score",),
            ),
            empty_state("No runs yet. Connect an agent to make the first.", link("Connect an agent", "/#connect")),
        ),
        rx.cond(
            MyRuns.cursor > 0,
            rx.el.button("Older runs", type="button", class_name="button", on_click=MyRuns.more),
        ),
    )


def _row(run: ObjectVar[RunRow]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(
            link(run.agent, f"/runs/{run.id}"),
            rx.el.code(run.id, class_name="sub"),
            scope="row",
        ),
        rx.el.td(run.score, class_name="number"),
        rx.el.td(
            rx.el.div(
                badge(run.state, run.state_tone),
                badge(run.visibility, run.visibility_tone),
                rx.cond(run.kind != "agent", badge(run.kind)),
                class_name="badges",
            )
        ),
        rx.el.td(run.family),
        rx.el.td(relative_time(run.created_at)),
        key=run.id,
    )


def _signed_out() -> rx.Component:
    return rx.fragment(
        rx.el.h1("Your runs"),
        rx.el.p(
            "A run is shown to its owner until it is published. To see yours, sign this browser in:", class_name="lead"
        ),
        code_block(".venv/bin/clawbench token link --user NAME", "Make a sign-in address"),
        rx.el.p(
            "prints an address that signs one browser in, once, within an hour. Or ",
            link("paste a token", "/signin"),
            ".",
        ),
    )


def add(app: rx.App) -> None:
    """Put the page on the app."""
    app.add_page(page, route="/runs", title="Runs · ClawBench", on_load=[Session.load, MyRuns.first])
