"""What the verifier said of a run's tasks, as readers see it."""

from __future__ import annotations

from typing import Any

from backend import db
from backend.models import Run
from backend.redaction import Redactor


async def of_run(tx: db.Tx, run: Run, redactor: Redactor) -> dict[str, list[dict[str, Any]]]:
    """Give each judged task's checks (name, passed, detail) by its id; none before the run has its score."""
    if run.state not in ("finished", "failed"):
        return {}
    found = await db.rows(
        tx,
        "SELECT t.task_id, v.checks FROM verdict v JOIN trial t ON t.id = v.trial_id "
        "WHERE v.run_id = :run ORDER BY t.ordinal, t.attempt",
        {"run": run.id},
    )
    return {row.task_id: redactor.value(row.checks) for row in found}
