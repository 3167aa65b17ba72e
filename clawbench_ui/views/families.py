"""The four families with their leaders."""

from __future__ import annotations

import reflex as rx
from reflex.vars import ObjectVar

from clawbench_ui.components.link import link
from clawbench_ui.components.table import table
from clawbench_ui.state.board import Families, FamilyRow


def families_table() -> rx.Component:
    """Show each family with its task count and who leads it."""
    return table(
        "Benchmarks",
        ("Benchmark", "Tasks", "Leader", "Score"),
        rx.foreach(Families.rows, _row),
        numeric=("Tasks", "Score"),
    )


def _row(family: ObjectVar[FamilyRow]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(
            link(family.title, f"/benchmarks/{family.id}"),
            rx.el.span(family.summary, class_name="sub"),
            scope="row",
        ),
        rx.el.td(family.tasks, class_name="number"),
        rx.el.td(
            rx.cond(
                family.leader != "",
                link(family.leader, f"/runs/{family.run_id}"),
                rx.el.span("No published runs yet", class_name="soft"),
            )
        ),
        rx.el.td(rx.cond(family.leader != "", family.score, "—"), class_name="number"),
        key=family.id,
    )
