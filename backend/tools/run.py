"""The run's own tools: create it, begin and end its tasks, end it. Rows only, in the ledger's transaction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from backend import calls, db, identity, ledger, runs, trials
from backend.auth import Principal
from backend.catalog.tasks import Task
from backend.errors import ClawBenchError, InvalidArgument, NotRunnable, RunClosed, TooLarge, Unavailable
from backend.models import Account, Run, Trial
from backend.platform import Platform
from backend.tools import dispatch
from backend.tools.session import Answer, Call

METADATA_BYTES = 16_384
PERSONAS = ("naive", "savvy")
_START_WAIT_S = 35.0


async def create(platform: Platform, who: Principal, call: Call) -> calls.Reply:
    """Create a run once per (owner, client_call_id) and lease it to the platform.

    Raises: UnknownBenchmark, UnknownTask, NotRunnable, AgentNameRefused, InvalidArgument, TooLarge, CallIdReused.
    """
    scope = f"owner:{who.account_id}"
    calls.valid_call_id(call.client_call_id)
    _shallow(call.args["metadata"])
    dispatch.measure({name: value for name, value in call.args.items() if name != "metadata"})
    async with platform.database.transaction() as tx:
        # One creation of an owner at a time, so that a doubled call meets the first one's row.
        await db.run(tx, "SELECT 1 FROM account WHERE id = :id FOR UPDATE", {"id": who.account_id})
        try:
            known = await ledger.outcome(tx, scope, call, platform.doing)
        except ledger.StillWorking:
            raise Unavailable("The first call of that id is still being worked on.") from None
        if isinstance(known, ClawBenchError):
            raise known
        if known is not None:
            return calls.Reply(answer=known, replayed=True)
        run = await runs.create(tx, who, await _plan(platform, tx, who, call.args))
        await runs.claim(tx, run.id)
        found = await tx.get(Run, run.id, populate_existing=True)
        assert found is not None
        shown = await runs.view(tx, found)
        answer = Answer(
            data={
                "run_id": run.id,
                "state": found.state,
                "tasks": [{key: task[key] for key in ("task_id", "kind", "title")} for task in shown["tasks"]],
                "limits": found.limits,
            }
        )
        await ledger.enter(tx, scope, call, platform.instance, stored=answer.dump())
    return calls.Reply(answer=answer)


async def _plan(platform: Platform, tx: db.Tx, who: Principal, args: Mapping[str, Any]) -> runs.Plan:
    if args["submission_mode"] != "mcp":
        raise InvalidArgument('submission_mode is "mcp" here.')
    if args["persona"] is not None and args["persona"] not in PERSONAS:
        raise InvalidArgument(f"persona is one of {', '.join(PERSONAS)}.")
    tasks = _tasks(platform, args["benchmark"], args["task_ids"])
    declared = args["metadata"] or {}
    if len(json.dumps(declared, ensure_ascii=False).encode("utf-8", "surrogatepass")) > METADATA_BYTES:
        raise TooLarge(f"metadata can have at most {METADATA_BYTES} bytes.")
    account = Account(id=who.account_id, name=who.name, role=who.role)
    agent = await identity.claim(tx, args["agent_name"], account)
    canary = "canary" in declared
    if canary and not (agent.name == identity.EVERYONE or who.role in ("ops", "admin")):
        raise InvalidArgument(f"`canary` in the metadata is for {identity.EVERYONE} and for ops.")
    return runs.Plan(
        benchmark=args["benchmark"],
        agent=agent,
        tasks=tasks,
        kind="canary" if canary else "agent",
        persona=args["persona"],
        declared=declared,
        idle_s=platform.settings.idle_limit_s,
        wall_s=platform.settings.run_wall_s,
    )


def _shallow(value: Any, depth: int = 8) -> None:
    """Raises InvalidArgument for metadata that is nested too deeply to be kept and shown."""
    if isinstance(value, dict | list):
        if not depth:
            raise InvalidArgument("metadata can be nested 8 levels deep.")
        for inner in value.values() if isinstance(value, dict) else value:
            _shallow(inner, depth - 1)


def _tasks(platform: Platform, benchmark: str, wanted: list[str] | None) -> tuple[Task, ...]:
    installed = platform.catalog.of(benchmark)
    if wanted is None:
        runnable = tuple(task for task in installed if task.runnable)
        if not runnable:
            raise NotRunnable("No task of this family is installed here.")
        return runnable
    if not wanted or len(set(wanted)) != len(wanted):
        raise InvalidArgument("task_ids names each task once, and at least one.")
    chosen = tuple(platform.catalog.task(benchmark, task_id) for task_id in wanted)
    if broken := [task.id for task in chosen if not task.runnable]:
        raise NotRunnable(f"({', '.join(broken)})")
    return chosen


async def start_task(platform: Platform, who: Principal, call: Call) -> calls.Reply:
    """Make a task the active one; waits a while for its sandbox, then says `preparing`."""
    reply = await calls.act(platform, who, call, _start)
    data = reply.answer.data
    if data["state"] != "preparing":
        return reply
    async with platform.database.transaction() as tx:
        run = await runs.find(tx, call.run_id, who)
        trial = next(trial for trial in await runs.last_trials(tx, run.id) if trial.task_id == data["task_id"])
    calls.hurry(platform, trial.id if trial.state == "preparing" else "")
    state = await _settled(platform, trial.id)
    async with platform.database.transaction() as tx:
        if state == "failed":
            await ledger.unsay(tx, run.id, call.client_call_id)
        else:
            data = {**data, "state": "running" if state == "running" else "preparing"}
            await ledger.amend(tx, run.id, call.client_call_id, Answer(data=data))
    if state == "failed":
        raise Unavailable("The task's sandbox could not be made; start the task again.")
    return calls.Reply(answer=Answer(data=data), replayed=reply.replayed)


async def _settled(platform: Platform, trial_id: str) -> str:
    """Wait for the trial to leave `preparing`, at most as long as a client waits."""
    patience = asyncio.get_running_loop().time() + _START_WAIT_S
    while True:
        async with platform.database.transaction() as tx:
            row = await db.one(tx, "SELECT state FROM trial WHERE id = :id", {"id": trial_id})
        assert row is not None
        if row.state != "preparing" or asyncio.get_running_loop().time() >= patience:
            return row.state
        await asyncio.sleep(0.05)


async def _start(platform: Platform, tx: db.Tx, run: Run, args: Mapping[str, Any]) -> Answer:
    if not runs.is_open(run):
        raise RunClosed(f"It is {run.state}.")
    task = platform.catalog.task(run.benchmark, args["task_id"])
    return Answer(data=describe(task, await trials.start(tx, run, task)))


def describe(task: Task, trial: Trial) -> dict[str, Any]:
    """The task as an agent is told it. The instruction is data; nothing of ours is mixed into it."""
    return {
        "task_id": task.id,
        "kind": task.kind,
        "state": trial.state,
        "instruction": task.instruction,
        "workdir": task.workdir if task.image else None,
        "limits": task.limits.public(),
    }


async def current(platform: Platform, run: Run) -> Answer:
    """Describe the active task. Raises TaskNotActive, RunClosed."""
    if not runs.is_open(run):
        raise RunClosed(f"It is {run.state}.")
    async with platform.database.transaction() as tx:
        trial = await trials.active(tx, run.id) or await trials.running(tx, run.id)
    return Answer(data=describe(platform.catalog.task(run.benchmark, trial.task_id), trial))


async def finish_task(platform: Platform, tx: db.Tx, run: Run, args: Mapping[str, Any]) -> Answer:
    """End the active task and hand it to the verifier."""
    if not runs.is_open(run):
        raise RunClosed(f"It is {run.state}.")
    trial = await trials.running(tx, run.id)
    await trials.finish(tx, trial)
    return Answer(data={"task_id": trial.task_id, "state": trial.state})


async def finish_run(platform: Platform, tx: db.Tx, run: Run, args: Mapping[str, Any]) -> Answer:
    """End the run; what it reported of itself is kept as reported."""
    if args["reported"]:
        await db.run(
            tx,
            "UPDATE run SET reported = CAST(:reported AS jsonb) WHERE id = :id",
            {"reported": json.dumps(args["reported"]), "id": run.id},
        )
    await trials.end_run(tx, run)
    return Answer(data={"run_id": run.id, "state": run.state})


async def cancel_run(platform: Platform, tx: db.Tx, run: Run, args: Mapping[str, Any]) -> Answer:
    """End the run without a score. A cancelled run still counts in the account's public number of started runs."""
    if not runs.is_open(run):
        raise RunClosed(f"It is {run.state}.")
    await trials.drop_run(tx, run, "cancelled", cause="cancelled")
    return Answer(data={"run_id": run.id, "state": run.state})
