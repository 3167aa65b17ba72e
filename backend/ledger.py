"""Rows of the call ledger and the events that calls leave behind. `calls` says the order, this what is kept."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from typing import Any

import rfc8785

from backend import db, errors, events
from backend.errors import CallIdReused, ClawBenchError, OutcomeUnknown, RunBusyElsewhere
from backend.models import Run, ToolCall
from backend.tools.session import Answer, Call

BUSY_ELSEWHERE_S = 60
_EVENT_TEXT = 8192
_EVENT_ITEMS = 50
_EVENT_DEPTH = 8
_PROVENANCE_BYTES = 2048
# More than any honest event: the largest output with every byte escaped, and as much of arguments again.
_EVENT_BYTES = 128 * 1024


class StillWorking(Exception):
    """The first call of this id is still being worked on by a live process."""


def digest(call: Call) -> str:
    """SHA-256 over the canonical JSON of the tool's name and its arguments (RFC 8785)."""
    named = {"tool": call.tool, "args": events.storable(dict(call.args))}
    return hashlib.sha256(rfc8785.dumps(named)).hexdigest()


async def outcome(tx: db.Tx, scope: str, call: Call, doing: set[tuple[str, str]]) -> Answer | ClawBenchError | None:
    """What became of a call of this id: its stored answer or error, or None when there was none yet.

    `doing` has the calls that this very process works on, whatever its lease says.

    Raises: CallIdReused when the id belongs to another call, StillWorking while it is being done.
    """
    known = await tx.get(ToolCall, (scope, call.client_call_id))
    if known is None:
        return None
    if known.digest != digest(call):
        raise CallIdReused()
    if known.state == "started":
        alive = await db.one(
            tx, "SELECT 1 AS yes FROM lease WHERE subject = :s AND until > clock_timestamp()", {"s": known.holder}
        )
        if alive is not None or (scope, call.client_call_id) in doing:
            raise StillWorking
        await abandon(tx, known)
    if known.state == "unknown" or known.answer is None:
        return OutcomeUnknown()
    kept = json.loads(known.answer)
    return errors.restore(kept["error"]) if "error" in kept else Answer.parse(known.answer)


async def enter(
    tx: db.Tx, scope: str, call: Call, holder: str, *, trial_id: str | None = None, stored: str | None = None
) -> None:
    """Write a call down: as started, or with the answer that this same transaction gives it."""
    await db.run(
        tx,
        "INSERT INTO tool_call (scope, client_call_id, run_id, trial_id, tool, digest, holder, state, answer, done_at) "
        "VALUES (:scope, :id, :run, :trial, :tool, :digest, :holder, CASE WHEN CAST(:answer AS text) IS NULL "
        "THEN 'started' ELSE 'done' END, CAST(:answer AS text), "
        "CASE WHEN CAST(:answer AS text) IS NULL THEN NULL ELSE now() END)",
        {
            "scope": scope,
            "id": call.client_call_id,
            "run": call.run_id or None,
            "trial": trial_id,
            "tool": call.tool,
            "digest": digest(call),
            "holder": holder,
            "answer": stored,
        },
    )


async def complete(tx: db.Tx, scope: str, call: Call, stored: str | None) -> None:
    """Store a started call's answer; None says that nobody can know what it did."""
    await db.run(
        tx,
        "UPDATE tool_call SET state = CASE WHEN CAST(:answer AS text) IS NULL THEN 'unknown' ELSE 'done' END, "
        "answer = CAST(:answer AS text), done_at = now() "
        "WHERE scope = :scope AND client_call_id = :id AND state = 'started'",
        {"answer": stored, "scope": scope, "id": call.client_call_id},
    )


async def forget(tx: db.Tx, scope: str, call: Call) -> None:
    """Take back a call that was refused before it could do anything, so that its id may be used again."""
    await db.run(
        tx,
        "DELETE FROM tool_call WHERE scope = :scope AND client_call_id = :id AND state = 'started'",
        {"scope": scope, "id": call.client_call_id},
    )


async def unsay(tx: db.Tx, scope: str, client_call_id: str) -> None:
    """Take back a stored answer that did not come true, so that the call's id may be used again."""
    await db.run(
        tx,
        "DELETE FROM tool_call WHERE scope = :scope AND client_call_id = :id",
        {"scope": scope, "id": client_call_id},
    )


