"""Sandboxes of trials: found again after a restart, kept alive by renewal, removed for sure.

The row is written before the provider is asked, under a key that the provider uses as name and label; so whatever a
crash leaves behind is found and removed, and nothing without our label is ever touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from backend import db
from backend.catalog.images import recipe
from backend.catalog.tasks import Task
from backend.errors import SandboxGone
from backend.platform import Platform
from providers import base

log = structlog.get_logger()
CALIBRATION = "run_calibration"
_RENEW_S = 5


def image_of(platform: Platform, task: Task) -> base.ImageSpec:
    """The image that a task names, with the deployment's alias for it, and our recipe when the image is ours."""
    name = task.image or ""
    name = platform.settings.image_aliases.get(name, name)
    return base.ImageSpec(name=name, context=recipe(name))


def spec(
    platform: Platform,
    run_id: str,
    task: Task,
    image: base.ImageRef,
    key: str,
    *,
    role: Any,
    env: dict[str, str] | None = None,
) -> base.SandboxSpec:
    """What a sandbox of this task is to be: the same limits for the agent and for its verifier, no network."""
    limits = base.Limits(memory_mb=task.limits.memory_mb, cpus=task.limits.cpus, pids=task.limits.pids)
    return base.SandboxSpec(
        key=key,
        deployment=platform.settings.deployment,
        run_id=run_id,
        image=image,
        role=role,
        limits=limits,
        workdir=task.workdir,
        env=env or {},
        lease_s=platform.settings.lease_s,
    )


@asynccontextmanager
async def kept(platform: Platform, sandbox: base.Sandbox) -> AsyncIterator[None]:
    """Keep a sandbox renewed while the block works in it."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(platform.settings.lease_s / 4)
            await renew(platform, sandbox)

    keeper = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeper.cancel()


async def renew(platform: Platform, sandbox: base.Sandbox) -> None:
    """Prolong one sandbox; one that does not answer soon is left to the next time."""
    try:
        async with asyncio.timeout(_RENEW_S):
            await sandbox.renew(platform.settings.lease_s)
    except (base.SandboxError, TimeoutError) as error:
        log.warning("sandbox.renew_failed", sandbox=sandbox.info.key, error=type(error).__name__)


async def of(platform: Platform, trial_id: str) -> base.Sandbox:
    """Give the running trial's live sandbox, found again when this process does not know it. Raises SandboxGone."""
    if (known := platform.sandboxes.get(trial_id)) is not None:
        return known
    async with platform.database.transaction() as tx:
        row = await db.one(
            tx,
            "SELECT key FROM sandbox WHERE trial_id = :id AND role = 'agent' AND state IN ('live', 'frozen') "
            "ORDER BY created_at DESC LIMIT 1",
            {"id": trial_id},
        )
    if row is None:
        raise SandboxGone()
    try:
        sandbox = await platform.provider.attach(row.key)
    except base.SandboxLost as error:
        raise SandboxGone() from error
    platform.sandboxes[trial_id] = sandbox
    return sandbox


async def mark(tx: db.Tx, key: str, state: str, *, external_id: str | None = None) -> None:
    """Write where a sandbox stands."""
    await db.run(
        tx,
        "UPDATE sandbox SET state = CAST(:state AS text), external_id = coalesce(:external, external_id), "
        "gone_at = CASE WHEN CAST(:state AS text) = 'gone' THEN clock_timestamp() ELSE gone_at END WHERE key = :key",
        {"state": state, "external": external_id, "key": key},
    )


async def remove(platform: Platform, key: str) -> None:
    """Remove a sandbox and say so; removing what is gone is success."""
    await platform.provider.destroy(key)
    async with platform.database.transaction() as tx:
        await mark(tx, key, "gone")


async def remove_all(platform: Platform, run_id: str, *, trial_id: str | None = None) -> None:
    """Remove every sandbox of a run, or of one trial."""
    async with platform.database.transaction() as tx:
        found = await db.rows(
            tx,
            "SELECT key, trial_id FROM sandbox WHERE run_id = :run AND state <> 'gone' "
            "AND (CAST(:trial AS text) IS NULL OR trial_id = :trial)",
            {"run": run_id, "trial": trial_id},
        )
    for row in found:
        platform.sandboxes.pop(row.trial_id, None)
        await remove(platform, row.key)


async def renew_all(platform: Platform) -> None:
    """Prolong every sandbox that an open trial needs, until it is frozen; whatever is not renewed ends by itself."""
    async with platform.database.transaction() as tx:
        found = await db.rows(
            tx,
            "SELECT s.trial_id FROM sandbox s JOIN trial t ON t.id = s.trial_id "
            "WHERE s.state = 'live' AND s.role = 'agent' AND t.state IN ('running', 'verifying')",
        )

    async def one(trial_id: str) -> None:
        try:
            async with asyncio.timeout(_RENEW_S):
                sandbox = await of(platform, trial_id)
        except (SandboxGone, base.SandboxError, TimeoutError) as error:
            log.warning("sandbox.not_found", trial=trial_id, error=type(error).__name__)
        else:
            await renew(platform, sandbox)

    await asyncio.gather(*(one(row.trial_id) for row in found))


async def collect_garbage(platform: Platform, *, dry_run: bool = False) -> list[dict[str, str]]:
    """Remove every sandbox of this deployment that no open trial or running job stands behind; gives what it found."""
    async with platform.database.transaction() as tx:
        needed = {
            row.key
            for row in await db.rows(
                tx,
                "SELECT s.key FROM sandbox s JOIN trial t ON t.id = s.trial_id "
                "WHERE s.state <> 'gone' AND t.state IN ('preparing', 'running', 'verifying')",
            )
        }
    found: list[dict[str, str]] = []
    async for info in platform.provider.list(deployment=platform.settings.deployment):
        # A calibration has no run and no row; its sandboxes end by themselves.
        calibrates = info.run_id == CALIBRATION and info.state not in ("exited", "dead")
        if info.key not in needed and not calibrates:
            found.append({"sandbox": info.key, "run_id": info.run_id, "state": info.state})
            if not dry_run:
                await remove(platform, info.key)
    return found
