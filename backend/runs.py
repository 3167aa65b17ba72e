"""Runs: create, look up, and the state machine. This is the only file that moves a run's state; `move` takes an arrow's
letter (ARCHITECTURE.md draws them) and writes the state, the history row and the event in one transaction."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlmodel import col, select

from backend import db, events, jobs, leases
from backend.auth import Principal
from backend.catalog.tasks import Task
from backend.errors import IllegalMove, RunNotFound
from backend.models import Agent, Run, Transition, Trial
from backend.words import ARROWS, INFRASTRUCTURE, OPEN_STATES

ID = re.compile(r"[A-Za-z0-9_-]{6,64}")
PLATFORM = "platform"
LEASE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A validated wish for a run."""

    benchmark: str
    agent: Agent
    tasks: tuple[Task, ...]
    kind: str = "agent"
    lane: str = "mcp"
    persona: str | None = None
    declared: Mapping[str, Any]
    idle_s: int
    wall_s: int


async def create(tx: db.Tx, owner: Principal, plan: Plan) -> Run:
    """Queue a run with a pending trial for every task; nothing of it is public."""
    run = Run(
        id=f"run_{secrets.token_urlsafe(16)}",
        owner_id=owner.account_id,
        agent_id=plan.agent.id,
        benchmark=plan.benchmark,
        lane=plan.lane,
        kind=plan.kind,
        persona=plan.persona,
        declared=events.storable(dict(plan.declared)),
        limits={"idle_s": plan.idle_s, "wall_s": plan.wall_s},
    )
    tx.add(run)
    # The trials and the first event point at the run's row, so it has to be there now.
    await tx.flush()
    await db.run(
        tx,
        "UPDATE run SET wall_deadline = now() + make_interval(secs => :wall) WHERE id = :id",
        {"wall": plan.wall_s, "id": run.id},
    )
    for ordinal, task in enumerate(plan.tasks):
        tx.add(_trial(run.id, ordinal, task, attempt=1))
    facts = {
        "benchmark": plan.benchmark,
        "agent": plan.agent.name,
        "kind": plan.kind,
        "lane": plan.lane,
        "declared": run.declared,
        "tasks": {task.id: task.digest for task in plan.tasks},
    }
    await _record(tx, run.id, "A", "", "queued", facts)
    await db.run(tx, "SELECT pg_notify('run_queued', :id)", {"id": run.id})
    return run


def _trial(run_id: str, ordinal: int, task: Task, *, attempt: int) -> Trial:
    return Trial(
        id=f"tri_{secrets.token_hex(8)}",
        run_id=run_id,
        task_id=task.id,
        ordinal=ordinal,
        attempt=attempt,
        kind=task.kind,
        title=task.title,
        task_digest=task.digest,
    )


async def claim(tx: db.Tx, run_id: str) -> bool:
    """Lease a queued MCP run to the platform, so that any backend serves its next call (arrow B)."""
    if await leases.claim_run(tx, PLATFORM, LEASE_S, lane="mcp", run_id=run_id) is None:
        return False
    await move(tx, run_id, "B")
    return True


async def move(tx: db.Tx, run_id: str, letter: str, *, cause: str | None = None) -> None:
    """Take one arrow. Raises IllegalMove when the run is not where the arrow begins."""
    source, target = ARROWS[letter]
    ended = target in ("finished", "failed", "expired", "cancelled")
    changed = await db.run(
        tx,
        "UPDATE run SET state = :target, cause = coalesce(:cause, cause), "
        "ended_at = CASE WHEN :ended THEN clock_timestamp() ELSE ended_at END WHERE id = :id AND state = :source",
        {"target": target, "source": source, "cause": cause, "ended": ended, "id": run_id},
    )
    if not changed:
        raise IllegalMove(f"It is not {source}.")
    await _record(tx, run_id, letter, source, target, {} if cause is None else {"cause": cause})


async def _record(tx: db.Tx, run_id: str, letter: str, source: str, target: str, facts: Mapping[str, Any]) -> None:
    row = await db.one(tx, "UPDATE run SET moves = moves + 1 WHERE id = :id RETURNING moves", {"id": run_id})
    assert row is not None
    tx.add(Transition(run_id=run_id, n=row.moves, letter=letter, source=source, target=target))
    await events.append(tx, run_id, "run.state", {"arrow": letter, "from": source, "to": target, **facts})


async def leave(tx: db.Tx, run: Run, target: str, *, cause: str | None = None) -> None:
    """Move an open run to `target` by whichever arrow leads there from where it stands. Raises IllegalMove."""
    for letter, arrow in ARROWS.items():
        if arrow == (run.state, target):
            await move(tx, run.id, letter, cause=cause)
            run.state = target
            return
    raise IllegalMove(f"It is {run.state}.")


