"""The call ledger through the real MCP endpoint: once, in order, owned, and never lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backend import db, events, ledger
from backend.agent import ToolRefused, connect
from backend.tools.session import Call
from tests.conftest import Served
from tests.integration.doing import ANSWER, TERMINAL, begin, refused


@pytest.mark.proves("calls.replay")
async def test_a_repeated_call_gives_the_stored_answer_and_says_so(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        asked: dict[str, Any] = {"run_id": run_id, "client_call_id": "count", "command": "echo x >> n; wc -l < n"}
        first = await agent.raw("terminal_exec", **asked)
        again = await agent.raw("terminal_exec", **asked)
    assert first.content == again.content
    assert (first.meta or {}).get("replayed") is None
    assert (again.meta or {})["replayed"] is True


@pytest.mark.proves("calls.once")
async def test_fifty_copies_of_one_call_at_once_run_it_once(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        asked = {"run_id": run_id, "client_call_id": "once", "command": "echo x >> n; sleep 0.3; cat n"}
        results = await asyncio.gather(*(agent.raw("terminal_exec", **asked) for _ in range(50)))
        assert {result.content[0].text for result in results} == {"x\n"}  # pyright: ignore[reportAttributeAccessIssue]
        assert sum(not (result.meta or {}).get("replayed") for result in results) == 1
        assert (await agent.act("terminal_exec", run_id=run_id, command="cat n"))["output"] == "x\n"


@pytest.mark.proves("calls.reused")
async def test_the_same_id_with_other_arguments_is_refused(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        await agent.call("terminal_exec", run_id=run_id, client_call_id="a", command="true")
        await refused("call_id_reused", agent.call("terminal_exec", run_id=run_id, client_call_id="a", command="false"))
        await refused("call_id_reused", agent.call("finish_task", run_id=run_id, client_call_id="a"))


@pytest.mark.proves("calls.replay")
async def test_create_run_is_keyed_by_owner_and_does_not_collide_with_the_runs_own_calls(served: Served) -> None:
    async with served.agent() as agent:
        asked = {
            "benchmark": "entry-test",
            "agent_name": "Tester_agent",
            "client_call_id": "same",
            "task_ids": [ANSWER],
        }
        first = await agent.call("create_run", **asked)
        assert await agent.call("create_run", **asked) == first
        await refused("call_id_reused", agent.call("create_run", **{**asked, "task_ids": [TERMINAL]}))
        run_id = first["run_id"]
        started = await agent.call("start_task", run_id=run_id, task_id=ANSWER, client_call_id="same")
        assert started["state"] == "running"
    async with served.agent("bob") as other:
        assert (await other.call("create_run", **asked))["run_id"] != run_id


@pytest.mark.proves("calls.unknown")
async def test_a_call_that_a_dead_process_left_behind_is_unknown_and_never_done_again(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        args = {"command": "echo x >> n", "wait_s": 30, "cwd": None, "timeout_s": None, "pty": False}
        call = Call(tool="terminal_exec", args=args, run_id=run_id, client_call_id="lost")
        async with served.platform.database.transaction() as tx:
            await ledger.enter(tx, run_id, call, "backend:dead")
        asked = {"run_id": run_id, "client_call_id": "lost", "command": "echo x >> n"}
        await refused("outcome_unknown", agent.call("terminal_exec", **asked))
        await refused("outcome_unknown", agent.call("terminal_exec", **asked))
        assert (await agent.act("terminal_exec", run_id=run_id, command="cat n 2>&1 || true"))["output"] != "x\n"


@pytest.mark.proves("calls.disconnect")
async def test_a_client_that_goes_away_neither_cancels_nor_repeats_its_call(served: Served) -> None:
    token = await served.token()
    async with connect(f"{served.url}/mcp", token) as agent:
        run_id = await begin(agent, TERMINAL)
        asked = {"run_id": run_id, "client_call_id": "gone", "command": "echo x >> n; sleep 1; echo done"}
        waiting = asyncio.create_task(agent.raw("terminal_exec", **asked))
        async with asyncio.timeout(10):
            while not await _started(served, run_id, "gone"):
                await asyncio.sleep(0.02)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with connect(f"{served.url}/mcp", token) as agent:
        assert (await agent.call("terminal_exec", **asked))["output"] == "done\n"
        assert (await agent.act("terminal_exec", run_id=run_id, command="cat n"))["output"] == "x\n"


async def _started(served: Served, run_id: str, call_id: str) -> bool:
    async with served.platform.database.transaction() as tx:
        row = await db.one(
            tx, "SELECT 1 FROM tool_call WHERE scope = :s AND client_call_id = :c", {"s": run_id, "c": call_id}
        )
    return row is not None


@pytest.mark.proves("calls.owner")
async def test_foreign_unknown_and_malformed_run_ids_answer_alike(served: Served) -> None:
    async with served.agent("alice") as alice:
        mine = await begin(alice, TERMINAL)
    async with served.agent("bob") as bob:
        texts = set()
        for run_id in (mine, "run_does_not_exist_0000", "x", "../../etc/passwd", "run_\x00"):
            for tool, more in (("get_run", {}), ("terminal_exec", {"client_call_id": "c", "command": "id"})):
                result = await bob.raw(tool, run_id=run_id, **more)
                assert result.is_error
                texts.add(result.content[0].text)  # pyright: ignore[reportAttributeAccessIssue]
    assert len(texts) == 1
    assert '"run_not_found"' in texts.pop()


@pytest.mark.proves("calls.one_client")
async def test_a_second_credential_is_refused_while_the_first_is_active(served: Served) -> None:
    async with served.agent() as first, served.agent() as second:
        run_id = await begin(first, ANSWER)
        assert (await second.call("get_run", run_id=run_id))["state"] == "running"
        await refused("run_busy_elsewhere", second.act("submit_answer", run_id=run_id, answer="x"))
        async with served.platform.database.transaction() as tx:
            await db.run(tx, "UPDATE run SET acted_at = now() - interval '61 seconds'")
        assert (await second.act("submit_answer", run_id=run_id, answer="x"))["accepted"]
        await refused("run_busy_elsewhere", first.act("submit_answer", run_id=run_id, answer="y"))


@pytest.mark.proves("calls.events", "data.chain")
async def test_every_call_of_a_run_is_an_event_and_the_chain_holds(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        await agent.act("terminal_exec", run_id=run_id, command="echo one; cd /; false")
        await agent.call("file_list", run_id=run_id)
        with pytest.raises(ToolRefused):
            await agent.act("submit_answer", run_id=run_id, answer="x")
    async with served.platform.database.transaction() as tx:
        assert await events.verify(tx, run_id) is None
        kinds = [(row.kind, row.tool) for row in await db.rows(tx, _KINDS, {"id": run_id})]
        assert ("tool.call", "terminal_exec") in kinds
        assert ("tool.read", "file_list") in kinds
        assert ("tool.refused", "submit_answer") in kinds


_KINDS = "SELECT kind, body->>'tool' AS tool FROM event WHERE run_id = :id ORDER BY seq"


@pytest.mark.proves("data.chain")
async def test_a_changed_dropped_or_reordered_event_breaks_the_chain(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, ANSWER)
    changes = (
        'UPDATE event SET body = body || \'{"state": "other"}\' WHERE run_id = :id AND seq = 3',
        "DELETE FROM event WHERE run_id = :id AND seq = 2",
        "DELETE FROM event WHERE run_id = :id AND seq = (SELECT max(seq) FROM event WHERE run_id = :id)",
    )
    for change in changes:
        async with served.platform.database.transaction() as tx:
            await db.run(tx, "SET LOCAL session_replication_role = replica")
            await db.run(tx, change, {"id": run_id})
            assert await events.verify(tx, run_id) is not None, change
            await tx.rollback()


@pytest.mark.proves("data.append_only", "data.only_agents", "data.arrows")
async def test_the_database_itself_refuses_to_change_the_record(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, ANSWER)
    for statement in (
        "UPDATE event SET kind = 'x' WHERE run_id = :id",
        "DELETE FROM event WHERE run_id = :id",
        "UPDATE transition SET letter = 'A' WHERE run_id = :id",
        "INSERT INTO transition VALUES (:id, 99, 'E', 'queued', 'finished')",
        "UPDATE run SET kind = 'oracle', visibility = 'published' WHERE id = :id",
        "UPDATE run SET kind = 'canary', visibility = 'publishable' WHERE id = :id",
    ):
        with pytest.raises(Exception, match=r"append-only|legal_arrow|only_agents_are_public"):
            async with served.platform.database.transaction() as tx:
                await db.run(tx, statement, {"id": run_id})


@pytest.mark.proves("calls.eras")
async def test_one_connection_in_each_protocol_era_continues_the_other(served: Served) -> None:
    token = await served.token()
    async with connect(f"{served.url}/mcp", token, mode="legacy") as old:
        run_id = await begin(old, TERMINAL)
        await old.act("terminal_exec", run_id=run_id, command="export KEPT=yes; mkdir -p d && cd d")
    async with connect(f"{served.url}/mcp", token, mode="2026-07-28") as new:
        said = await new.act("terminal_exec", run_id=run_id, command='echo "$KEPT ${PWD##*/}"')
    assert said["output"] == "yes d\n"
