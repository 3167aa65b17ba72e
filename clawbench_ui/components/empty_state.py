"""What stands where there is nothing yet."""

from __future__ import annotations

import reflex as rx


def empty_state(text: rx.Var[str] | str, *more: rx.Component) -> rx.Component:
    """Say that there is nothing and what to do about it."""
    return rx.el.div(rx.el.p(text), *more, class_name="empty")
