"""A command or a document in monospace, with a button that copies it."""

from __future__ import annotations

import reflex as rx

from clawbench_ui.components.copy_button import copy_button


def code_block(text: rx.Var[str] | str, label: str) -> rx.Component:
    """Show the text as it is, copyable; the label says what it is."""
    return rx.el.div(
        rx.el.pre(rx.el.code(text), tab_index=0, role="region", aria_label=label),
        copy_button(text, f"Copy: {label}"),
        class_name="code",
    )
