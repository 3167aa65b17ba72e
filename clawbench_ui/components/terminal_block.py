"""Output as a terminal shows it. Its author is hostile: it is cut into plain spans before it gets here."""

from __future__ import annotations

import reflex as rx

from clawbench_ui.state.terminal import Span


def terminal_block(spans: rx.Var[list[Span]], exact: rx.Var[str], label: str) -> rx.Component:
    """Show styled spans; when a terminal would not show every character, the exact text is one press away."""
    return rx.el.div(
        rx.el.pre(
            rx.foreach(spans, lambda span: rx.el.span(span.text, class_name=span.style)),
            class_name="terminal",
            tab_index=0,
            role="region",
            aria_label=label,
            dir="ltr",
            custom_attrs={"translate": "no"},
        ),
        rx.cond(
            exact != "",
            rx.el.details(
                rx.el.summary("Every character"),
                rx.el.pre(exact, class_name="terminal", tab_index=0, dir="ltr", custom_attrs={"translate": "no"}),
            ),
        ),
    )
