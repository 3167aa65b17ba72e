"""Preparing a trial: a fresh sandbox with the task's workspace in it, or a failure of ours, by one process at a time.

Whatever comes in between (another process takes over, the run is cancelled, an error nobody foresaw), the sandbox that
was asked for under this key is removed again.
"""

from __future__ import annotations

import asyncio
import secrets

import structlog

from backend import db, leases, runs, sandboxes, trials
from backend.catalog.tasks import Task
from backend.errors import ClawBenchError
from backend.models import Run, SandboxRow, Trial
from backend.platform import Platform
from providers import base

log = structlog.get_logger()
_LEASE_S = 60
_TRIES = 2


async def prepare(platform: Platform, trial_id: str) -> None:
    """Bring a preparing trial to `running` with a fresh sandbox, or to `failed`."""
    async with platform.database.transaction() as tx:
        lease = await leases.take(tx, f"trial:{trial_id}", platform.instance, _LEASE_S)
    if lease is None:
        return
    async with leases.held(platform.database, lease, _LEASE_S):
        async with platform.database.transaction() as tx:
            trial = await tx.get(Trial, trial_id)
            run = await tx.get(Run, trial.run_id) if trial else None
        if trial is None or run is None or trial.state != "preparing":
            return
        task = platform.catalog.task(run.benchmark, trial.task_id)
        for remaining in reversed(range(_TRIES)):
            failure = await _attempt(platform, lease, trial, task)
            if failure is None:
                return
            log.warning("sandbox.create_failed", run=trial.run_id, trial=trial.id, error=repr(failure))
            if not remaining or not isinstance(failure, base.SandboxError):
                await _give_up(platform, lease, trial, failure)
                return


async def _attempt(platform: Platform, lease: leases.Held, trial: Trial, task: Task) -> Exception | None:
    """Make one sandbox for the trial; gives what went wrong, or None when nothing is left to be done."""
    key = f"sbx-{secrets.token_hex(8)}"
    needed, failure = False, None
    try:
        needed = await _make(platform, lease, trial, task, key)
    except Exception as error:
        # The edge of preparing: whatever it was, the trial must not stay in between.
        failure = error
    finally:
        if not needed:
            await asyncio.shield(platform.owned.start(_remove(platform, key), f"remove:{key}"))
    return failure


async def _remove(platform: Platform, key: str) -> None:
    try:
        await sandboxes.remove(platform, key)
    except (base.SandboxError, ClawBenchError) as error:
        # The tick's garbage collection finds it again by its label.
        log.warning("sandbox.left", sandbox=key, error=repr(error))


async def _make(platform: Platform, lease: leases.Held, trial: Trial, task: Task, key: str) -> bool:
    """Whether the sandbox became the running trial's; a trial that was ended meanwhile needs none."""
    async with platform.database.transaction() as tx:
        await leases.guard(tx, lease)
        provider = platform.provider.name
        tx.add(SandboxRow(key=key, run_id=trial.run_id, trial_id=trial.id, role="agent", provider=provider))
    image = await platform.provider.prepare_image(sandboxes.image_of(platform, task))
    sandbox = await platform.provider.create(sandboxes.spec(platform, trial.run_id, task, image, key, role="agent"))
    if task.workspace.is_dir():
        await sandbox.put_tree(task.workspace, task.workdir)
    async with platform.database.transaction() as tx:
        await leases.guard(tx, lease)
        locked = await _locked(tx, trial)
        if locked.state != "preparing":
            return False
        await sandboxes.mark(tx, key, "live", external_id=sandbox.info.external_id)
        await db.run(tx, "UPDATE trial SET image_digest = :d WHERE id = :id", {"d": image.digest, "id": trial.id})
        await trials.set_state(
            tx,
            locked,
            "running",
            image_digest=image.digest,
            image=task.image,
            provider=platform.provider.name,
            isolation=platform.provider.capabilities().isolation,
            limits=task.limits.public(),
        )
        await trials.set_deadline(tx, locked, task.limits.wall_s)
    return True


async def _give_up(platform: Platform, lease: leases.Held, trial: Trial, error: Exception) -> None:
    cause = "provider_failed" if isinstance(error, base.SandboxError) else "platform_failed"
    async with platform.database.transaction() as tx:
        await leases.guard(tx, lease)
        locked = await _locked(tx, trial)
        if locked.state == "preparing":
            await trials.fail(tx, locked, cause, type(error).__name__)


async def _locked(tx: db.Tx, trial: Trial) -> Trial:
    # The run's row first, as everybody does, so that nobody waits for each other.
    await runs.hold(tx, trial.run_id)
    return await trials.lock(tx, trial.id)
