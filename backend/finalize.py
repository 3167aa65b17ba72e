"""The end of a run, job by job: verify a trial, close the run, remove its sandboxes. No request does this."""

from __future__ import annotations

import structlog

from backend import db, events, jobs, leases, runs, sandboxes, trials
from backend.errors import SandboxGone
from backend.models import Job, Run, Trial
from backend.platform import Platform
from backend.scoring.verify import VerifierFailed, verify
from backend.tools import kinds, output
from backend.tools.terminal import TerminalToolSession
from providers import base

log = structlog.get_logger()
TRIES = 3
_LONGEST_PAUSE_S = 60


async def perform(platform: Platform, job: Job, lease: leases.Held) -> None:
    """Do one job to its end. Raises whatever went wrong, to be tried again by the worker's rules."""
    match job.kind:
        case "verify":
            await _verify(platform, job, lease)
        case "finalize":
            async with platform.database.transaction() as tx:
                await leases.guard(tx, lease)
                await runs.close(tx, job.run_id)
        case "cleanup":
            await sandboxes.remove_all(platform, job.run_id)
        case other:
            raise AssertionError(f"no job is of kind {other}")


async def _verify(platform: Platform, job: Job, lease: leases.Held) -> None:
    async with platform.database.transaction() as tx:
        trial = await tx.get(Trial, job.trial_id)
        run = await tx.get(Run, job.run_id)
    assert trial is not None
    assert run is not None
    if trial.state != "verifying":
        return
    task = platform.catalog.task(run.benchmark, trial.task_id)
    if task.kind == "terminal":
        await _keep_outputs(platform, run, trial)
    verdict = await verify(platform, trial, task)
    async with platform.database.transaction() as tx:
        await leases.guard(tx, lease)
        await runs.hold(tx, trial.run_id)
        locked = await trials.lock(tx, trial.id)
        if locked.state == "verifying":
            await trials.score(tx, locked, verdict)


async def _keep_outputs(platform: Platform, run: Run, trial: Trial) -> None:
    """Record what commands wrote since the agent last looked, once, before their sandbox is frozen."""
    async with platform.database.transaction() as tx:
        done = await db.one(
            tx,
            "SELECT 1 AS yes FROM event WHERE run_id = :run AND kind = 'trial.frozen' AND trial_id = :trial",
            {"run": run.id, "trial": trial.id},
        )
    if done is not None:
        return
    task = platform.catalog.task(run.benchmark, trial.task_id)
    session = await kinds.session(platform, run, trial, task)
    assert isinstance(session, TerminalToolSession)
    left: list[dict[str, object]] = []
    for call_id in await session.sandbox.processes():
        process = await session.sandbox.process(call_id)
        seen = await session.seen(call_id)
        chunk = await process.read(seen, limit=1)
        if chunk.total > seen:
            ref = f"out_{call_id}"
            await output.keep(platform, process, run.id, trial.id, ref)
            left.append(
                {"job_id": call_id, "status": str(chunk.status), "unseen_bytes": chunk.total - seen, "output_ref": ref}
            )
    async with platform.database.transaction() as tx:
        await events.append(tx, run.id, "trial.frozen", {"task_id": trial.task_id, "jobs": left}, trial_id=trial.id)


async def settle(platform: Platform, job: Job, lease: leases.Held, error: Exception | None) -> None:
    """Write how a job ended: done, to be tried again with a pause, or failed for good with its cause on the trial."""
    async with platform.database.transaction() as tx:
        await leases.guard(tx, lease)
        if error is None:
            await db.run(tx, "UPDATE job SET state = 'done', error = NULL WHERE id = :id", {"id": job.id})
            return
        # Only verifying is ever given up; a run must be closed and a sandbox removed however long it takes.
        final = job.kind == "verify" and job.attempts >= TRIES
        await db.run(
            tx,
            "UPDATE job SET state = :state, error = :error, not_before = now() + make_interval(secs => :pause) "
            "WHERE id = :id",
            {
                "state": "failed" if final else "queued",
                "error": f"{type(error).__name__}: {error}"[:2000],
                "pause": min(2**job.attempts, _LONGEST_PAUSE_S),
                "id": job.id,
            },
        )
        if job.kind != "verify" or job.trial_id is None:
            return
        await runs.hold(tx, job.run_id)
        trial = await trials.lock(tx, job.trial_id)
        facts = {"task_id": trial.task_id, "try": job.attempts, "error": type(error).__name__}
        await events.append(tx, job.run_id, "verifier.failed", facts, trial_id=trial.id)
        if final and trial.state == "verifying":
            await trials.fail(tx, trial, cause_of(error), str(error))
            await jobs.enqueue(tx, "cleanup", job.run_id, trial_id=job.trial_id)


def cause_of(error: Exception) -> str:
    """The stored cause of a failure of ours."""
    match error:
        case VerifierFailed():
            return "verifier_failed"
        case base.SandboxLost() | SandboxGone():
            return "sandbox_failed"
        case base.SandboxError():
            return "provider_failed"
        case _:
            return "platform_failed"
