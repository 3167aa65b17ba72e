"""A person's own runs, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import reflex as rx

from backend import platform, runs
from backend.errors import Unavailable
from clawbench_ui.state import session, words
from clawbench_ui.state.session import Session

_PAGE = 50
_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run in its owner's list."""

    id: str
    family: str
    agent: str
    state: str
    state_tone: str
    visibility: str
    visibility_tone: str
    kind: str
    score: str
    created_at: str


class MyRuns(Session):
    """The runs of who is signed in."""

    rows: rx.Field[list[RunRow]] = rx.field(default_factory=list)
    cursor: rx.Field[int] = rx.field(0)
    phase: rx.Field[str] = rx.field("loading")

    @rx.event
    async def first(self) -> None:
        """Read the newest runs."""
        await self._read(None)

    @rx.event
    async def more(self) -> None:
        """Read on after the last run shown."""
        if self.cursor and len(self.rows) < _MOST:
            await self._read(self.cursor)

    async def _read(self, cursor: int | None) -> None:
        try:
            async with platform.current().database.transaction() as tx:
                owner = await session.reader(tx, self.router.headers.cookie)
                found, following = (
                    ([], None) if owner is None else await runs.mine(tx, owner, cursor=cursor, limit=_PAGE)
                )
        except Unavailable:
            self.phase = "trouble"
            return
        if owner is None:
            self.rows, self.cursor, self.phase = [], 0, "signed_out"
            return
        self.rows = ([] if cursor is None else self.rows) + [_row(run) for run in found]
        self.cursor, self.phase = following or 0, "ready"


def _row(run: dict[str, Any]) -> RunRow:
    return RunRow(
        id=run["run_id"],
        family=words.family(run["benchmark"]),
        agent=run["agent_name"],
        state=words.word(run["state"]),
        state_tone=words.tone(run["state"]),
        visibility=words.word(run["visibility"]),
        visibility_tone=words.tone(run["visibility"]),
        kind=run["kind"],
        score=words.score(run["score"]),
        created_at=run["created_at"],
    )
