"""Something that a reader has to know before they believe what follows."""

from __future__ import annotations

import reflex as rx


def notice(text: rx.Var[str] | str) -> rx.Component:
    """Show the text set apart, marked by a sign as well as by its colour."""
    return rx.el.p(text, class_name="notice")
