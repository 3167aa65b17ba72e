"""Runs over HTTP: one's own, and what is published. Unknown and not-public ids get one and the same 404."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from backend import platform, reading, traces
from backend.api.access import Reader

router = APIRouter(prefix="/api/runs", tags=["runs"])
Cursor = Annotated[str, Query(pattern=r"^[0-9]{0,15}$", description="next_cursor of the page before, or nothing.")]


@router.get("/{run_id}")
async def run(run_id: str, reader: Reader) -> dict[str, Any]:
    """The run as `get_run` shows it."""
    async with platform.current().database.transaction() as tx:
        return await reading.run(tx, run_id, reader)


@router.get("/{run_id}/trace")
async def trace(run_id: str, reader: Reader, cursor: Cursor = "", limit: int = traces.PAGE) -> dict[str, Any]:
    """A page of the run's events from the cursor on, redacted of known secrets.

    To follow a run that goes on, pass the last `seq` as the cursor when `next_cursor` is null.
    """
    here = platform.current()
    async with here.database.transaction() as tx:
        found = await reading.visible(tx, run_id, reader)
        events, following = await traces.page(tx, found, here.redactor, after=int(cursor or 0), limit=limit)
    return {"events": events, "next_cursor": following}
