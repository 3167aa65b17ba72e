"""The tools as the contract has them: names, arguments, defaults, answers, and the words that are stored."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backend import errors, words
from tests.conftest import Served
from tests.integration.doing import ANSWER, TERMINAL, begin, ended

pytestmark = pytest.mark.proves("data.words")
# Arguments by tool; one with a `?` has a default.
TOOLS = {
    "list_benchmarks": "",
    "list_tasks": "benchmark cursor?",
    "create_run": "benchmark agent_name client_call_id task_ids? persona? submission_mode? metadata?",
    "start_task": "run_id task_id client_call_id",
    "get_task": "run_id",
    "finish_task": "run_id client_call_id",
    "finish_run": "run_id client_call_id reported?",
    "cancel_run": "run_id client_call_id",
    "get_run": "run_id",
    "list_my_runs": "cursor?",
    "get_leaderboard": "benchmark",
    "submit_answer": "run_id client_call_id answer",
    "terminal_exec": "run_id client_call_id command wait_s? cwd? timeout_s? pty?",
    "terminal_wait": "run_id job_id wait_s? offset?",
    "terminal_send_input": "run_id client_call_id job_id text",
    "terminal_kill": "run_id client_call_id job_id signal?",
    "read_output": "run_id ref offset? limit?",
    "file_read": "run_id path offset? limit?",
    "file_write": "run_id client_call_id path content encoding? mode?",
    "file_list": "run_id path? depth?",
}


async def test_the_tool_list_is_the_contracts(served: Served) -> None:
    async with served.agent() as agent:
        listed = (await agent.client.list_tools()).tools
    shown = {tool.name: {*_arguments(tool.input_schema)} for tool in listed}
    assert shown == {name: set(arguments.split()) for name, arguments in TOOLS.items()}
    for tool in listed:
        assert tool.description
        assert len(tool.description) < 2048
        acts = "client_call_id" in tool.input_schema["properties"]
        assert ("same client_call_id" in tool.description) == acts


def _arguments(schema: dict[str, Any]) -> list[str]:
    required = schema.get("required", [])
    return [name if name in required else f"{name}?" for name in schema.get("properties", {})]


async def test_structured_answers_have_the_contracts_fields(served: Served) -> None:
    async with served.agent() as agent:
        benchmarks = (await agent.call("list_benchmarks"))["benchmarks"]
        assert all({"id", "title", "tasks"} <= set(entry) for entry in benchmarks)
        tasks = await agent.call("list_tasks", benchmark="entry-test")
        assert set(tasks) == {"tasks", "next_cursor"}
        assert all(set(task) == {"task_id", "kind", "title", "difficulty"} for task in tasks["tasks"])
        created = await agent.act("create_run", benchmark="entry-test", agent_name="Tester_agent")
        assert set(created) == {"run_id", "state", "tasks", "limits"}
        assert created["run_id"].startswith("run_")
        assert len(created["tasks"]) == len(tasks["tasks"])
        run_id = created["run_id"]
        started = await agent.act("start_task", run_id=run_id, task_id=ANSWER)
        assert set(started) == {"task_id", "kind", "state", "instruction", "workdir", "limits"}
        assert await agent.call("get_task", run_id=run_id) == started
        submitted = await agent.act("submit_answer", run_id=run_id, answer="x")
        assert submitted == {"task_id": ANSWER, "accepted": True}
        assert await agent.act("finish_task", run_id=run_id) == {"task_id": ANSWER, "state": "verifying"}
        reported = {"model": "none", "tokens": 12, "cost_usd": 0.5}
        finished = await agent.act("finish_run", run_id=run_id, reported=reported)
        assert finished == {"run_id": run_id, "state": "finalizing"}
        run = await ended(agent, run_id)
        fields = {
            "run_id",
            "state",
            "visibility",
            "benchmark",
            "agent_name",
            "lane",
            "kind",
            "score",
            "tasks",
            "limits",
        }
        assert fields <= set(run)
        assert all({"task_id", "state", "score", "cause"} <= set(task) for task in run["tasks"])
        assert (run["lane"], run["kind"], run["score"]) == ("mcp", "agent", 0.0)
        mine = (await agent.call("list_my_runs"))["runs"]
        assert {"run_id", "benchmark", "state", "visibility", "created_at"} <= set(mine[0])
        board = await agent.call("get_leaderboard", benchmark="entry-test")
        assert {"rows", "updated_at"} <= set(board)


async def test_output_answers_are_two_text_blocks_and_no_structured_content(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        result = await agent.raw("terminal_exec", run_id=run_id, client_call_id="c", command="echo out; exit 3")
        assert result.structured_content is None
        assert len(result.content) == 2
        said = await agent.call("terminal_exec", run_id=run_id, client_call_id="c", command="echo out; exit 3")
        fields = "status exit_code job_id duration_ms truncated output_ref next_offset output"
        assert set(said) == set(fields.split())
        assert (said["status"], said["exit_code"], said["output"]) == ("exited", 3, "out\n")
        wrote = await agent.act("file_write", run_id=run_id, path="f", content="x")
        assert set(wrote) == {"path", "size", "sha256", "output"}
        read = await agent.call("file_read", run_id=run_id, path="f")
        assert set(read) == {"path", "size", "next_offset", "encoding", "output"}
        listed = await agent.call("file_list", run_id=run_id)
        assert set(listed) == {"path", "entries", "output"}
        part = await agent.call("read_output", run_id=run_id, ref=said["output_ref"])
        assert set(part) == {"offset", "next_offset", "total", "sha256", "encoding", "output"}


async def test_runs_are_listed_newest_first_in_pages(served: Served) -> None:
    async with served.agent() as agent:
        made = []
        for _ in range(52):
            asked = {"benchmark": "entry-test", "agent_name": "Tester_agent", "task_ids": [ANSWER]}
            made.append((await agent.act("create_run", **asked))["run_id"])
        first = await agent.call("list_my_runs")
        rest = await agent.call("list_my_runs", cursor=first["next_cursor"])
    assert [run["run_id"] for run in first["runs"] + rest["runs"]] == made[::-1]
    assert rest["next_cursor"] is None


def test_stored_words_are_the_contracts() -> None:
    assert " ".join(words.RUN_STATES) == "queued claimed running finalizing finished failed expired cancelled"
    assert " ".join(words.TRIAL_STATES) == "pending preparing running verifying scored failed"
    assert " ".join(words.VISIBILITIES) == "dev_only publishable published withdrawn"
    assert (words.LANES, words.KINDS) == (("mcp", "hosted"), ("agent", "canary", "oracle"))
    assert words.TASK_KINDS == ("answer", "terminal", "swe", "browser")
    causes = "budget_exhausted agent_refused sandbox_failed provider_failed verifier_failed platform_failed cancelled"
    assert " ".join(words.CAUSES) == causes


def test_error_codes_are_the_contracts() -> None:
    listed = """invalid_argument unknown_benchmark unknown_task agent_name_refused run_not_found run_closed
    task_not_active task_active task_preparing wrong_tool_kind call_id_reused outcome_unknown busy run_busy_elsewhere
    path_denied too_large cap_reached insufficient_scope sandbox_lost not_runnable unavailable internal"""
    ours = {kind.code for kind in errors.ClawBenchError.__subclasses__()}
    assert set(listed.split()) <= ours
    # HTTP alone has these; no tool answers with them.
    assert ours - set(listed.split()) == {"unauthenticated", "not_found", "stale_lease"}


@pytest.mark.proves("data.migrations")
async def test_the_schema_goes_up_and_down_and_matches_the_models(database_url: str) -> None:
    import asyncio

    from alembic import command
    from alembic.config import Config

    from backend.settings import ROOT

    config = Config(str(ROOT / "alembic.ini"))
    config.attributes["url"] = database_url
    await asyncio.to_thread(command.check, config)
    await asyncio.to_thread(command.downgrade, config, "base")
    engine = create_async_engine(database_url)
    async with engine.connect() as connection:
        left = await connection.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        )
        assert [row.table_name for row in left] == ["alembic_version"]
    await engine.dispose()
    await asyncio.to_thread(command.upgrade, config, "head")
    await asyncio.to_thread(command.check, config)
