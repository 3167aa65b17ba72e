"""Every run-scoped call of a tool, on every lane, goes through here.

An acting call is written into the ledger before anything is done. Its key is (run, client_call_id), its digest covers
tool and arguments: the same again gives the stored answer; other arguments are `call_id_reused`; a call that a dead
process left behind is `outcome_unknown` and is never done a second time. The work belongs to the process, so a client
that goes away neither cancels nor repeats it. A reading call is recorded, not deduplicated.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from backend import db, ledger, preparing, runs, trials
from backend.auth import Principal
from backend.errors import (
    ClawBenchError,
    Internal,
    InvalidArgument,
    RunClosed,
    SandboxGone,
    TaskPreparing,
    Unavailable,
)
from backend.models import Run, Trial
from backend.platform import Platform
from backend.tools import dispatch, kinds
from backend.tools.session import Answer, Call

log = structlog.get_logger()
PATIENCE_S = 40.0
# Clients give up near 60 s; every answer is out well before.
ANSWER_S = 44.0
_POLL_S = 0.1
# A run tool changes the run's own rows only: it is done in the transaction that writes it into the ledger.
RunTool = Callable[[Platform, db.Tx, Run, Mapping[str, Any]], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, and whether it is a stored one."""

    answer: Answer
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ticket:
    """A call that this process, and no other, is to do now."""

    call: Call
    run: Run
    trial: Trial


async def act(platform: Platform, who: Principal, call: Call, run_tool: RunTool | None = None) -> Reply:
    """Do an acting call once, or give the answer it had. Waits up to 40 s for a task that is being prepared.

    Raises: every error of the contract. A refusal that may be tried again is not stored, any other is.
    """
    valid_call_id(call.client_call_id)
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        last = clock() >= began + PATIENCE_S
        try:
            opened = await _open(platform, who, call, run_tool, last=last)
        except TaskPreparing as error:
            if last:
                raise
            hurry(platform, error.trial_id)
        except ledger.StillWorking:
            if last:
                raise Unavailable("The first call of that id is still being worked on.") from None
        else:
            break
        await asyncio.sleep(_POLL_S)
    if isinstance(opened, Reply):
        return opened
    platform.doing.add((opened.run.id, call.client_call_id))
    left = began + ANSWER_S - clock()
    work = platform.owned.start(_perform(platform, opened, left - 2), f"call:{call.tool}")
    try:
        said = await asyncio.wait_for(asyncio.shield(work), left)
    except TimeoutError:
        raise Unavailable("The call goes on; send it again with the same client_call_id.") from None
    if isinstance(said, ClawBenchError):
        raise said
    return Reply(answer=said)


def hurry(platform: Platform, trial_id: str) -> None:
    """Prepare a trial here unless this process does already; a lease decides between processes."""
    name = f"prepare:{trial_id}"
    if trial_id and name not in platform.owned.names():
        platform.owned.start(preparing.prepare(platform, trial_id), name)


async def _open(
    platform: Platform, who: Principal, call: Call, run_tool: RunTool | None, *, last: bool
) -> Reply | _Ticket:
    """Write the call into the ledger, do it when it is a run tool, or find what became of it."""
    async with platform.database.transaction() as tx:
        run = await runs.lock(tx, call.run_id, who)
        trial_id: str | None = None
        try:
            known = await ledger.outcome(tx, run.id, call, platform.doing)
            if isinstance(known, Answer):
                return Reply(answer=known, replayed=True)
            if known is not None:
                raise known
            dispatch.measure(call.args)
            await ledger.one_client(tx, run, who.token_id)
            if run_tool is None:
                trial = await _active(tx, run, call.tool)
                await ledger.enter(tx, run.id, call, platform.instance, trial_id=trial.id)
                return _Ticket(call=call, run=run, trial=trial)
            began = time.monotonic()
            # A refusal takes back what the tool wrote, but not what is recorded of it below.
            async with tx.begin_nested():
                answer = await run_tool(platform, tx, run, call.args)
            await ledger.enter(tx, run.id, call, platform.instance, stored=answer.dump())
            await ledger.record(tx, call, answer, trial_id=trial_id, duration_ms=_since(began), kind="tool.call")
            return Reply(answer=answer)
        except ClawBenchError as error:
            failure = error
            if not (error.replayed or (isinstance(error, TaskPreparing) and not last)):
                await _refuse(tx, platform, run, call, error)
    raise failure


async def _refuse(tx: db.Tx, platform: Platform, run: Run, call: Call, error: ClawBenchError) -> None:
    known = error.code in ("call_id_reused", "outcome_unknown")
    if not error.retryable and not known and call.client_call_id:
        await ledger.enter(tx, run.id, call, platform.instance, stored=_stored(error))
    await ledger.record(tx, call, error, trial_id=None, duration_ms=0, kind="tool.refused")


async def _active(tx: db.Tx, run: Run, tool: str) -> Trial:
    """Give the trial that the tool may act on. Raises RunClosed, TaskNotActive, TaskPreparing, WrongToolKind."""
    if not runs.is_open(run):
        raise RunClosed(f"It is {run.state}.")
    trial = await trials.active(tx, run.id)
    if trial is not None:
        kinds.check(tool, trial)
    return await trials.running(tx, run.id)


