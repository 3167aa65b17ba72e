"""What bad input gets: a clear error naming the rule, an event where it belongs to a run, and never a crash."""

from __future__ import annotations

from typing import Any

import pytest

from backend import db
from tests.conftest import Served
from tests.integration.doing import ANSWER, TERMINAL, begin, ended, refused

pytestmark = pytest.mark.slow


def asked(**more: Any) -> dict[str, Any]:
    return {"benchmark": "entry-test", "agent_name": "Tester_agent", "task_ids": [ANSWER], **more}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"benchmark": "humaneval"}, "unknown_benchmark"),
        ({"benchmark": ""}, "unknown_benchmark"),
        ({"benchmark": "web-tasks", "task_ids": None}, "not_runnable"),
        ({"task_ids": ["no-such-task"]}, "unknown_task"),
        ({"task_ids": []}, "invalid_argument"),
        ({"task_ids": [ANSWER, ANSWER]}, "invalid_argument"),
        ({"agent_name": "x"}, "agent_name_refused"),
        ({"agent_name": "9lives"}, "agent_name_refused"),
        ({"agent_name": "north star"}, "agent_name_refused"),
        ({"agent_name": "a" * 41}, "agent_name_refused"),
        ({"agent_name": "Codex"}, "agent_name_refused"),
        ({"agent_name": "C0dex"}, "agent_name_refused"),
        ({"agent_name": "OpenAI"}, "agent_name_refused"),
        ({"agent_name": "claude-opus-4-5"}, "agent_name_refused"),
        ({"agent_name": "gpt-5-mini"}, "agent_name_refused"),
        ({"agent_name": "north-star-v2"}, "agent_name_refused"),
        ({"agent_name": "north_star_2026-11-01"}, "agent_name_refused"),
        ({"agent_name": "my-agent-batch-7"}, "agent_name_refused"),
        ({"agent_name": "tester-agent"}, "agent_name_refused"),
        ({"agent_name": "Ｃodex"}, "agent_name_refused"),
        ({"agent_name": "nоrth-star"}, "agent_name_refused"),
        ({"metadata": {"note": "x" * 20_000}}, "too_large"),
        ({"metadata": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}}, "invalid_argument"),
        ({"submission_mode": "hosted"}, "invalid_argument"),
        ({"persona": "clever"}, "invalid_argument"),
        ({"client_call_id": ""}, "invalid_argument"),
        ({"client_call_id": "x" * 65}, "invalid_argument"),
        ({"task_ids": "entry"}, "invalid_argument"),
        ({"agent_name": 7}, "invalid_argument"),
    ],
)
@pytest.mark.proves("input.refused", "names.rules")
async def test_a_wish_for_a_run_that_breaks_a_rule_is_refused_by_name(
    served: Served, change: dict[str, Any], code: str
) -> None:
    async with served.agent() as agent:
        await refused(code, agent.call("create_run", **{"client_call_id": "c", **asked(), **change}))
        assert (await agent.call("list_my_runs"))["runs"] == []


@pytest.mark.proves("names.rules")
async def test_a_name_belongs_to_its_first_owner_and_look_alikes_are_refused(served: Served) -> None:
    async with served.agent("alice") as alice, served.agent("bob") as bob:
        await alice.act("create_run", **asked(agent_name="north-star"))
        await alice.act("create_run", **asked(agent_name="north-star"))
        await refused("agent_name_refused", bob.act("create_run", **asked(agent_name="north-star")))
        await refused("agent_name_refused", bob.act("create_run", **asked(agent_name="N0rth_star")))
        await bob.act("create_run", **asked(agent_name="Tester_agent"))


@pytest.mark.proves("names.canary")
async def test_canary_in_the_metadata_is_for_the_tester_and_for_ops(served: Served) -> None:
    canary = {"metadata": {"canary": "night"}}
    async with served.agent("alice") as alice:
        await refused("invalid_argument", alice.act("create_run", **asked(agent_name="north-star", **canary)))
        made = await alice.act("create_run", **asked(**canary))
        assert (await alice.call("get_run", run_id=made["run_id"]))["kind"] == "canary"
    await served.token("olga", role="ops")
    async with served.agent("olga") as ops:
        made = await ops.act("create_run", **asked(agent_name="south-star", **canary))
        assert (await ops.call("get_run", run_id=made["run_id"]))["kind"] == "canary"


@pytest.mark.parametrize(
    ("tool", "args", "code"),
    [
        ("terminal_exec", {"command": "x" * 1_000_000}, "too_large"),
        ("file_write", {"path": "f", "content": "x" * 1_600_000}, "too_large"),
        ("file_write", {"path": "f", "content": "x" * 1_200_000}, "too_large"),
        ("file_write", {"path": "/etc/passwd", "content": ""}, "path_denied"),
        ("file_write", {"path": "../outside", "content": ""}, "path_denied"),
        ("file_write", {"path": "f", "content": "%%%", "encoding": "base64"}, "invalid_argument"),
        ("file_write", {"path": "f", "content": "", "mode": "999"}, "invalid_argument"),
        ("submit_answer", {"answer": "42"}, "wrong_tool_kind"),
        ("terminal_exec", {"command": "true", "wait_s": 41}, "invalid_argument"),
        ("terminal_exec", {"command": "true", "timeout_s": 10**6}, "invalid_argument"),
        ("terminal_exec", {"cmd": "true"}, "invalid_argument"),
        ("terminal_exec", {"command": "true", "timeout": 5}, "invalid_argument"),
        ("terminal_exec", {"command": 5}, "invalid_argument"),
        ("terminal_kill", {"job_id": "job_none"}, "invalid_argument"),
        ("terminal_send_input", {"job_id": "job_none", "text": "x"}, "invalid_argument"),
        ("start_task", {"task_id": ANSWER}, "task_active"),
    ],
)
@pytest.mark.proves("input.refused")
async def test_a_call_that_breaks_a_rule_is_refused_by_name_and_recorded(
    served: Served, tool: str, args: dict[str, Any], code: str
) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        await refused(code, agent.act(tool, run_id=run_id, **args))
        assert (await agent.act("terminal_exec", run_id=run_id, command="echo on"))["output"] == "on\n"
    assert await recorded(served, run_id, tool) == code


