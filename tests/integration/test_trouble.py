"""Trouble that a platform meets: slow queues, lost databases, races, hung sandboxes, deploys."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from backend import calls, db, finalize, runs, sandboxes, tick
from backend.canary import chosen
from backend.scoring import verify
from providers.fake import FakeSandbox
from tests.conftest import Served
from tests.integration.doing import ANSWER, TERMINAL, begin, ended, refused

pytestmark = pytest.mark.slow


@pytest.mark.proves("sandbox.lease")
async def test_a_sandbox_that_waits_for_its_verifier_is_kept_alive(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(served.platform, "settings", dataclasses.replace(served.settings, lease_s=3))
    go, real = asyncio.Event(), verify.verify

    async def queued(*args: Any) -> Any:
        await go.wait()
        return await real(*args)

    monkeypatch.setattr(finalize, "verify", queued)
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        await agent.act("finish_run", run_id=run_id)
        for _ in range(6):
            await sandboxes.renew_all(served.platform)
            await asyncio.wait({asyncio.create_task(asyncio.Event().wait())}, timeout=1)
        go.set()
        assert (await ended(agent, run_id))["state"] == "finished"


@pytest.mark.proves("calls.stored")
async def test_an_outcome_is_stored_however_long_the_database_is_away(served: Served) -> None:
    here, real = served.platform, served.platform.database
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        asked = {"run_id": run_id, "client_call_id": "slow", "command": "sleep 1; echo x >> n; cat n"}
        waiting = asyncio.create_task(agent.call("terminal_exec", **asked))
        async with asyncio.timeout(10):
            while (run_id, "slow") not in here.doing:
                await asyncio.sleep(0.01)
        nowhere = real.url.partition("?host=")[0] + "?host=/nonexistent"
        object.__setattr__(here, "database", db.Database(nowhere))
        async with asyncio.timeout(5):
            while await here.database.answers():
                await asyncio.sleep(0.01)
        await asyncio.wait({waiting}, timeout=2.5)
        assert not waiting.done()
        object.__setattr__(here, "database", real)
        assert (await waiting)["output"] == "x\n"
        assert (await agent.call("terminal_exec", **asked))["output"] == "x\n"


@pytest.mark.proves("calls.stored")
async def test_without_a_database_tools_and_pages_say_unavailable(served: Served) -> None:
    import httpx

    here, real, token = served.platform, served.platform.database, await served.token()
    headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers) as http:
        nowhere = real.url.partition("?host=")[0] + "?host=/nonexistent"
        object.__setattr__(here, "database", db.Database(nowhere))
        try:
            asked = await http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
            read = await http.get("/api/runs/run_unknown_0000")
        finally:
            object.__setattr__(here, "database", real)
    for answer in (asked, read):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


@pytest.mark.proves("calls.stored")
async def test_a_call_that_its_own_process_dropped_becomes_unknown(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(calls, "_settle", broken)
    monkeypatch.setattr(tick, "ALIVE_S", 0)
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        asked = {"run_id": run_id, "client_call_id": "dropped", "command": "true"}
        await refused("internal", agent.call("terminal_exec", **asked))
        await tick.disown(served.platform)
        await refused("outcome_unknown", agent.call("terminal_exec", **asked))


@pytest.mark.proves("run.races")
async def test_cancelling_never_waits_for_preparing_or_scoring_in_a_circle(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sandboxes.mark

    async def slow(*args: Any, **more: Any) -> None:
        await real(*args, **more)
        await asyncio.sleep(0.2)

    monkeypatch.setattr(sandboxes, "mark", slow)
    async with served.agent() as agent:
        for pause in (0.0, 0.1, 0.2, 0.3):
            asked = {"benchmark": "entry-test", "agent_name": "Tester_agent", "task_ids": [TERMINAL]}
            run_id = (await agent.act("create_run", **asked))["run_id"]
            starting = asyncio.create_task(agent.act("start_task", run_id=run_id, task_id=TERMINAL))
            await asyncio.sleep(pause)
            assert (await agent.act("cancel_run", run_id=run_id))["state"] == "cancelled"
            await asyncio.gather(starting, return_exceptions=True)
            assert (await ended(agent, run_id))["state"] == "cancelled"
    async with asyncio.timeout(20):
        while [info async for info in served.platform.provider.list(deployment=served.settings.deployment)]:
            await asyncio.sleep(0.05)


@pytest.mark.proves("run.races")
async def test_an_error_nobody_foresaw_while_preparing_leaves_no_sandbox_and_no_trial_in_between(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    async with served.agent() as agent:
        asked = {"benchmark": "entry-test", "agent_name": "Tester_agent", "task_ids": [TERMINAL]}
        run_id = (await agent.act("create_run", **asked))["run_id"]
        start = {"run_id": run_id, "task_id": TERMINAL, "client_call_id": "start"}
        with monkeypatch.context() as patch:
            patch.setattr(FakeSandbox, "put_tree", broken)
            assert (await refused("unavailable", agent.call("start_task", **start)))["retryable"] is True
        assert (await agent.call("get_run", run_id=run_id))["tasks"][0]["cause"] == "platform_failed"
        assert not [info async for info in served.platform.provider.list(deployment=served.settings.deployment)]
        # The refusal may be tried again with its own id, and then it is a new attempt.
        assert (await agent.call("start_task", **start))["state"] == "running"


@pytest.mark.proves("sandbox.lease")
async def test_a_sandbox_that_does_not_answer_stops_neither_heart_nor_tick_nor_the_answer_in_time(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "ANSWER_S", 3.0)
    monkeypatch.setattr(sandboxes, "_RENEW_S", 1)
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        async with served.platform.database.transaction() as tx:
            trial = await db.one(tx, "SELECT id FROM trial WHERE run_id = :id", {"id": run_id})
        assert trial is not None
        box = await sandboxes.of(served.platform, trial.id)
        first = await agent.act("terminal_exec", run_id=run_id, command="sleep 60", wait_s=0)
        await box.pause()
        async with asyncio.timeout(8):
            await sandboxes.renew_all(served.platform)
            waited = agent.call("terminal_wait", run_id=run_id, job_id=first["job_id"], wait_s=40)
            await refused("unavailable", waited)
        await agent.act("cancel_run", run_id=run_id)


@pytest.mark.proves("calls.replay")
async def test_an_answer_is_accepted_only_when_it_is_kept(served: Served) -> None:
    async with served.agent() as agent:
        for number in range(8):
            run_id = await begin(agent, ANSWER)
            submitted, _ = await asyncio.gather(
                agent.act("submit_answer", run_id=run_id, answer=f"answer {number}"),
                agent.act("finish_task", run_id=run_id),
                return_exceptions=True,
            )
            async with served.platform.database.transaction() as tx:
                row = await db.one(tx, "SELECT answer FROM trial WHERE run_id = :id", {"id": run_id})
            assert row is not None
            accepted = isinstance(submitted, dict) and submitted["accepted"]
            assert (row.answer == f"answer {number}") == accepted
            await agent.act("finish_run", run_id=run_id)


@pytest.mark.proves("up.restart")
async def test_a_command_that_is_waited_for_answers_when_the_platform_stops(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        asked = {"run_id": run_id, "client_call_id": "long", "command": "echo begun; sleep 60", "wait_s": 40}
        waiting = asyncio.create_task(agent.call("terminal_exec", **asked))
        async with asyncio.timeout(10):
            while (run_id, "long") not in served.platform.doing:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            served.platform.stopping.set()
            said = await waiting
        assert (said["status"], said["output"]) == ("running", "begun\n")


@pytest.mark.proves("run.races")
async def test_closing_a_run_is_tried_until_it_works(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = runs.close, iter(range(4))

    async def flaky(*args: Any) -> bool:
        if next(failures, None) is not None:
            raise RuntimeError("a passing trouble")
        return await real(*args)

    monkeypatch.setattr(runs, "close", flaky)
    monkeypatch.setattr(finalize, "_LONGEST_PAUSE_S", 0.1)
    async with served.agent() as agent:
        run_id = await begin(agent, ANSWER)
        await agent.act("finish_run", run_id=run_id)
        assert (await ended(agent, run_id))["state"] == "finished"


@pytest.mark.proves("sandbox.lease")
async def test_garbage_is_what_no_open_trial_needs_and_a_dry_run_removes_nothing(served: Served) -> None:
    here = served.platform
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        task = chosen()[1]
        image = await here.provider.prepare_image(sandboxes.image_of(here, task))
        for key, owner in (("sbx-orphan00001", run_id), ("sbx-calibrate01", sandboxes.CALIBRATION)):
            await here.provider.create(sandboxes.spec(here, owner, task, image, key, role="agent"))
        would = await sandboxes.collect_garbage(here, dry_run=True)
        assert [found["sandbox"] for found in would] == ["sbx-orphan00001"]
        assert await sandboxes.collect_garbage(here) == would
        assert await sandboxes.collect_garbage(here) == []
        assert (await agent.act("terminal_exec", run_id=run_id, command="echo on"))["output"] == "on\n"
