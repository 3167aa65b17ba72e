"""Input made to hurt: giants, broken shapes and hidden bytes are refused or bounded, and never a crash."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from typing import Any

import httpx
import pytest

from backend import events
from backend.settings import ROOT
from tests.conftest import Served
from tests.integration.doing import ANSWER, TERMINAL, begin, refused

pytestmark = [pytest.mark.slow, pytest.mark.proves("input.refused")]
_MIB = 1024 * 1024


async def trace(served: Served, run_id: str, **query: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {await served.token()}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers) as http:
        return await http.get(f"/api/runs/{run_id}/trace", params=query)


@pytest.mark.proves("events.bounded")
async def test_what_a_client_says_of_itself_cannot_swell_the_trace(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, ANSWER)
        meta: Any = {"origin": "here", "junk": {"list": ["x" * 1000] * 3000, "deep": {"a": [{"b": [1]}]}}}
        for _ in range(3):
            await agent.client.call_tool("get_run", {"run_id": run_id}, meta=meta)
    answer = await trace(served, run_id)
    assert len(answer.content) < 32_768
    said = [event["client"] for event in answer.json()["events"] if event.get("tool") == "get_run"]
    assert len(said) == 3
    assert all(client["origin"] == "here" and len(json.dumps(client)) <= 2048 for client in said)
    async with served.platform.database.transaction() as tx:
        assert await events.verify(tx, run_id) is None


@pytest.mark.proves("events.bounded")
async def test_the_event_of_a_giant_call_is_small(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        giants: dict[str, Any] = {f"argument {n} {'x' * 9000}": n for n in range(300)}
        await refused("invalid_argument", agent.call("file_list", run_id=run_id, depth="x", **giants))
        await refused("invalid_argument", agent.act("finish_run", run_id=run_id, reported={"k" * 2_000_000: 1}))
        await refused("too_large", agent.act("terminal_exec", run_id=run_id, command="\x01" * 300_000))
    answer = await trace(served, run_id)
    shown = [json.dumps(event) for event in answer.json()["events"] if event["kind"] == "tool.refused"]
    assert len(shown) == 3
    assert max(map(len, shown)) < 160 * 1024


async def test_a_form_is_read_no_further_than_a_form_may_be_long(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.settings.port)
    head = (
        f"POST /auth/signin HTTP/1.1\r\nHost: 127.0.0.1:{served.settings.port}\r\nOrigin: {served.url}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(head.encode())
    sent, status = 0, asyncio.ensure_future(reader.readline())
    async with asyncio.timeout(20):
        while not status.done() and sent < 64 * _MIB:
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            sent += 65_536
            try:
                await writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0)
        assert b" 413 " in await status
    writer.close()
    assert sent < 16 * _MIB


@pytest.mark.parametrize("target", ["//[", "http://[", "/\\evil.example", "/\t/evil.example", "//evil.example", "x"])
@pytest.mark.proves("http.session")
async def test_a_link_goes_on_to_paths_of_our_own_only(served: Served, target: str) -> None:
    async with httpx.AsyncClient(base_url=served.url, headers={"Origin": served.url}) as http:
        page = await http.get("/auth/link", params={"code": "c", "next": target})
        assert page.status_code == 200
        assert 'name="next" value="/"' in page.text
        form = {"token": await served.token(), "next": target}
        signed = await http.post("/auth/signin", data=form)
        assert (signed.status_code, signed.headers["location"]) == (303, "/")


@pytest.mark.proves("http.trace")
async def test_a_cursor_beyond_every_event_gets_an_empty_page(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, ANSWER)
    for cursor in (99_999_999_999, 10**14):
        answer = await trace(served, run_id, cursor=cursor)
        assert (answer.status_code, answer.json()) == (200, {"events": [], "next_cursor": None})


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("terminal_exec", {"command": "echo \x00"}),
        ("terminal_exec", {"command": "true", "cwd": "a\x00b"}),
        ("file_write", {"path": "f", "content": "é", "encoding": "base64"}),
        ("terminal_kill", {"job_id": "\x00"}),
    ],
)
async def test_a_hidden_byte_in_an_acting_call_is_refused(served: Served, tool: str, args: dict[str, Any]) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        await refused("invalid_argument", agent.act(tool, run_id=run_id, **args))
        assert (await agent.act("terminal_exec", run_id=run_id, command="echo on"))["output"] == "on\n"


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("read_output", {"ref": "\x00"}),
        ("read_output", {"ref": "x" * 5000}),
        ("read_output", {"ref": "out", "offset": 2**62}),
        ("read_output", {"ref": "out", "offset": 10**30}),
        ("file_read", {"path": "f", "offset": 2**63}),
        ("terminal_wait", {"job_id": "job", "offset": 10**30}),
    ],
)
async def test_a_giant_or_broken_reading_call_is_refused(served: Served, tool: str, args: dict[str, Any]) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        said = await agent.act("terminal_exec", run_id=run_id, command="seq 1 5000; echo f > f")
        known = {"out": said["output_ref"], "job": said["job_id"]}
        args = {name: known.get(value, value) for name, value in args.items()}
        error = (await agent.raw(tool, run_id=run_id, **args)).content[0]
        assert json.loads(getattr(error, "text", ""))["code"] in ("invalid_argument", "too_large")


@pytest.mark.proves("terminal.output")
async def test_an_offset_beyond_the_end_gets_an_empty_last_page(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        said = await agent.act("terminal_exec", run_id=run_id, command="seq 1 5000")
        part = await agent.call("read_output", run_id=run_id, ref=said["output_ref"], offset=2**53)
        assert (part["output"], part["next_offset"]) == ("", None)
        await agent.act("file_write", run_id=run_id, path="f", content="x")
        part = await agent.call("file_read", run_id=run_id, path="f", offset=2**53)
        assert (part["output"], part["next_offset"]) == ("", None)


@pytest.mark.proves("terminal.output")
async def test_output_of_a_background_child_is_kept_however_late_it_comes(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        late = "(until [ -f go ]; do sleep 0.02; done; echo LATE; touch said; until [ -f on ]; do sleep 0.02; done; "
        said = await agent.act("terminal_exec", run_id=run_id, command=f"seq 1 5000; {late} echo LATER; touch end) &")
        job, ref = {"run_id": run_id, "job_id": said["job_id"]}, said["output_ref"]
        wait = "until [ -f {} ]; do sleep 0.02; done"
        await agent.act("terminal_exec", run_id=run_id, command=f"touch go; {wait.format('said')}")
        assert (await agent.call("terminal_wait", wait_s=0, **job))["output"] == "LATE\n"
        kept = await agent.call("read_output", run_id=run_id, ref=ref)
        assert kept["total"] == said["next_offset"] + len("LATE\n")
        last = await agent.call("read_output", run_id=run_id, ref=ref, offset=kept["total"] - 10)
        assert last["output"].endswith("\n5000\nLATE\n"[-10:])
        await agent.act("terminal_exec", run_id=run_id, command=f"touch on; {wait.format('end')}")
        assert (await agent.call("terminal_wait", wait_s=0, offset=0, **job))["output"].endswith("LATER\n")
        again = await agent.call("read_output", run_id=run_id, ref=ref)
        assert again["total"] == kept["total"] + len("LATER\n")


@pytest.mark.proves("terminal.output")
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8192])
async def test_pages_of_text_end_between_characters_and_join_to_the_exact_bytes(served: Served, limit: int) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        word = "aé漢🦀" if limit > 3 else "é漢"
        repeat = 5000 if limit > 7 else 3
        await agent.act("file_write", run_id=run_id, path="f", content=word * repeat)
        said = await agent.act("terminal_exec", run_id=run_id, command=f"cat f; seq 1 {repeat}; cat f", wait_s=20)
        await agent.call("terminal_wait", run_id=run_id, job_id=said["job_id"], offset=1)
        whole, offset, encodings = b"", 0, set()
        while offset is not None:
            page = {"run_id": run_id, "ref": said["output_ref"], "offset": offset, "limit": limit}
            part = await agent.call("read_output", **page)
            text = part["output"]
            raw = base64.b64decode(text) if part["encoding"] == "base64" else text.encode()
            assert 0 < len(raw) <= limit
            assert "\ufffd" not in text
            encodings.add(part["encoding"])
            whole, offset = whole + raw, part["next_offset"]
    numbers = "".join(f"{n}\n" for n in range(1, repeat + 1))
    assert whole.decode() == word * repeat + numbers + word * repeat
    assert encodings == ({"utf-8"} if limit > 3 else encodings | {"utf-8"})


@pytest.mark.proves("terminal.output")
async def test_output_that_is_no_text_is_read_as_base64(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        said = await agent.act("terminal_exec", run_id=run_id, command=r"printf '\xff\x00ok\n'")
        part = await agent.call("read_output", run_id=run_id, ref=said["output_ref"])
    assert (part["encoding"], base64.b64decode(part["output"])) == ("base64", b"\xff\x00ok\n")


async def test_null_for_an_argument_with_a_default_means_the_default(served: Served) -> None:
    async with served.agent() as agent:
        asked = {"benchmark": "entry-test", "agent_name": "Tester_agent", "task_ids": [TERMINAL]}
        run_id = (await agent.act("create_run", submission_mode=None, metadata=None, **asked))["run_id"]
        run: dict[str, Any] = {"run_id": run_id}
        await agent.act("start_task", task_id=TERMINAL, **run)
        nothing = {"wait_s": None, "pty": None, "cwd": None, "timeout_s": None}
        said = await agent.act("terminal_exec", command="echo out", **run, **nothing)
        assert said["output"] == "out\n"
        job = {**run, "job_id": said["job_id"]}
        await agent.call("terminal_wait", wait_s=None, offset=None, **job)
        await agent.act("terminal_kill", signal=None, **job)
        await agent.act("file_write", path="f", content="x", encoding=None, mode=None, **run)
        assert (await agent.call("file_read", path="f", offset=None, limit=None, **run))["output"] == "x"
        assert (await agent.call("file_list", path=None, depth=None, **run))["path"] == "."
        page = await agent.call("read_output", ref=said["output_ref"], offset=None, limit=None, **run)
        assert page["output"] == "out\n"


@pytest.mark.proves("terminal.session")
async def test_a_trap_of_the_commands_own_runs_and_the_session_carries_over(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        command = "trap 'echo bye $?' EXIT; mkdir d; cd d; export SEEN=1; (exit 5)"
        said = await agent.act("terminal_exec", run_id=run_id, command=command)
        assert (said["output"], said["exit_code"]) == ("bye 5\n", 5)
        said = await agent.act("terminal_exec", run_id=run_id, command='echo "${PWD##*/} $SEEN"; false')
        assert (said["output"], said["exit_code"]) == ("d 1\n", 1)
        said = await agent.act("terminal_exec", run_id=run_id, command="set -eux; : $SEEN")
        assert said["exit_code"] == 0
        said = await agent.act("terminal_exec", run_id=run_id, command='cd ..; set -e; false; echo "not reached"')
        assert (said["output"], said["exit_code"]) == ("", 1)
        assert (await agent.act("terminal_exec", run_id=run_id, command="echo ${PWD##*/}"))["output"] != "d\n"


_FAILING = """
import logging, sys
import structlog
from backend import auth, logs, settings
chosen = settings.load()
logs.configure(chosen)
def fail(secret, token):
    local_only = "local " + secret[:20]
    raise ValueError(f"{secret} and {token} and \\x1b[31m")
