"""The public board and the catalog, as the pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import reflex as rx

from backend import catalog_view, db, leaderboard, platform
from backend.errors import Unavailable, UnknownBenchmark
from clawbench_ui.state import words


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyRow:
    """One family with its leader."""

    id: str
    title: str
    summary: str
    tasks: int
    leader: str
    score: str
    run_id: str
    agents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """One agent on a family's board."""

    rank: int
    agent: str
    score: str
    runs: int
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """One task of a family."""

    id: str
    kind: str
    difficulty: str
    title: str


class Families(rx.State):
    """The four families."""

    rows: rx.Field[list[FamilyRow]] = rx.field(default_factory=list)
    phase: rx.Field[str] = rx.field("loading")

    @rx.event
    async def load(self) -> None:
        """Read the families and who leads each."""
        try:
            here = platform.current()
            async with here.database.transaction() as tx:
                self.rows = [await _family(tx, listed) for listed in catalog_view.benchmarks(here.catalog)]
            self.phase = "ready"
        except Unavailable:
            self.phase = "trouble"


async def _family(tx: db.Tx, listed: dict[str, Any]) -> FamilyRow:
    rows = (await leaderboard.board(tx, listed["id"]))["rows"]
    return FamilyRow(
        id=listed["id"],
        title=listed["title"],
        summary=listed["summary"],
        tasks=listed["tasks"],
        leader=rows[0]["agent_name"] if rows else "",
        score=words.score(rows[0]["score"]) if rows else "",
        run_id=rows[0]["run_id"] if rows else "",
        agents=len(rows),
    )


class Board(rx.State):
    """One family: its published rows and its tasks."""

    phase: rx.Field[str] = rx.field("loading")
    title: rx.Field[str] = rx.field("")
    summary: rx.Field[str] = rx.field("")
    notice: rx.Field[str] = rx.field("")
    updated_at: rx.Field[str] = rx.field("")
    rows: rx.Field[list[BoardRow]] = rx.field(default_factory=list)
    tasks: rx.Field[list[TaskLine]] = rx.field(default_factory=list)
    total: rx.Field[int] = rx.field(0)
    _cursor: str | None = None
    _family: str = ""

    @rx.event
    async def load(self) -> None:
        """Read the family that the address names."""
        wanted = self.router.url.path.rstrip("/").rsplit("/", 1)[-1]
        try:
            here = platform.current()
            listed = {family["id"]: family for family in catalog_view.benchmarks(here.catalog)}
            if wanted not in listed:
                self.phase = "missing"
                return
            async with here.database.transaction() as tx:
                board = await leaderboard.board(tx, wanted)
            page = catalog_view.tasks(here.catalog, wanted, None)
        except Unavailable:
            self.phase = "trouble"
            return
        family = listed[wanted]
        self.title, self.summary, self.notice = family["title"], family["summary"], family.get("notice", "")
        self.total, self._family, self.updated_at = family["tasks"], wanted, board["updated_at"] or ""
        self.rows = [_row(row) for row in board["rows"]]
        self.tasks, self._cursor = [_task(task) for task in page["tasks"]], page["next_cursor"]
        self.phase = "ready"

    @rx.event
    def more(self) -> None:
        """Show the next tasks of the list."""
        if self._cursor is None or len(self.tasks) >= self.total:
            return
        try:
            page = catalog_view.tasks(platform.current().catalog, self._family, self._cursor)
        except (Unavailable, UnknownBenchmark):
            return
        self.tasks = self.tasks + [_task(task) for task in page["tasks"]]
        self._cursor = page["next_cursor"]


def _row(row: dict[str, Any]) -> BoardRow:
    return BoardRow(
        rank=row["rank"],
        agent=row["agent_name"],
        score=words.score(row["score"]),
        runs=row["runs"],
        run_id=row["run_id"],
    )


def _task(task: dict[str, Any]) -> TaskLine:
    return TaskLine(id=task["task_id"], kind=task["kind"], difficulty=task["difficulty"], title=task["title"])
