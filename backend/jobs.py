"""The queue of jobs: work that a worker does outside of any request."""

from __future__ import annotations

from backend import db
from backend.models import Job


async def enqueue(tx: db.Tx, kind: str, run_id: str, *, trial_id: str | None = None) -> None:
    """Queue a job with what this transaction does; workers hear of it when it commits."""
    tx.add(Job(kind=kind, run_id=run_id, trial_id=trial_id))
    await db.run(tx, "SELECT pg_notify('job_queued', :kind)", {"kind": kind})
