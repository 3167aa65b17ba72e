"""The catalog as agents and readers see it: nothing of a task's tests or reference."""

from __future__ import annotations

from typing import Any

from backend.catalog.families import FAMILIES
from backend.catalog.tasks import Catalog, Task
from backend.errors import InvalidArgument

PAGE = 100


def benchmarks(catalog: Catalog) -> list[dict[str, Any]]:
    """The four families with how many tasks each has here (contract: `list_benchmarks`)."""
    return [
        {
            "id": family.id,
            "title": family.title,
            "tasks": len(catalog.of(family.id)),
            "summary": family.summary,
            **({"notice": family.notice} if family.notice else {}),
        }
        for family in FAMILIES
    ]


def tasks(catalog: Catalog, benchmark: str, cursor: str | None) -> dict[str, Any]:
    """A page of a family's tasks (contract: `list_tasks`). Raises UnknownBenchmark, InvalidArgument."""
    listed = catalog.of(benchmark)
    start = 0
    if cursor:
        known = [task.id for task in listed]
        if cursor not in known:
            raise InvalidArgument("That cursor is not from this list.")
        start = known.index(cursor) + 1
    shown = listed[start : start + PAGE]
    more = start + PAGE < len(listed)
    return {"tasks": [_line(task) for task in shown], "next_cursor": shown[-1].id if more else None}


def _line(task: Task) -> dict[str, Any]:
    return {"task_id": task.id, "kind": task.kind, "title": task.title, "difficulty": task.difficulty}
