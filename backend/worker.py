"""The worker: takes jobs from the queue under a lease and does them. It runs beside the server, never in a request."""

from __future__ import annotations

import asyncio
import secrets
import time

import structlog

from backend import finalize, leases
from backend.errors import StaleLease, Unavailable
from backend.models import Job
from backend.platform import Platform

log = structlog.get_logger()
LEASE_S = 60
_IDLE_S = 2.0


class Worker:
    """`count` jobs at a time. Polling is the truth; being woken is a hint that saves the wait."""

    def __init__(self, platform: Platform, count: int = 2) -> None:
        self._platform = platform
        self._count = count
        self._wake = asyncio.Event()
        self._last_look = time.monotonic()
        self._stopping = False
        self._busy = 0

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    def takes_work(self) -> bool:
        """Whether the worker has asked the database for work lately, or is at full work."""
        return not self._stopping and (self._busy > 0 or time.monotonic() - self._last_look < 30)

    async def run(self) -> None:
        """Work until cancelled or stopped."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._loop())

    def stop(self) -> None:
        """Take no further job; what is begun goes on until it ends or is cancelled."""
        self._stopping = True
        self._wake.set()

    async def _loop(self) -> None:
        while not self._stopping:
            try:
                worked = await self._one()
            except Unavailable:
                worked = False
            except Exception:
                # The edge of the worker: whatever went wrong with one job, the next one is taken.
                log.exception("worker.failed")
                worked = False
            if not worked and not self._stopping:
                self._wake.clear()
                try:
                    await asyncio.wait_for(self._wake.wait(), _IDLE_S)
                except TimeoutError:
                    continue

    async def _one(self) -> bool:
        async with self._platform.database.transaction() as tx:
            claimed = await leases.claim_job(tx, f"{self._platform.instance}/{secrets.token_hex(4)}", LEASE_S)
            job = None if claimed is None else await tx.get(Job, claimed[0])
        self._last_look = time.monotonic()
        if claimed is None or job is None:
            return False
        self._busy += 1
        try:
            await self._do(job, claimed[1])
        finally:
            self._busy -= 1
        return True

    async def _do(self, job: Job, lease: leases.Held) -> None:
        began, failure = time.monotonic(), None
        try:
            async with leases.held(self._platform.database, lease, LEASE_S):
                try:
                    await finalize.perform(self._platform, job, lease)
                except (StaleLease, asyncio.CancelledError):
                    raise
                except Exception as error:
                    # The edge of the worker: any failure of a job is written down and tried again by rule.
                    log.warning("job.failed", job=job.id, kind=job.kind, run=job.run_id, error=repr(error))
                    failure = error
                await finalize.settle(self._platform, job, lease, failure)
        except StaleLease:
            log.warning("job.lost", job=job.id, run=job.run_id)
        self._last_look = time.monotonic()
        log.info("job.ended", job=job.id, kind=job.kind, run=job.run_id, seconds=round(time.monotonic() - began, 2))