async def _perform(platform: Platform, ticket: _Ticket, wait_s: float) -> Answer | ClawBenchError:
    """Do a started call and store what came of it before anyone is told; it may wait for output for `wait_s`."""
    began, key = time.monotonic(), (ticket.run.id, ticket.call.client_call_id)
    try:
        said = await dispatch.handle(platform, ticket.run, ticket.trial, ticket.call, wait_s)
        return await _store(platform, ticket, said, _since(began))
    finally:
        platform.doing.discard(key)


async def _store(
    platform: Platform, ticket: _Ticket, said: Answer | ClawBenchError, duration_ms: int
) -> Answer | ClawBenchError:
    """Store the outcome however long the database is away; gives what could be stored."""
    pause, unforeseen = 0.5, False
    while True:
        try:
            async with platform.database.transaction() as tx:
                await _settle(tx, ticket, said, duration_ms)
            return said
        except Unavailable:
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
        except Exception:
            # An outcome that cannot be stored is one that nobody knows; the tick says so if even that fails.
            if unforeseen:
                raise
            log.exception("call.not_stored", run=ticket.run.id, tool=ticket.call.tool)
            said, unforeseen = Internal(), True


async def _settle(tx: db.Tx, ticket: _Ticket, said: Answer | ClawBenchError, duration_ms: int) -> None:
    call, run_id = ticket.call, ticket.run.id
    await runs.hold(tx, run_id)
    if isinstance(said, Answer):
        await ledger.complete(tx, run_id, call, said.dump())
    elif said.retryable:
        await ledger.forget(tx, run_id, call)
    else:
        await ledger.complete(tx, run_id, call, None if said.code in ("internal", "outcome_unknown") else _stored(said))
    await ledger.record(tx, call, said, trial_id=ticket.trial.id, duration_ms=duration_ms, kind="tool.call")
    if isinstance(said, SandboxGone):
        await _lost(tx, ticket.trial)


async def _lost(tx: db.Tx, trial: Trial) -> None:
    """End a trial whose sandbox is gone; the run's row must be held."""
    now = await trials.lock(tx, trial.id)
    if now.state == "running":
        await trials.fail(tx, now, "sandbox_failed", "its sandbox was lost during a call")


def _stored(error: ClawBenchError) -> str:
    return json.dumps({"error": error.body()}, ensure_ascii=False)


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


# What a reading tool does with the run it was given.
Reader = Callable[[Run], Awaitable[Answer]]


async def read(platform: Platform, who: Principal, call: Call, reader: Reader | None = None) -> Reply:
    """Do a reading call and record it while the run is open; without a reader it is a tool of the active task.

    Raises: every error of the contract.
    """
    began = time.monotonic()
    run, trial, said = await _read(platform, who, call, reader)
    async with platform.database.transaction() as tx:
        # A look at a closed run is no part of it; a refused call is.
        if runs.is_open(await runs.lock(tx, run.id, who)) or isinstance(said, ClawBenchError):
            kind = "tool.refused" if isinstance(said, ClawBenchError) and trial is None else "tool.read"
            await ledger.record(
                tx, call, said, trial_id=trial.id if trial else None, duration_ms=_since(began), kind=kind
            )
            if isinstance(said, SandboxGone) and trial is not None:
                await _lost(tx, trial)
    if isinstance(said, ClawBenchError):
        raise said
    return Reply(answer=said)


async def _read(
    platform: Platform, who: Principal, call: Call, reader: Reader | None
) -> tuple[Run, Trial | None, Answer | ClawBenchError]:
    began, trial = time.monotonic(), None
    async with platform.database.transaction() as tx:
        run = await runs.find(tx, call.run_id, who)
    try:
        dispatch.measure(call.args)
        if reader is not None:
            return run, None, await reader(run)
        trial = await _awaited(platform, run, call)
    except ClawBenchError as error:
        return run, None, error
    # A reading tool of the task may wait in the sandbox, so it too belongs to the process.
    left = began + ANSWER_S - 2 - time.monotonic()
    work = platform.owned.start(dispatch.handle(platform, run, trial, call, left), f"read:{call.tool}")
    try:
        return run, trial, await asyncio.wait_for(asyncio.shield(work), left + 2)
    except TimeoutError:
        return run, trial, Unavailable("The sandbox does not answer; ask again.")


async def _awaited(platform: Platform, run: Run, call: Call) -> Trial:
    """Give the active trial, waiting for one that is being prepared. Raises as `_active` does."""
    patience = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            async with platform.database.transaction() as tx:
                return await _active(tx, run, call.tool)
        except TaskPreparing as error:
            if asyncio.get_running_loop().time() >= patience:
                raise
            hurry(platform, error.trial_id)
            await asyncio.sleep(_POLL_S)


async def note_refusal(platform: Platform, who: Principal, call: Call, error: ClawBenchError) -> None:
    """Record a call that was refused for its shape, where it names a run of the caller's."""
    if not runs.ID.fullmatch(call.run_id):
        return
    async with platform.database.transaction() as tx:
        try:
            run = await runs.lock(tx, call.run_id, who)
        except ClawBenchError:
            return
        await ledger.record(tx, call, error, trial_id=None, duration_ms=0, kind="tool.refused")
        assert run is not None


def valid_call_id(value: str) -> str:
    """Give the id back. Raises InvalidArgument unless it has 1 to 64 printable characters."""
    if not (1 <= len(value) <= 64 and value.isprintable()):
        raise InvalidArgument("client_call_id has 1 to 64 printable characters.")
    return value
