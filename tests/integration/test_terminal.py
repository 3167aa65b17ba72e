"""The terminal's manner: what carries over, what lives on, what is cut, what can be typed into."""

from __future__ import annotations

import asyncio

import pytest

from backend.agent import Agent
from backend.catalog.tasks import catalog
from tests.conftest import Served
from tests.integration.doing import TERMINAL, begin, ended, refused


async def run(agent: Agent, run_id: str, command: str, **more: object) -> dict:
    return await agent.act("terminal_exec", run_id=run_id, command=command, **more)


@pytest.mark.proves("terminal.session")
async def test_directory_and_exported_environment_carry_over_and_nothing_else(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        await run(agent, run_id, "mkdir -p 'a dir' && cd 'a dir' && export SEEN='two words' && local_only=1")
        said = await run(agent, run_id, 'echo "$SEEN/${local_only-unset}/${PWD##*/}"; unset SEEN; exit 7')
        assert (said["output"], said["exit_code"]) == ("two words/unset/a dir\n", 7)
        assert (await run(agent, run_id, 'echo "${SEEN-unset}" "$#"'))["output"] == "unset 0\n"
        assert (await run(agent, run_id, "basename $PWD", cwd=".."))["output"] != "a dir\n"


@pytest.mark.proves("terminal.session")
async def test_a_command_that_ends_by_a_signal_or_its_timeout_leaves_the_session_as_it_was(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        await run(agent, run_id, "mkdir d; cd d")
        said = await run(agent, run_id, "cd /; sleep 60", timeout_s=1)
        assert (said["status"], said["exit_code"]) == ("timeout", None)
        said = await run(agent, run_id, "cd /; kill -9 $$")
        assert said["status"] == "killed"
        assert (await run(agent, run_id, "echo ${PWD##*/}"))["output"] == "d\n"


@pytest.mark.proves("terminal.jobs")
async def test_one_command_is_in_the_foreground_and_its_job_can_be_waited_for_typed_into_and_killed(
    served: Served,
) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        first = await run(agent, run_id, "echo ready; read word; echo got $word; sleep 60", wait_s=1)
        assert (first["status"], first["output"]) == ("running", "ready\n")
        assert (await refused("busy", run(agent, run_id, "true")))["retryable"] is True
        job = {"run_id": run_id, "job_id": first["job_id"]}
        said = await agent.act("terminal_send_input", text="hello\n", **job)
        assert (said["status"], said["output"]) == ("running", "got hello\n")
        again = await agent.call("terminal_wait", wait_s=0, offset=0, **job)
        assert again["output"] == "ready\ngot hello\n"
        await refused("invalid_argument", agent.act("terminal_kill", signal="NOPE", **job))
        killed = await agent.act("terminal_kill", signal="KILL", **job)
        assert killed["status"] == "killed"
        assert (await run(agent, run_id, "echo free"))["output"] == "free\n"


@pytest.mark.proves("terminal.jobs")
async def test_an_id_refused_as_busy_may_be_used_again(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        first = await run(agent, run_id, "sleep 30", wait_s=0)
        asked = {"run_id": run_id, "client_call_id": "later", "command": "echo now"}
        await refused("busy", agent.call("terminal_exec", **asked))
        await agent.act("terminal_kill", run_id=run_id, job_id=first["job_id"], signal="KILL")
        assert (await agent.call("terminal_exec", **asked))["output"] == "now\n"


@pytest.mark.proves("terminal.jobs")
async def test_a_task_that_is_finished_during_a_call_ends_that_call_by_name(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        waiting = asyncio.create_task(run(agent, run_id, "touch going; sleep 120", wait_s=40))
        async with asyncio.timeout(10):
            while "going" not in (await agent.call("file_list", run_id=run_id))["output"]:
                await asyncio.sleep(0.02)
        await agent.act("finish_run", run_id=run_id)
        await refused("task_not_active", waiting)
        assert (await ended(agent, run_id))["state"] == "finished"


@pytest.mark.proves("terminal.session")
async def test_a_pseudo_terminal_is_one_and_a_background_job_lives_on(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        assert (await run(agent, run_id, "test -t 0 && test -t 1 && echo tty", pty=True))["output"].strip() == "tty"
        said = await run(agent, run_id, "(sleep 1; echo late > late) & echo started", wait_s=5)
        assert (said["status"], said["output"]) == ("exited", "started\n")
        waited = await run(agent, run_id, "until [ -f late ]; do sleep 0.1; done; cat late")
        assert waited["output"] == "late\n"


@pytest.mark.proves("terminal.output")
async def test_long_output_is_cut_in_the_middle_and_whole_behind_its_reference(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        said = await run(agent, run_id, "seq 1 50000")
        assert said["truncated"] is True
        assert said["output"].startswith("1\n2\n")
        assert said["output"].endswith("\n50000\n")
        assert len(said["output"].encode()) < 8192 + 200
        whole, offset = "", 0
        while offset is not None:
            part = await agent.call("read_output", run_id=run_id, ref=said["output_ref"], offset=offset)
            whole, offset = whole + part["output"], part["next_offset"]
        assert whole == "".join(f"{n}\n" for n in range(1, 50001))


@pytest.mark.proves("terminal.files")
async def test_files_are_written_read_in_parts_and_listed(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        text = "".join(f"line {n}\n" for n in range(2000))
        wrote = await agent.act("file_write", run_id=run_id, path="new/dir/f.txt", content=text, mode="750")
        assert wrote["size"] == len(text)
        read = await agent.call("file_read", run_id=run_id, path="new/dir/f.txt", offset=wrote["size"] - 10)
        assert (read["output"], read["next_offset"], read["encoding"]) == ("line 1999\n", None, "utf-8")
        said = await run(agent, run_id, "stat -c %a new/dir/f.txt; sha256sum < new/dir/f.txt")
        assert said["output"] == f"750\n{wrote['sha256']}  -\n"
        listed = await agent.call("file_list", run_id=run_id, path="new", depth=2)
        assert "f.txt" in listed["output"]
        assert listed["entries"] == 2


@pytest.mark.proves("terminal.files")
async def test_a_text_file_is_read_in_pages_that_end_between_characters(served: Served) -> None:
    text = "añb—" * 3000
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        await agent.act("file_write", run_id=run_id, path="f", content=text)
        whole, offset = "", 0
        while offset is not None:
            page = await agent.call("file_read", run_id=run_id, path="f", offset=offset, limit=1000)
            assert page["encoding"] == "utf-8"
            whole, offset = whole + page["output"], page["next_offset"]
    assert whole == text


@pytest.mark.proves("terminal.output")
async def test_what_a_job_wrote_unseen_is_kept_when_the_task_ends(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        first = await run(agent, run_id, "sleep 0.3; echo unseen; touch wrote; sleep 60", wait_s=0)
        async with asyncio.timeout(10):
            while "wrote" not in (await agent.call("file_list", run_id=run_id))["output"]:
                await asyncio.sleep(0.05)
        await agent.act("finish_run", run_id=run_id)
        await ended(agent, run_id)
        kept = await agent.call("read_output", run_id=run_id, ref=first["output_ref"])
        assert kept["output"] == "unseen\n"


@pytest.mark.slow
@pytest.mark.parametrize("task_id", [task.id for task in catalog().of("entry-test") if task.kind == "answer"])
@pytest.mark.proves("scoring.answers", "entry.tasks")
async def test_every_answer_task_scores_its_reference_full_and_a_wrong_answer_zero(
    served: Served, task_id: str
) -> None:
    task = served.platform.catalog.task("entry-test", task_id)
    right = (task.directory / "solution" / "answer.txt").read_text().strip()
    for answer, score in ((right, 1.0), ("", 0.0), ("{}", 0.0), (f"{right} or not", 0.0), ("x" * 65_536, 0.0)):
        async with served.agent() as agent:
            run_id = await begin(agent, task_id)
            await agent.act("submit_answer", run_id=run_id, answer=answer)
            await agent.act("finish_run", run_id=run_id)
            assert (await ended(agent, run_id))["score"] == score