async def amend(tx: db.Tx, scope: str, client_call_id: str, answer: Answer) -> None:
    """Bring a stored answer up to what was really said."""
    await db.run(
        tx,
        "UPDATE tool_call SET answer = :answer WHERE scope = :scope AND client_call_id = :id AND state = 'done'",
        {"answer": answer.dump(), "scope": scope, "id": client_call_id},
    )


async def abandon(tx: db.Tx, known: ToolCall) -> None:
    """Say of a call whose process is gone that its outcome is unknown; it is never done again."""
    known.state = "unknown"
    tx.add(known)
    await tx.flush()
    if known.run_id is not None:
        body = {"tool": known.tool, "client_call_id": known.client_call_id, "outcome": OutcomeUnknown.code}
        await events.append(tx, known.run_id, "tool.call", body, trial_id=known.trial_id)


async def one_client(tx: db.Tx, run: Run, token_id: str) -> None:
    """Let one credential act on a run at a time; another takes over once the first is silent (attack 25).

    Raises: RunBusyElsewhere while the other has a call in flight or acted less than 60 s ago.
    """
    if run.acting_token not in (None, token_id):
        row = await db.one(
            tx,
            "SELECT r.acted_at > clock_timestamp() - make_interval(secs => :quiet) OR EXISTS ("
            "SELECT 1 FROM tool_call c JOIN lease l ON l.subject = c.holder AND l.until > clock_timestamp() "
            "WHERE c.run_id = r.id AND c.state = 'started') AS busy FROM run r WHERE r.id = :id",
            {"quiet": BUSY_ELSEWHERE_S, "id": run.id},
        )
        if row is not None and row.busy:
            raise RunBusyElsewhere()
    await db.run(
        tx,
        "UPDATE run SET acting_token = :token, acted_at = clock_timestamp() WHERE id = :id",
        {"token": token_id, "id": run.id},
    )


async def record(
    tx: db.Tx, call: Call, said: Answer | ClawBenchError, *, trial_id: str | None, duration_ms: int, kind: str
) -> None:
    """Write a call's event: what was asked, what was answered, how long it took."""
    body: dict[str, Any] = {
        "tool": call.tool,
        "args": {name: shorten(value) for name, value in call.args.items() if value is not None},
        "duration_ms": duration_ms,
    }
    if call.client_call_id:
        body["client_call_id"] = call.client_call_id
    if call.provenance:
        body["client"] = _fitting(call.provenance)
    if isinstance(said, ClawBenchError):
        body |= {"outcome": said.code, "output": str(said)[:_EVENT_TEXT]}
    else:
        body |= {"outcome": "ok", "data": dict(said.data)}
        if said.output is not None:
            body["output"] = said.output
        if ref := said.data.get("output_ref"):
            body["output_ref"] = ref
    for name in ("args", "data", "output"):
        if _size(body) > _EVENT_BYTES and name in body:
            body[name] = _summary(_json(body[name]))
    await events.append(tx, call.run_id, kind, body, trial_id=trial_id)


def shorten(value: Any, depth: int = _EVENT_DEPTH) -> Any:
    """Keep a part of an event small: long text, long lists and deep places are cut, and said to be."""
    if isinstance(value, str) and len(value) > _EVENT_TEXT:
        return {"head": value[:2048], **_summary(value)}
    if not isinstance(value, Mapping | list | tuple):
        return value
    if depth == 0:
        return {"cut": "deeper"}
    if isinstance(value, Mapping):
        kept = {
            str(key)[:100]: shorten(inner, depth - 1) for key, inner in itertools.islice(value.items(), _EVENT_ITEMS)
        }
    else:
        kept = [shorten(inner, depth - 1) for inner in value[:_EVENT_ITEMS]]
    return kept if len(value) <= _EVENT_ITEMS else {"head": kept, "items": len(value)}


def _fitting(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a client said of itself, as much as there is room for, each part whole or not at all."""
    kept: dict[str, Any] = {}
    for name, value in itertools.islice(said.items(), _EVENT_ITEMS):
        more = {**kept, name[:100]: shorten(value)}
        if _size(more) <= _PROVENANCE_BYTES:
            kept = more
    return kept


def _json(value: Any) -> str:
    return json.dumps(events.storable(value), ensure_ascii=False)


def _size(value: Any) -> int:
    return len(_json(value).encode())


def _summary(text: str) -> dict[str, Any]:
    raw = text.encode("utf-8", "surrogatepass")
    return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
