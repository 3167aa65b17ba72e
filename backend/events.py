"""The record of a run: events in one order, each with a hash over itself and the hash before it.

h_0 = SHA-256("clawbench.event.v1" || run id); h_n = SHA-256(h_{n-1} || JCS(event)), JCS as in RFC 8785.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import rfc8785

from backend import db
from backend.models import Event


def genesis(run_id: str) -> str:
    """The hash that a run's chain begins with."""
    return hashlib.sha256(b"clawbench.event.v1" + run_id.encode()).hexdigest()


def link(previous: str, *, run_id: str, seq: int, at: datetime, kind: str, trial_id: str | None, body: Any) -> str:
    """The hash of one event, given the hash before it."""
    event = {
        "run_id": run_id,
        "seq": seq,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "kind": kind,
        "trial_id": trial_id,
        "body": body,
    }
    return hashlib.sha256(bytes.fromhex(previous) + rfc8785.dumps(event)).hexdigest()


async def append(
    tx: db.Tx, run_id: str, kind: str, body: Mapping[str, Any] | None = None, *, trial_id: str | None = None
) -> int:
    """Write the run's next event and give its number. The row lock on the run keeps the order true."""
    run = await db.one(
        tx,
        "SELECT event_seq, chain, clock_timestamp() AS at FROM run WHERE id = :id FOR UPDATE",
        {"id": run_id},
    )
    assert run is not None, "events belong to a run that exists"
    seq, data = run.event_seq + 1, storable(dict(body or {}))
    chained = link(
        run.chain or genesis(run_id), run_id=run_id, seq=seq, at=run.at, kind=kind, trial_id=trial_id, body=data
    )
    tx.add(Event(run_id=run_id, seq=seq, at=run.at, kind=kind, trial_id=trial_id, body=data, hash=chained))
    await db.run(
        tx,
        "UPDATE run SET event_seq = :seq, chain = :chain, touched_at = clock_timestamp() WHERE id = :id",
        {"seq": seq, "chain": chained, "id": run_id},
    )
    await db.run(tx, "SELECT pg_notify('run_event', :id)", {"id": run_id})
    return seq


def storable(value: Any) -> Any:
    """The value as Postgres can keep it: JSON text holds no NUL and no lone surrogate."""
    if isinstance(value, str):
        return value.replace("\x00", "\u2400").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {str(storable(str(k))): storable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [storable(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        # RFC 8785 numbers are IEEE doubles; a larger integer keeps its digits as text.
        return str(value)
    return value


async def verify(tx: db.Tx, run_id: str) -> int | None:
    """Recompute the run's chain: None when it holds, else the number of the first event that does not fit."""
    previous, expected = genesis(run_id), 1
    found = await db.rows(
        tx, "SELECT seq, at, kind, trial_id, body, hash FROM event WHERE run_id = :id ORDER BY seq", {"id": run_id}
    )
    for row in found:
        again = link(
            previous, run_id=run_id, seq=row.seq, at=row.at, kind=row.kind, trial_id=row.trial_id, body=row.body
        )
        if row.seq != expected or again != row.hash:
            return expected
        previous, expected = row.hash, expected + 1
    head = await db.one(tx, "SELECT event_seq, chain FROM run WHERE id = :id", {"id": run_id})
    complete = head is not None and head.event_seq == expected - 1 and (head.chain or genesis(run_id)) == previous
    return None if complete else expected
