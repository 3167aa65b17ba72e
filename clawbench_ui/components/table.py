"""A table with a sticky header; columns of numbers are set to the right."""

from __future__ import annotations

import reflex as rx


def table(caption: str, columns: tuple[str, ...], rows: rx.Component, *, numeric: tuple[str, ...] = ()) -> rx.Component:
    """Show rows (of `tr`) under the columns; the caption names the table to screen readers."""
    heads = [rx.el.th(name, scope="col", class_name="number" if name in numeric else "") for name in columns]
    return rx.el.div(
        rx.el.table(
            rx.el.caption(caption, class_name="hidden"),
            rx.el.thead(rx.el.tr(*heads)),
            rx.el.tbody(rows),
        ),
        class_name="table",
        role="region",
        aria_label=caption,
        tab_index=0,
    )
