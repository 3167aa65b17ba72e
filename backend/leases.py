"""Leases with fences: who may act on a subject, by the database's clock. All SKIP LOCKED SQL of the project is here.

A subject is `run:<id>`, `trial:<id>`, `job:<id>` or `backend:<id>`. Its fence rises with every new holder and never
falls, so a writer that lost its lease is refused (StaleLease) however late it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from backend import db
from backend.errors import StaleLease, Unavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lease as its holder knows it."""

    subject: str
    holder: str
    fence: int


async def take(tx: db.Tx, subject: str, holder: str, ttl_s: int) -> Held | None:
    """Take the subject when it is free, ran out, or is ours already (the fence stays); None when another has it."""
    row = await db.one(
        tx,
        """
        INSERT INTO lease AS l (subject, holder, fence, until)
        VALUES (:subject, :holder, 1, clock_timestamp() + make_interval(secs => :ttl))
        ON CONFLICT (subject) DO UPDATE SET
            fence = l.fence + (l.holder <> excluded.holder)::int, holder = excluded.holder, until = excluded.until
        WHERE l.until <= clock_timestamp() OR l.holder = excluded.holder
        RETURNING fence
        """,
        {"subject": subject, "holder": holder, "ttl": ttl_s},
    )
    return None if row is None else Held(subject=subject, holder=holder, fence=row.fence)


async def renew(tx: db.Tx, lease: Held, ttl_s: int) -> None:
    """Keep the lease for `ttl_s` more seconds. Raises StaleLease when it ran out or another has it."""
    changed = await db.run(
        tx,
        "UPDATE lease SET until = clock_timestamp() + make_interval(secs => :ttl) "
        "WHERE subject = :subject AND fence = :fence AND holder = :holder AND until > clock_timestamp()",
        {"subject": lease.subject, "fence": lease.fence, "holder": lease.holder, "ttl": ttl_s},
    )
    if not changed:
        raise StaleLease(f"({lease.subject})")


async def guard(tx: db.Tx, lease: Held) -> None:
    """Hold the lease still until this transaction ends: every fenced write begins so. Raises StaleLease."""
    row = await db.one(
        tx,
        "SELECT 1 AS held FROM lease WHERE subject = :subject AND fence = :fence AND holder = :holder "
        "AND until > clock_timestamp() FOR UPDATE",
        {"subject": lease.subject, "fence": lease.fence, "holder": lease.holder},
    )
    if row is None:
        raise StaleLease(f"({lease.subject})")


async def release(tx: db.Tx, lease: Held) -> None:
    """Let go at once, so that the next holder need not wait. Letting go of what another has does nothing."""
    await db.run(
        tx,
        "UPDATE lease SET until = clock_timestamp() WHERE subject = :subject AND fence = :fence AND holder = :holder",
        {"subject": lease.subject, "fence": lease.fence, "holder": lease.holder},
    )


@asynccontextmanager
async def held(database: db.Database, lease: Held, ttl_s: int) -> AsyncIterator[Held]:
    """Keep a lease renewed while the block runs, and let go of it at the end.

    The block is cancelled, and StaleLease raised, when the lease is lost: its holder must stop acting.
    """
    owner = asyncio.current_task()
    lost = False

    async def keep() -> None:
        nonlocal lost
        deadline = asyncio.get_running_loop().time() + ttl_s
        while True:
            await asyncio.sleep(ttl_s / 4)
            try:
                async with database.transaction() as tx:
                    await renew(tx, lease, ttl_s)
                deadline = asyncio.get_running_loop().time() + ttl_s
            except StaleLease:
                lost = True
            except Unavailable:
                # Out of reach is not lost yet; stop well before another may have taken over.
                lost = asyncio.get_running_loop().time() > deadline - ttl_s / 6
            if lost and owner is not None:
                log.warning("lease.lost", subject=lease.subject, fence=lease.fence)
                owner.cancel()
                return

    keeper = asyncio.create_task(keep())
    try:
        yield lease
    except asyncio.CancelledError:
        if lost and owner is not None:
            owner.uncancel()
            raise StaleLease(f"({lease.subject})") from None
        raise
    finally:
        keeper.cancel()
        if not lost:
            try:
                async with database.transaction() as tx:
                    await release(tx, lease)
            except Unavailable:
                log.info("lease.left_to_expire", subject=lease.subject)


async def claim_run(tx: db.Tx, holder: str, ttl_s: int, *, lane: str, run_id: str | None = None) -> Held | None:
    """Pick the next queued run of the lane (or this one), one winner each, and take its lease; the caller moves it."""
    row = await db.one(
        tx,
        "SELECT id FROM run WHERE state = 'queued' AND lane = :lane AND (CAST(:id AS text) IS NULL OR id = :id) "
        "ORDER BY priority DESC, number FOR UPDATE SKIP LOCKED LIMIT 1",
        {"lane": lane, "id": run_id},
    )
    return None if row is None else await take(tx, f"run:{row.id}", holder, ttl_s)


async def claim_job(tx: db.Tx, holder: str, ttl_s: int) -> tuple[int, Held] | None:
    """Pick the oldest job that is due or whose worker is gone, and take its lease; one winner each.

    A `finalize` job waits for every `verify` job of its run.
    """
    row = await db.one(
        tx,
        """
        SELECT j.id FROM job j LEFT JOIN lease l ON l.subject = 'job:' || j.id
        WHERE j.not_before <= now()
          AND (j.state = 'queued' OR (j.state = 'running' AND coalesce(l.until <= clock_timestamp(), true)))
          AND NOT (j.kind = 'finalize' AND EXISTS (
              SELECT 1 FROM job v WHERE v.run_id = j.run_id AND v.kind = 'verify' AND v.state IN ('queued', 'running')))
        ORDER BY j.not_before, j.id FOR UPDATE OF j SKIP LOCKED LIMIT 1
        """,
    )
    if row is None:
        return None
    lease = await take(tx, f"job:{row.id}", holder, ttl_s)
    if lease is None:
        return None
    await db.run(tx, "UPDATE job SET state = 'running', attempts = attempts + 1 WHERE id = :id", {"id": row.id})
    return row.id, lease
