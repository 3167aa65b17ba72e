"""What a page shows until it has something: reading, nothing of that name, or the platform does not answer."""

from __future__ import annotations

import reflex as rx

from clawbench_ui.components.empty_state import empty_state
from clawbench_ui.components.link import link


def settle(phase: rx.Var[str], ready: rx.Component, **more: rx.Component) -> rx.Component:
    """Show the page's content once there is some; `more` names content for phases of its own."""
    return rx.fragment(
        rx.match(
            phase,
            ("ready", ready),
            ("missing", missing()),
            ("trouble", trouble()),
            *((name, content) for name, content in more.items()),
            rx.el.p("Reading…", class_name="reading", role="status"),
        )
    )


def missing() -> rx.Component:
    """The one page for what is not there and for what one may not see."""
    return rx.el.div(
        rx.el.h1("Not found"),
        empty_state(
            "There is nothing at this address that you may see. A run is shown to its owner, and to everyone once it "
            "is published.",
            rx.el.p(link("Sign in", "/signin"), " · ", link("Benchmarks", "/benchmarks")),
        ),
    )


def trouble() -> rx.Component:
    """Say that it is us."""
    return rx.el.div(
        rx.el.h1("Not available just now"),
        empty_state("The platform does not answer. Nothing is lost; load this page again in a moment."),
    )