@pytest.mark.parametrize(
    ("tool", "args", "code"),
    [
        ("file_read", {"path": "/etc/passwd"}, "path_denied"),
        ("file_read", {"path": "link"}, "path_denied"),
        ("file_read", {"path": "absent"}, "invalid_argument"),
        ("file_list", {"path": ".."}, "path_denied"),
        ("read_output", {"ref": "out_none"}, "invalid_argument"),
        ("terminal_wait", {"job_id": "job_none"}, "invalid_argument"),
        ("file_read", {"path": "x", "limit": 10**9}, "invalid_argument"),
    ],
)
@pytest.mark.proves("input.refused")
async def test_a_reading_call_that_breaks_a_rule_is_refused_by_name_and_recorded(
    served: Served, tool: str, args: dict[str, Any], code: str
) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        await agent.act("terminal_exec", run_id=run_id, command="ln -s /etc/passwd link")
        await refused(code, agent.call(tool, run_id=run_id, **args))
    assert await recorded(served, run_id, tool) == code


async def recorded(served: Served, run_id: str, tool: str) -> str:
    async with served.platform.database.transaction() as tx:
        row = await db.one(
            tx,
            "SELECT body->>'outcome' AS outcome FROM event WHERE run_id = :id AND body->>'tool' = :tool "
            "AND body->>'outcome' <> 'ok' ORDER BY seq DESC LIMIT 1",
            {"id": run_id, "tool": tool},
        )
    assert row is not None, "a refused call of a run leaves an event"
    return row.outcome


@pytest.mark.proves("input.refused")
async def test_after_finish_run_every_acting_call_is_refused_and_the_run_keeps_its_score(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, ANSWER)
        await agent.act("finish_run", run_id=run_id)
        for tool, args in (
            ("submit_answer", {"answer": "late"}),
            ("start_task", {"task_id": ANSWER}),
            ("finish_task", {}),
            ("finish_run", {}),
            ("cancel_run", {}),
            ("terminal_exec", {"command": "true"}),
        ):
            await refused("run_closed", agent.act(tool, run_id=run_id, **args))
            assert await recorded(served, run_id, tool) == "run_closed"
        run = await ended(agent, run_id)
    assert (run["state"], run["score"]) == ("finished", 0.0)


@pytest.mark.proves("input.refused")
async def test_calls_before_a_task_is_started_are_told_to_start_one(served: Served) -> None:
    async with served.agent() as agent:
        run_id = (await agent.act("create_run", **asked()))["run_id"]
        for tool, args in (
            ("submit_answer", {"answer": "x"}),
            ("terminal_exec", {"command": "x"}),
            ("finish_task", {}),
        ):
            await refused("task_not_active", agent.act(tool, run_id=run_id, **args))
        await refused("task_not_active", agent.call("get_task", run_id=run_id))


@pytest.mark.proves("input.refused")
async def test_a_task_is_begun_once(served: Served) -> None:
    async with served.agent() as agent:
        run_id = (await agent.act("create_run", **asked(task_ids=[ANSWER, TERMINAL])))["run_id"]
        await agent.act("start_task", run_id=run_id, task_id=ANSWER)
        await agent.act("finish_task", run_id=run_id)
        await refused("not_runnable", agent.act("start_task", run_id=run_id, task_id=ANSWER))
        await refused("unknown_task", agent.act("start_task", run_id=run_id, task_id="wordfreq-other"))


@pytest.mark.proves("input.refused")
async def test_an_unknown_tool_and_a_read_only_token_get_the_contracts_error(served: Served) -> None:
    from backend.agent import connect

    async with connect(f"{served.url}/mcp", await served.token(scopes="read")) as agent:
        await refused("invalid_argument", agent.call("terminal_destroy"))
        await refused("insufficient_scope", agent.act("create_run", **asked()))
        assert (await agent.call("list_my_runs"))["runs"] == []


@pytest.mark.proves("terminal.output")
async def test_binary_output_is_shown_replaced_and_kept_exact(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        said = await agent.act("terminal_exec", run_id=run_id, command=r"printf '\xff\xfe\x00ok\n'")
        assert said["output"].endswith("ok\n")
        assert "\ufffd" in said["output"]
        whole = await agent.call("read_output", run_id=run_id, ref=said["output_ref"])
        assert (whole["total"], whole["encoding"], whole["output"]) == (6, "base64", "//4Ab2sK")
        await agent.act("terminal_exec", run_id=run_id, command=r"printf '\xff\xfe' > raw")
        read = await agent.call("file_read", run_id=run_id, path="raw")
        assert (read["encoding"], read["output"]) == ("base64", "//4=")
