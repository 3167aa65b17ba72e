"""The canary: a scripted agent that does the main job from outside, as a participant's agent would.

It connects with a real token over real Streamable HTTP, solves Entry Test tasks by their references, and waits for the
score. It is `Tester_agent`, says so in its metadata, and so its runs can never be public. It reads references only to
type what they say through the tools; no code path brings them into a sandbox.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from backend import auth, identity
from backend.agent import Agent, connect
from backend.catalog.tasks import Task, catalog
from backend.db import Database
from backend.errors import ClawBenchError
from backend.settings import Settings

NAME = "entry-canary"
USER = "canary"
_SCORE_WITHIN_S = 180


class CanaryFailed(ClawBenchError):
    """The canary did not come through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryResult:
    """What the canary's run came to; `link` signs a browser in once, as the canary's owner."""

    score: float
    run_id: str
    url: str
    link: str


def run(settings: Settings) -> CanaryResult:
    """Do the main job against the platform at `settings.public_url`. Raises CanaryFailed."""
    return asyncio.run(_run(settings))


def chosen() -> tuple[Task, ...]:
    """The canary's tasks: the easiest answer task and the easiest terminal task."""
    listed = catalog().of("entry-test")
    return tuple(next(task for task in listed if task.kind == kind) for kind in ("answer", "terminal"))


async def _run(settings: Settings) -> CanaryResult:
    assert settings.database_url is not None, "the canary runs beside a platform that has its database"
    await _reachable(settings)
    database = Database(settings.database_url)
    try:
        async with database.transaction() as tx:
            owner = await auth.account(tx, USER, actor="canary")
            scopes = frozenset({"read", "run"})
            token = await auth.issue(tx, owner, scopes, ttl=timedelta(hours=1), actor="canary")
            link = await auth.issue(tx, owner, frozenset({"read"}), ttl=timedelta(hours=1), kind="link", actor="canary")
    finally:
        await database.close()
    async with connect(f"{local(settings)}/mcp", token.value) as agent:
        run_id, score = await work(agent, chosen())
    url = f"{settings.public_url}/runs/{run_id}"
    sign_in = f"{settings.public_url}/auth/link?code={link.value}&next=/runs/{run_id}"
    return CanaryResult(score=score, run_id=run_id, url=url, link=sign_in)


async def _reachable(settings: Settings) -> None:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", settings.port)
    except OSError as error:
        raise CanaryFailed(f"Nothing answers at {local(settings)}; start it with `clawbench up`.") from error
    writer.close()
    await writer.wait_closed()


def local(settings: Settings) -> str:
    """The platform's address on this machine, whatever its public one is."""
    return f"http://127.0.0.1:{settings.port}"


async def work(agent: Agent, tasks: tuple[Task, ...]) -> tuple[str, float]:
    """Make a run over these tasks, solve each by its reference, and give the run and its score."""
    created = await agent.act(
        "create_run",
        benchmark="entry-test",
        agent_name=identity.EVERYONE,
        task_ids=[task.id for task in tasks],
        metadata={"canary": NAME},
    )
    run_id = created["run_id"]
    for task in tasks:
        started = await agent.act("start_task", run_id=run_id, task_id=task.id)
        while started["state"] == "preparing":
            await asyncio.sleep(0.5)
            started = await agent.call("get_task", run_id=run_id)
        if task.kind == "answer":
            text = (task.directory / "solution" / "answer.txt").read_text().strip()
            await agent.act("submit_answer", run_id=run_id, answer=text)
        else:
            await _type(agent, run_id, (task.directory / "solution" / "solve.sh").read_text())
        await agent.act("finish_task", run_id=run_id)
    await agent.act("finish_run", run_id=run_id)
    return run_id, await _score(agent, run_id)


async def _type(agent: Agent, run_id: str, script: str) -> None:
    """Run a script the way an agent would: as a command in the terminal, waiting for its end."""
    done = await agent.act("terminal_exec", run_id=run_id, command=script, wait_s=40)
    while done["status"] == "running":
        done = await agent.call("terminal_wait", run_id=run_id, job_id=done["job_id"], wait_s=40)
    if done["exit_code"] != 0:
        raise CanaryFailed(f"Its command ended {done['status']} {done['exit_code']}: {done['output'][-300:]}")


async def _score(agent: Agent, run_id: str) -> float:
    deadline = asyncio.get_running_loop().time() + _SCORE_WITHIN_S
    while asyncio.get_running_loop().time() < deadline:
        seen = await agent.call("get_run", run_id=run_id)
        if seen["state"] == "finished":
            return float(seen["score"])
        if seen["state"] in ("failed", "expired", "cancelled"):
            raise CanaryFailed(f"Its run {run_id} ended as {seen['state']} ({seen['cause']}).")
        await asyncio.sleep(0.3)
    raise CanaryFailed(f"Its run {run_id} has no score after {_SCORE_WITHIN_S} s.")
