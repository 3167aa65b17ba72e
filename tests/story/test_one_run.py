"""The walk of one run, from a client's first call to the score: create, queue, claim, execute, finalize."""

from __future__ import annotations

import asyncio

import pytest

from backend.agent import Agent
from backend.canary import chosen
from tests.conftest import Served


async def finished(agent: Agent, run_id: str) -> dict:
    async with asyncio.timeout(120):
        while (run := await agent.call("get_run", run_id=run_id))["state"] not in ("finished", "failed"):
            await asyncio.sleep(0.05)
    return run


async def walk(served: Served, mode: str = "auto") -> None:
    answer_task, terminal_task = chosen()
    async with served.agent("alice", mode=mode) as agent:
        families = (await agent.call("list_benchmarks"))["benchmarks"]
        assert [family["id"] for family in families] == [
            "terminal-bench",
            "swe-bench-verified",
            "entry-test",
            "web-tasks",
        ]

        created = await agent.act(
            "create_run",
            benchmark="entry-test",
            agent_name="Tester_agent",
            task_ids=[answer_task.id, terminal_task.id],
            metadata={"model": "scripted"},
        )
        run_id = created["run_id"]
        assert created["state"] == "claimed"

        started = await agent.act("start_task", run_id=run_id, task_id=answer_task.id)
        assert started["state"] == "running"
        assert started["instruction"] == answer_task.instruction
        right = (answer_task.directory / "solution" / "answer.txt").read_text().strip()
        await agent.act("submit_answer", run_id=run_id, answer="a first guess")
        assert (await agent.act("submit_answer", run_id=run_id, answer=right))["accepted"]
        assert (await agent.act("finish_task", run_id=run_id))["state"] == "verifying"

        started = await agent.act("start_task", run_id=run_id, task_id=terminal_task.id)
        assert started["state"] == "running"
        script = (terminal_task.directory / "solution" / "solve.sh").read_text()
        done = await agent.act("terminal_exec", run_id=run_id, command=script, wait_s=40)
        assert (done["status"], done["exit_code"]) == ("exited", 0), done["output"]
        assert (await agent.act("finish_run", run_id=run_id))["state"] == "finalizing"

        run = await finished(agent, run_id)
        assert run["state"] == "finished", run
        assert [(task["state"], task["score"]) for task in run["tasks"]] == [("scored", 1.0), ("scored", 1.0)]
        assert run["score"] == 1.0
        assert run["visibility"] == "dev_only"


@pytest.mark.proves("story.walk")
async def test_a_run_goes_from_its_first_call_to_its_score(served: Served) -> None:
    await walk(served)


@pytest.mark.docker
@pytest.mark.proves("story.docker")
async def test_the_same_walk_in_real_containers(served: Served) -> None:
    await walk(served)