async def hold(tx: db.Tx, run_id: str) -> None:
    """Lock the run's row until this transaction ends: whoever changes a run, its trials or its calls begins so."""
    await db.run(tx, "SELECT 1 FROM run WHERE id = :id FOR UPDATE", {"id": run_id})


async def lock(tx: db.Tx, run_id: str, owner: Principal) -> Run:
    """Give the owner's run, locked until this transaction ends.

    Raises: RunNotFound, the same for a malformed, an unknown and a foreign id.
    """
    return await _find(tx, run_id, owner, locked=True)


async def find(tx: db.Tx, run_id: str, owner: Principal) -> Run:
    """Give the owner's run as it stands. Raises RunNotFound."""
    return await _find(tx, run_id, owner, locked=False)


async def _find(tx: db.Tx, run_id: str, owner: Principal, *, locked: bool) -> Run:
    if not ID.fullmatch(run_id):
        raise RunNotFound()
    query = select(Run).where(col(Run.id) == run_id, col(Run.owner_id) == owner.account_id)
    found = (await tx.exec(query.with_for_update() if locked else query)).one_or_none()
    if found is None:
        raise RunNotFound()
    return found


def is_open(run: Run) -> bool:
    """Whether the run still takes calls."""
    return run.state in OPEN_STATES


async def close(tx: db.Tx, run_id: str) -> bool:
    """Give a finalizing run its score and its end, once nothing of it is still being verified (arrows E and F).

    The score is the mean over the run's tasks, an untouched task counting 0. A task whose last attempt was broken by
    us makes the run failed, without a score: our trouble is never the agent's.
    """
    run = (await tx.exec(select(Run).where(col(Run.id) == run_id).with_for_update())).one()
    if run.state != "finalizing":
        return False
    last = await last_trials(tx, run_id)
    if any(trial.state in ("preparing", "running", "verifying") for trial in last):
        return False
    broken = next((trial.cause for trial in last if trial.state == "failed" and trial.cause in INFRASTRUCTURE), None)
    if broken is not None:
        await move(tx, run_id, "F", cause=broken)
    else:
        score = sum(trial.score or 0.0 for trial in last) / len(last) if last else 0.0
        await db.run(tx, "UPDATE run SET score = :score WHERE id = :id", {"score": score, "id": run_id})
        await move(tx, run_id, "E")
    await jobs.enqueue(tx, "cleanup", run_id)
    return True


async def last_trials(tx: db.Tx, run_id: str) -> list[Trial]:
    """Give each task's last attempt, in the run's order."""
    query = select(Trial).where(col(Trial.run_id) == run_id).order_by(col(Trial.ordinal), col(Trial.attempt))
    return list({trial.ordinal: trial for trial in (await tx.exec(query)).all()}.values())


async def view(tx: db.Tx, run: Run) -> dict[str, Any]:
    """The run as its owner sees it (contract: `get_run`). Scores appear when the run is finished."""
    agent = await db.one(tx, "SELECT name FROM agent WHERE id = :id", {"id": run.agent_id})
    shown = run.state in ("finished", "failed")
    trials = await last_trials(tx, run.id)
    tasks = [
        {
            "task_id": trial.task_id,
            "kind": trial.kind,
            "title": trial.title,
            "state": trial.state,
            "score": trial.score if shown else None,
            "cause": trial.cause,
            "attempt": trial.attempt,
        }
        for trial in trials
    ]
    return {
        "run_id": run.id,
        "state": run.state,
        "visibility": run.visibility,
        "benchmark": run.benchmark,
        "agent_name": cast(Any, agent).name,
        "lane": run.lane,
        "kind": run.kind,
        "score": run.score if shown else None,
        "cause": run.cause,
        "tasks": tasks,
        "limits": run.limits,
        "metadata": run.declared,
        "reported": run.reported,
        "created_at": run.created_at.isoformat() if run.created_at else None,
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
    }


async def mine(
    tx: db.Tx, owner: Principal, *, cursor: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Give a page of the owner's runs, newest first, and the cursor of the next page."""
    found = await db.rows(
        tx,
        "SELECT r.number, r.id, r.benchmark, r.state, r.visibility, r.kind, r.score, r.created_at, "
        "a.name AS agent_name FROM run r JOIN agent a ON a.id = r.agent_id WHERE r.owner_id = :owner "
        "AND (CAST(:cursor AS bigint) IS NULL OR r.number < :cursor) ORDER BY r.number DESC LIMIT :limit",
        {"owner": owner.account_id, "cursor": cursor, "limit": limit + 1},
    )
    page = [
        {
            "run_id": row.id,
            "benchmark": row.benchmark,
            "agent_name": row.agent_name,
            "state": row.state,
            "visibility": row.visibility,
            "kind": row.kind,
            "score": row.score if row.state in ("finished", "failed") else None,
            "created_at": row.created_at.isoformat(),
        }
        for row in found[:limit]
    ]
    return page, found[limit - 1].number if len(found) > limit else None