try:
    fail(chosen.secret_key, auth.mint())
except ValueError as error:
    structlog.get_logger().exception("it.failed", path=chosen.data / chosen.secret_key, deep={"list": [error]})
    logging.getLogger("somebody.else").exception("theirs %s", chosen.secret_key)
structlog.get_logger().info("it.went", count=3)
"""


@pytest.mark.proves("logs.safe")
async def test_logs_hold_one_line_an_event_no_locals_and_no_secrets() -> None:
    secret = "S3cret-" + "k" * 40
    env = {
        "CLAWBENCH_SECRET_KEY": secret,
        "CLAWBENCH_DATABASE_URL": "postgresql://u:password-of-ours@h/d",
        "PYTHONPATH": str(ROOT),
    }
    pipe = asyncio.subprocess.PIPE
    ran = await asyncio.create_subprocess_exec(sys.executable, "-c", _FAILING, env=env, stdout=pipe, stderr=pipe)
    out, err = (text.decode() for text in await ran.communicate())
    assert (ran.returncode, out) == (0, ""), err
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines][::2] == ["it.failed", "it.went"]
    assert [line["level"] for line in lines] == ["error", "error", "info"]
    assert "ValueError" in lines[0]["exception"]
    assert "ValueError" in lines[1]["exception"]
    for hidden in (secret, secret[:12], "clb_", "\x1b", "\\u001b", "local S3"):
        assert hidden not in err
    assert "[redacted:secret-key:" in err
    assert "[redacted:clawbench-token:" in err
