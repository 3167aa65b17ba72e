"""The operational tick: what time itself does to runs. Any backend may run it; a lease lets one at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from sqlmodel import col, select

from backend import db, leases, ledger, runs, sandboxes, trials
from backend.errors import ClawBenchError, TaskPreparing, Unavailable
from backend.models import Run, ToolCall, Trial
from backend.platform import Platform
from backend.words import OPEN_STATES
from providers.base import SandboxError

log = structlog.get_logger()
EVERY_S = 5
ALIVE_S = 15
_RENEW_EVERY_S = 20
_COLLECT_EVERY_S = 60


class Clock:
    """This process's sense of time: its heart beats, its sandboxes are renewed, and one process of all ticks.

    Each has a loop of its own, so that a sandbox that does not answer stops no heart.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._beat = time.monotonic()

    def alive(self) -> bool:
        """Whether the others still believe that this process lives."""
        return time.monotonic() - self._beat < ALIVE_S

    async def run(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(EVERY_S, self._live))
            group.create_task(self._every(_RENEW_EVERY_S, self._renew))
            group.create_task(self._every(EVERY_S, self._tick))
            group.create_task(self._every(_COLLECT_EVERY_S, self._collect))

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await act()
            except (Unavailable, SandboxError) as error:
                log.warning("tick.unavailable", act=act.__name__, error=repr(error))
            except Exception:
                # The edge of the tick: one that fails is written down, and the next one comes.
                log.exception("tick.failed", act=act.__name__)
            await asyncio.sleep(seconds)

    async def _live(self) -> None:
        here = self._platform
        async with here.database.transaction() as tx:
            await leases.take(tx, here.instance, here.instance, ALIVE_S)
        self._beat = time.monotonic()

    async def _renew(self) -> None:
        await sandboxes.renew_all(self._platform)

    async def _first(self) -> bool:
        async with self._platform.database.transaction() as tx:
            return await leases.take(tx, "tick", self._platform.instance, ALIVE_S) is not None

    async def _tick(self) -> None:
        if await self._first():
            await tick(self._platform)
        await disown(self._platform)

    async def _collect(self) -> None:
        if await self._first():
            for found in await sandboxes.collect_garbage(self._platform):
                log.info("sandbox.collected", **found)


async def disown(platform: Platform) -> None:
    """Say of calls that this process began and no longer works on that their outcome is unknown."""
    async with platform.database.transaction() as tx:
        mine = await db.rows(
            tx,
            "SELECT scope, client_call_id FROM tool_call WHERE state = 'started' AND holder = :me "
            "AND created_at < now() - make_interval(secs => :grace)",
            {"me": platform.instance, "grace": ALIVE_S},
        )
    for row in mine:
        if (row.scope, row.client_call_id) not in platform.doing:
            await _abandon(platform, row.scope, row.client_call_id)


async def _abandon(platform: Platform, scope: str, client_call_id: str) -> None:
    async with platform.database.transaction() as tx:
        # The run's row first, as everybody does; a call outside of a run has none to hold.
        await runs.hold(tx, scope)
        known = await tx.get(ToolCall, (scope, client_call_id), with_for_update=True)
        if known is not None and known.state == "started":
            await ledger.abandon(tx, known)


async def tick(platform: Platform) -> None:
    """Renew, time out, expire and abandon, each run in a transaction of its own."""
    async with platform.database.transaction() as tx:
        await db.run(
            tx,
            "UPDATE lease l SET until = clock_timestamp() + make_interval(secs => :ttl) FROM run r "
            "WHERE l.subject = 'run:' || r.id AND l.holder = :platform AND r.state IN ('claimed', 'running')",
            {"ttl": runs.LEASE_S, "platform": runs.PLATFORM},
        )
        due = await db.rows(tx, _DUE, {"open": list(OPEN_STATES)})
        lost = await db.rows(
            tx,
            "SELECT c.scope, c.client_call_id FROM tool_call c LEFT JOIN lease l ON l.subject = c.holder "
            "WHERE c.state = 'started' AND coalesce(l.until <= clock_timestamp(), true)",
        )
    for row in due:
        await _end(platform, row.id, row.why)
    for row in lost:
        if (row.scope, row.client_call_id) not in platform.doing:
            await _abandon(platform, row.scope, row.client_call_id)


# Runs and trials whose time is over, by the database's clock, and why.
_DUE = """
SELECT r.id, CASE WHEN r.wall_deadline <= clock_timestamp() THEN 'wall'
    WHEN t.deadline <= clock_timestamp() THEN 'task' ELSE 'idle' END AS why
FROM run r LEFT JOIN trial t ON t.run_id = r.id AND t.state = 'running'
WHERE r.state = ANY(:open) AND (r.wall_deadline <= clock_timestamp() OR t.deadline <= clock_timestamp()
    OR r.touched_at <= clock_timestamp() - make_interval(secs => (r.limits->>'idle_s')::int))
LIMIT 500
"""


async def _end(platform: Platform, run_id: str, why: str) -> None:
    try:
        async with platform.database.transaction() as tx:
            run = (await tx.exec(select(Run).where(col(Run.id) == run_id).with_for_update())).one()
            if not runs.is_open(run):
                return
            if why == "wall":
                await trials.end_run(tx, run, cause="budget_exhausted")
            elif why == "idle":
                await trials.drop_run(tx, run, "expired")
            else:
                await _end_task(tx, run)
    except TaskPreparing:
        log.info("tick.preparing", run=run_id)
    except ClawBenchError as error:
        log.warning("tick.refused", run=run_id, why=why, error=str(error))


async def _end_task(tx: db.Tx, run: Run) -> None:
    query = select(Trial).where(
        col(Trial.run_id) == run.id, col(Trial.state) == "running", col(Trial.deadline) <= db.now()
    )
    trial = (await tx.exec(query)).one_or_none()
    if trial is not None:
        await trials.finish(tx, trial, cause="budget_exhausted")
