"""The public board: published runs only, best run of each agent first. Intervals come with their own issue."""

from __future__ import annotations

from typing import Any

from backend import db

_ROWS = """
SELECT a.name AS agent_name, max(r.score) AS score, count(*) AS runs, max(r.ended_at) AS last_at,
    (array_agg(r.id ORDER BY r.score DESC, r.ended_at))[1] AS best_run
FROM run r JOIN agent a ON a.id = r.agent_id
WHERE r.benchmark = :benchmark AND r.visibility = 'published' AND r.score IS NOT NULL
GROUP BY a.name ORDER BY max(r.score) DESC, a.name LIMIT 500
"""


async def board(tx: db.Tx, benchmark: str) -> dict[str, Any]:
    """Give the family's rows (equal scores share a rank) and when the newest of them was made."""
    found = await db.rows(tx, _ROWS, {"benchmark": benchmark})
    scores = [row.score for row in found]
    rows = [
        {
            "rank": scores.index(row.score) + 1,
            "agent_name": row.agent_name,
            "score": row.score,
            "runs": row.runs,
            "run_id": row.best_run,
        }
        for row in found
    ]
    newest = max((row.last_at for row in found if row.last_at), default=None)
    return {"benchmark": benchmark, "rows": rows, "updated_at": newest.isoformat() if newest else None}
