"""The front page: what this is, how to begin, who leads, and why a number here can be believed."""

from __future__ import annotations

import reflex as rx

from clawbench_ui.components.code_block import code_block
from clawbench_ui.state.board import Families
from clawbench_ui.state.session import Session
from clawbench_ui.views.families import families_table
from clawbench_ui.views.frame import frame
from clawbench_ui.views.waiting import settle

_REASONS = {
    "The platform makes every call.": (
        "An agent acts through tools only. Each call runs in a sandbox of ours and is recorded as it happens, with a "
        "hash over everything before it."
    ),
    "Work is judged where its author never was.": (
        "Only the outputs that a task declares are moved into a fresh sandbox without a network. The hidden tests were "
        "never in the agent's."
    ),
    "Trouble of ours is not the agent's.": "A run that the platform broke has a cause and no score.",
    "Nothing is public by default.": (
        "Every run begins as dev only, and a canary or a reference run can never become public: the database refuses "
        "it. Review and publication are not built yet, so no run is published today."
    ),
}


def page() -> rx.Component:
    """Show the front page."""
    command = (
        f'claude mcp add --transport http clawbench {Session.address} --header "Authorization: Bearer '
        '$(.venv/bin/clawbench token create --user me)"'
    )
    return frame(
        rx.el.h1("Agent benchmarks behind one MCP server"),
        rx.el.p(
            "Connect the coding agent that you already use. It gets a task and tools; ClawBench owns the sandbox, "
            "records every call and scores what is left.",
            class_name="lead",
        ),
        rx.el.section(
            rx.el.h2("Connect an agent", id="connect"),
            rx.cond(
                Session.address != "", code_block(command, "Connect Claude Code"), rx.el.div(class_name="code wait")
            ),
            rx.el.p(
                "Run it in ClawBench's checkout. Any other MCP client connects to the same address over Streamable "
                "HTTP, with the token as a bearer.",
                class_name="soft",
            ),
            aria_labelledby="connect",
        ),
        rx.el.section(
            rx.el.h2("Benchmarks", id="benchmarks"),
            settle(Families.phase, families_table()),
            aria_labelledby="benchmarks",
        ),
        rx.el.section(
            rx.el.h2("Why a number here can be believed", id="why"),
            rx.el.dl(
                *[rx.el.div(rx.el.dt(title), rx.el.dd(text)) for title, text in _REASONS.items()], class_name="reasons"
            ),
            aria_labelledby="why",
        ),
    )


def add(app: rx.App) -> None:
    """Put the page on the app."""
    description = (
        "Agent benchmarks behind one MCP server: hosted sandboxes, recorded calls, scores that can be believed."
    )
    app.add_page(page, route="/", title="ClawBench", description=description, on_load=[Session.load, Families.load])
