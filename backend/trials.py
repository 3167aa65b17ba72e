"""Trials: one attempt of a run at a task. Every change of a trial's state is here, with its event."""

from __future__ import annotations

import secrets
from typing import Any

from sqlmodel import col, select

from backend import db, events, jobs, runs
from backend.catalog.tasks import Task
from backend.errors import NotRunnable, RunClosed, TaskActive, TaskNotActive, TaskPreparing, UnknownTask
from backend.models import Run, Trial, Verdict
from backend.words import INFRASTRUCTURE

ATTEMPTS = 3


async def active(tx: db.Tx, run_id: str) -> Trial | None:
    """Give the run's one active trial, which is preparing or running."""
    query = select(Trial).where(col(Trial.run_id) == run_id, col(Trial.state).in_(("preparing", "running")))
    return (await tx.exec(query)).one_or_none()


async def lock(tx: db.Tx, trial_id: str) -> Trial:
    """Give the trial as it stands now, locked; its run's row must be held already."""
    query = select(Trial).where(col(Trial.id) == trial_id).with_for_update().execution_options(populate_existing=True)
    return (await tx.exec(query)).one()


async def running(tx: db.Tx, run_id: str) -> Trial:
    """Give the trial that takes calls. Raises TaskNotActive, TaskPreparing."""
    trial = await active(tx, run_id)
    if trial is None:
        raise TaskNotActive()
    if trial.state == "preparing":
        raise preparing(trial)
    return trial


def preparing(trial: Trial) -> TaskPreparing:
    """The refusal that says which trial is still being prepared."""
    error = TaskPreparing()
    error.trial_id = trial.id
    return error


async def start(tx: db.Tx, run: Run, task: Task) -> Trial:
    """Make the task the run's active one: an answer task runs at once, any other prepares its sandbox first.

    A task that was begun is not begun again, unless we broke it: then it gets a new attempt, at most two more.
    Raises: UnknownTask, TaskActive, NotRunnable, RunClosed.
    """
    if not runs.is_open(run):
        raise RunClosed(f"It is {run.state}.")
    if (other := await active(tx, run.id)) is not None:
        raise TaskActive(f"({other.task_id})")
    found = next((trial for trial in await runs.last_trials(tx, run.id) if trial.task_id == task.id), None)
    if found is None:
        raise UnknownTask()
    if not task.runnable:
        raise NotRunnable()
    if task.digest != found.task_digest:
        raise NotRunnable("The task was changed after this run was created; create a new run.")
    trial = found if found.state == "pending" else _next_attempt(found)
    tx.add(trial)
    await tx.flush()
    if run.state == "queued" and not await runs.claim(tx, run.id):
        raise NotRunnable("The run is still queued.")
    if run.state in ("queued", "claimed"):
        await runs.move(tx, run.id, "C")
    await set_state(tx, trial, "running" if task.kind == "answer" else "preparing")
    if task.kind == "answer":
        await set_deadline(tx, trial, task.limits.wall_s)
    return trial


def _next_attempt(last: Trial) -> Trial:
    if last.state != "failed" or last.cause not in INFRASTRUCTURE:
        raise NotRunnable("This run has already worked on that task; every task counts once.")
    if last.attempt >= ATTEMPTS:
        raise NotRunnable(f"The platform failed at it {ATTEMPTS} times; the run will end as failed.")
    return Trial(
        id=f"tri_{secrets.token_hex(8)}",
        run_id=last.run_id,
        task_id=last.task_id,
        ordinal=last.ordinal,
        attempt=last.attempt + 1,
        kind=last.kind,
        title=last.title,
        task_digest=last.task_digest,
    )


async def set_state(tx: db.Tx, trial: Trial, state: str, *, cause: str | None = None, **facts: Any) -> None:
    """Write the trial's state and its event."""
    await db.run(
        tx,
        "UPDATE trial SET state = CAST(:state AS text), cause = coalesce(:cause, cause), "
        "started_at = CASE WHEN CAST(:state AS text) = 'running' "
        "THEN coalesce(started_at, clock_timestamp()) ELSE started_at END, "
        "ended_at = CASE WHEN CAST(:state AS text) IN ('verifying', 'scored', 'failed') "
        "THEN coalesce(ended_at, clock_timestamp()) ELSE ended_at END WHERE id = :id",
        {"state": state, "cause": cause, "id": trial.id},
    )
    trial.state, trial.cause = state, cause or trial.cause
    body = {"task_id": trial.task_id, "attempt": trial.attempt, "state": state, **facts}
    await events.append(
        tx, trial.run_id, "trial.state", body | ({"cause": trial.cause} if trial.cause else {}), trial_id=trial.id
    )


async def set_deadline(tx: db.Tx, trial: Trial, wall_s: int) -> None:
    """Start the task's clock; it is the database's."""
    await db.run(
        tx,
        "UPDATE trial SET deadline = clock_timestamp() + make_interval(secs => :wall) WHERE id = :id",
        {"wall": wall_s, "id": trial.id},
    )


async def finish(tx: db.Tx, trial: Trial, *, cause: str | None = None) -> None:
    """Close the trial to calls and hand it to the verifier; `cause` says that its budget ended it, not its agent."""
    await set_state(tx, trial, "verifying", cause=cause)
    await jobs.enqueue(tx, "verify", trial.run_id, trial_id=trial.id)


async def fail(tx: db.Tx, trial: Trial, cause: str, detail: str = "") -> None:
    """End a trial that we could not carry through."""
    await set_state(tx, trial, "failed", cause=cause, **({"detail": detail[:500]} if detail else {}))


async def score(tx: db.Tx, trial: Trial, verdict: Verdict) -> None:
    """Record the verdict, which a trial gets once, and what it is worth."""
    tx.add(verdict)
    await db.run(
        tx,
        "UPDATE trial SET score = :score, image_digest = coalesce(:image, image_digest) WHERE id = :id",
        {"score": verdict.reward, "image": verdict.image_digest, "id": trial.id},
    )
    await events.append(
        tx,
        trial.run_id,
        "verdict",
        {
            "task_id": trial.task_id,
            "mode": verdict.mode,
            "reward": verdict.reward,
            "checks": verdict.checks,
            "task_digest": verdict.task_digest,
            "image_digest": verdict.image_digest,
            "nonce": verdict.nonce,
            "duration_ms": verdict.duration_ms,
        },
        trial_id=trial.id,
    )
    await set_state(tx, trial, "scored")


async def end_run(tx: db.Tx, run: Run, *, cause: str | None = None) -> None:
    """Close the run to calls and let it be scored as it stands; an active task is finished first."""
    if not runs.is_open(run):
        raise RunClosed(f"It is {run.state}.")
    if (trial := await active(tx, run.id)) is not None:
        if trial.state == "preparing" and cause is None:
            raise preparing(trial)
        if trial.state == "preparing":
            await fail(tx, trial, "platform_failed", "its sandbox was still being made when the run's time ended")
        else:
            await finish(tx, trial, cause=cause)
    if run.state == "queued":
        await runs.claim(tx, run.id)
        run.state = "claimed"
    await runs.leave(tx, run, "finalizing")
    await jobs.enqueue(tx, "finalize", run.id)


async def drop_run(tx: db.Tx, run: Run, target: str, *, cause: str | None = None) -> None:
    """End a run without a score (`cancelled` or `expired`) and have its sandboxes removed."""
    for trial in await runs.last_trials(tx, run.id):
        if trial.state in ("preparing", "running", "verifying"):
            await fail(tx, trial, "cancelled")
    await runs.leave(tx, run, target, cause=cause)
    await jobs.enqueue(tx, "cleanup", run.id)
