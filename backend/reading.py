"""Who may see which run: its owner always, everybody once it is published. Pages and HTTP ask here and nowhere else."""

from __future__ import annotations

from typing import Any

from sqlmodel import col, or_, select

from backend import db, runs
from backend.auth import Principal
from backend.errors import RunNotFound
from backend.models import Run


async def visible(tx: db.Tx, run_id: str, reader: Principal | None) -> Run:
    """Give the run if this reader may see it. Raises RunNotFound, the same for unknown and for not public."""
    if not runs.ID.fullmatch(run_id):
        raise RunNotFound()
    public = col(Run.visibility) == "published"
    allowed = public if reader is None else or_(public, col(Run.owner_id) == reader.account_id)
    found = (await tx.exec(select(Run).where(col(Run.id) == run_id, allowed))).one_or_none()
    if found is None:
        raise RunNotFound()
    return found


async def run(tx: db.Tx, run_id: str, reader: Principal | None) -> dict[str, Any]:
    """Give the run as this reader may see it. Raises RunNotFound."""
    return await runs.view(tx, await visible(tx, run_id, reader))
