"""What tests of the tools do again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from backend.agent import Agent, ToolRefused
from backend.canary import chosen

ANSWER, TERMINAL = (task.id for task in chosen())


async def begin(agent: Agent, task_id: str, **more: Any) -> str:
    """Create a run over one task and start it; gives the run's id."""
    asked = {"benchmark": "entry-test", "agent_name": "Tester_agent", "task_ids": [task_id], **more}
    run_id: str = (await agent.act("create_run", **asked))["run_id"]
    assert (await agent.act("start_task", run_id=run_id, task_id=task_id))["state"] == "running"
    return run_id


async def refused(code: str, doing: Awaitable[Any]) -> dict[str, Any]:
    """Insist that a call is refused with this code; gives the error."""
    with pytest.raises(ToolRefused) as caught:
        await doing
    assert caught.value.code == code, caught.value.body
    assert set(caught.value.body) == {"code", "message", "retryable"}
    return caught.value.body


async def ended(agent: Agent, run_id: str, within_s: float = 60) -> dict[str, Any]:
    """Wait for the run's end."""
    async with asyncio.timeout(within_s):
        while True:
            run = await agent.call("get_run", run_id=run_id)
            if run["state"] in ("finished", "failed", "expired", "cancelled"):
                return run
            await asyncio.sleep(0.05)
