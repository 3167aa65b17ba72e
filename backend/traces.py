"""The trace of a run as people read it: a page of events, redacted one by one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from backend import db
from backend.models import Run
from backend.redaction import Redactor
from backend.words import OPEN_STATES

PAGE = 200
LARGEST_PAGE = 1000
_LAST = 2**31 - 1  # what the column of event numbers can hold
# What the event itself is; everything else of its body is shown beside it.
_OWN = ("tool", "args", "outcome", "duration_ms", "output", "output_ref")


async def page(
    tx: db.Tx, run: Run, redactor: Redactor, *, after: int = 0, limit: int = PAGE
) -> tuple[list[dict[str, Any]], int | None]:
    """Give events after number `after` (contract: trace), and the cursor of the next page when there is more now.

    What a verdict says appears with the run's score, when the run has ended.
    """
    limit = max(1, min(limit, LARGEST_PAGE))
    found = await db.rows(
        tx,
        "SELECT e.seq, e.at, e.kind, e.body, t.task_id FROM event e LEFT JOIN trial t ON t.id = e.trial_id "
        "WHERE e.run_id = :run AND e.seq > :after ORDER BY e.seq LIMIT :limit",
        {"run": run.id, "after": min(after, _LAST), "limit": limit + 1},
    )
    closed = run.state not in (*OPEN_STATES, "finalizing")
    shown = [
        entry(row.seq, row.at, row.kind, row.task_id, row.body if closed or row.kind != "verdict" else {}, redactor)
        for row in found[:limit]
    ]
    return shown, found[limit - 1].seq if len(found) > limit else None


def entry(
    seq: int, at: datetime, kind: str, task_id: str | None, body: Mapping[str, Any], redactor: Redactor
) -> dict[str, Any]:
    """One event as it is shown."""
    safe = redactor.value(body)
    shown: dict[str, Any] = {"seq": seq, "at": at.astimezone(UTC).isoformat(), "kind": kind}
    if task_id is not None:
        shown["task_id"] = task_id
    shown |= {name: safe[name] for name in _OWN if name in safe}
    return shown | {name: value for name, value in safe.items() if name not in _OWN and name not in shown}
