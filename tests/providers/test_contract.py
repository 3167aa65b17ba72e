"""Commands: what every provider's sandbox does with them."""

from __future__ import annotations

import asyncio
import shlex

import pytest

from providers.base import ExecRequest, PathDenied, SandboxBusy, SandboxError, Status, TransferTooLarge, UnknownProcess
from tests.providers.conftest import Make, Run, command, until

pytestmark = pytest.mark.proves("sandbox.contract")

MIB = 1024 * 1024


async def test_a_command_gives_its_exit_code_and_all_its_bytes(run: Run) -> None:
    result = await run(r"printf 'a\xff\x00\xfeb'; exit 7")
    assert (result.status, result.exit_code) == (Status.EXITED, 7)
    assert result.output == b"a\xff\x00\xfeb" and result.total == 5


async def test_stdout_and_stderr_come_in_the_order_they_were_written(run: Run) -> None:
    result = await run("for i in $(seq 200); do echo o$i; echo e$i >&2; done")
    assert result.output.split() == [f"{kind}{i}".encode() for i in range(1, 201) for kind in "oe"]


async def test_a_command_that_dies_of_a_signal_says_so(run: Run) -> None:
    result = await run("kill -SEGV $$")
    assert (result.status, result.exit_code) == (Status.SIGNALED, 128 + 11)


async def test_what_cannot_be_started_exits_as_in_a_shell_and_says_why(run: Run) -> None:
    missing = await run("", argv=("no-such-program",))
    assert (missing.status, missing.exit_code) == (Status.EXITED, 127) and b"no-such-program" in missing.output
    nowhere = await run("true", cwd="not-there")
    assert nowhere.exit_code == 127 and b"not-there" in nowhere.output
    with pytest.raises(SandboxError):
        await run("", argv=())
    with pytest.raises(SandboxError):
        await run("a\0b")


async def test_the_environment_is_clean_but_for_what_was_asked(box, run: Run) -> None:
    result = await run("env -0", env={"GIVEN": "ä\n="})
    found = dict(entry.split("=", 1) for entry in result.output.decode().split("\0") if entry)
    assert found["GIVEN"] == "ä\n=" and found["USER"] == "agent" and found["LANG"] == "C.UTF-8"
    allowed = {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "TERM",
        "GIVEN",
        "PWD",
        "SHLVL",
        "_",
        "OLDPWD",
        "CLAWBENCH_FAKE",
    }
    assert set(found) <= allowed


async def test_commands_start_in_the_working_directory_or_below_it(box, run: Run) -> None:
    assert (await run("pwd")).output.decode().strip() == box.workdir
    assert (await run("mkdir -p sub && cd sub && pwd", cwd=".")).output.decode().strip() == f"{box.workdir}/sub"
    assert (await run("pwd", cwd="sub")).output.decode().strip() == f"{box.workdir}/sub"


async def test_long_output_keeps_head_and_tail_exactly_and_memory_flat(box, run: Run) -> None:
    pid = (await box.channel.request("hello"))["pid"]

    async def resident() -> int:
        return int((await run(f"grep VmRSS /proc/{pid}/status")).output.split()[1])

    before = await resident()
    call = command("yes 0123456789 | head -c 33554432", timeout_s=60)
    result = await box.exec(call)
    whole = (b"0123456789\n" * (32 * MIB // 11 + 1))[: 32 * MIB]
    assert result.total == 32 * MIB
    assert result.output == whole[: 16 * MIB] + whole[-256 * 1024 :]
    assert await resident() - before < 12 * 1024
    gap = await (await box.process(call.call_id)).read(20 * MIB, limit=10)
    assert gap.offset == 32 * MIB - 256 * 1024 and gap.data == whole[gap.offset : gap.offset + 10]


async def test_a_timeout_kills_the_whole_tree_however_it_hides(run: Run) -> None:
    daemon = "import os,time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(9384712.25)"
    hiding = (
        f"setsid sleep 9384712.5 & (setsid setsid sleep 9384712.75 &) ; python3 -c {shlex.quote(daemon)} 9384712.25"
    )
    script = f"{hiding}; sleep 9384712"
    result = await run(script, timeout_s=1.0)
    assert (result.status, result.exit_code) == (Status.TIMEOUT, None)
    left = await run("pgrep -af '938471[2]' | grep -v pgrep; true")
    assert left.output == b""


async def test_a_background_child_that_holds_the_output_stalls_nobody(box) -> None:
    script = "(while [ ! -e go ]; do sleep 0.05; done; echo later; touch gone) & echo now"
    call = command(script)
    async with asyncio.timeout(10):
        result = await box.exec(call)
    assert (result.status, result.output) == (Status.EXITED, b"now\n")
    await box.write("go", b"")
    process = await box.process(call.call_id)

    async def arrived() -> bool:
        return (await process.read(0)).data == b"now\nlater\n"

    await until(arrived)


async def test_foreground_commands_exclude_one_another(box) -> None:
    first = await box.spawn(command("sleep 300", foreground=True, timeout_s=300))
    with pytest.raises(SandboxBusy):
        await box.spawn(command("true", foreground=True))
    assert (await box.exec(command("echo beside"))).output == b"beside\n"
    await first.signal("KILL")
    assert (await first.wait()).status == Status.SIGNALED
    assert (await box.exec(command("echo next", foreground=True))).output == b"next\n"


async def test_a_repeated_call_id_is_one_process_only(box, run: Run) -> None:
    call = command("echo x >> counted; echo done")
    results = await asyncio.gather(*(box.exec(call) for _ in range(8)))
    again = await box.exec(call)
    assert {result.output for result in [*results, again]} == {b"done\n"}
    assert (await box.read("counted")).data == b"x\n"


async def test_stdin_reaches_the_command_and_ends_when_it_is_said_to(box, run: Run) -> None:
    assert (await run("cat; echo end", stdin=b"all\xff")).output == b"all\xffend\n"
    assert (await run("cat; echo end", stdin=b"")).output == b"end\n"
    process = await box.spawn(command("read a; read b; echo $b-$a"))
    await process.write_stdin(b"one\n")
    await process.write_stdin(b"two\n")
    assert (await process.wait()).output == b"two-one\n"
    with pytest.raises(UnknownProcess):
        await process.write_stdin(b"three")


async def test_input_that_nobody_reads_is_bounded(box) -> None:
    process = await box.spawn(command("sleep 300", timeout_s=300))
    await process.write_stdin(b"x" * 4 * MIB)
    with pytest.raises(TransferTooLarge):
        await process.write_stdin(b"x" * MIB)
    await process.signal("KILL")


async def test_a_terminal_is_one(box, run: Run) -> None:
    result = await run('tty; stty size; echo "$TERM"; test -t 0 && test -t 1 && test -t 2 && echo yes', pty=True)
    name, *rest = result.output.decode().split()
    assert name.startswith("/dev/pts/") and rest == ["40", "120", "xterm-256color", "yes"]
    process = await box.spawn(command("read -p 'name? ' name; echo hello $name", pty=True))
    await until(lambda: _shows(process, b"name? "))
    await process.write_stdin(b"you\n")
    assert b"hello you" in (await process.wait()).output


async def _shows(process, text: bytes) -> bool:
    return text in (await process.read(0)).data


async def test_control_c_in_a_terminal_interrupts(box) -> None:
    process = await box.spawn(
        command("trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.05; done", pty=True)
    )
    await until(lambda: _shows(process, b"ready"))
    await process.write_stdin(b"\x03")
    result = await process.wait()
    assert result.exit_code == 3 and b"caught" in result.output


async def test_signals_reach_the_group_and_kill_takes_the_tree(box, run: Run) -> None:
    process = await box.spawn(command("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done"))
    await until(lambda: _shows(process, b"ready"))
    await process.signal("TERM")
    result = await process.wait()
    assert result.exit_code == 5 and result.output.endswith(b"bye\n")

    process = await box.spawn(command("setsid sleep 9384713.5 & echo ready; sleep 9384713", timeout_s=300))
    await until(lambda: _shows(process, b"ready"))
    with pytest.raises(SandboxError):
        await process.signal("NONSENSE")
    await process.signal("KILL")
    assert (await process.wait()).status == Status.SIGNALED
    assert (await run("pgrep -af '938471[3]' | grep -v pgrep; true")).output == b""


async def test_output_is_read_once_by_cursor_and_any_time_by_offset(box) -> None:
    process = await box.spawn(command("echo one; read x; echo two"))
    await until(lambda: _shows_first(process))
    assert (await process.read()).data == b""
    await process.write_stdin(b"\n")
    chunk = await process.read(wait_s=20)
    assert (chunk.data, chunk.offset, chunk.total, chunk.status) == (b"two\n", 4, 8, Status.EXITED)
    assert (await process.read(1, limit=3)).data == b"ne\n"


async def _shows_first(process) -> bool:
    return (await process.read()).data == b"one\n"


async def test_commands_are_found_again_by_id_in_order(box) -> None:
    calls = [command("true") for _ in range(3)]
    for call in calls:
        await box.exec(call)
    assert (await box.processes())[-3:] == [call.call_id for call in calls]
    with pytest.raises(UnknownProcess):
        await box.process("never-started")


async def test_the_agent_is_never_root(box) -> None:
    with pytest.raises(PathDenied):
        await box.exec(command("id -u", user="root"))


async def test_a_verdict_comes_by_a_pipe_of_its_own(make: Make) -> None:
    verifier = await make(role="verifier")
    say = 'import os; os.write(int(os.environ["CLAWBENCH_VERDICT_FD"]), {})'

    def judged(content: str) -> ExecRequest:
        return command("", argv=("python3", "-c", say.format(content)), verdict=True, user="root")

    result = await verifier.exec(judged("b'{\"score\": 1}'"))
    assert (result.output, result.verdict) == (b"", b'{"score": 1}')
    silent = await verifier.exec(command("echo '{\"score\": 1}'", verdict=True))
    assert silent.verdict == b""
    assert (await verifier.exec(command("env | grep -c VERDICT_FD"))).output == b"0\n"
    loop = "[os.write(int(os.environ['CLAWBENCH_VERDICT_FD']), b'x' * 65536) for _ in range({})]"
    for count, kept in ((4, True), (5, False)):
        script = "import os; " + loop.format(count)
        result = await verifier.exec(command("", argv=("python3", "-c", script), verdict=True))
        assert (result.verdict is not None) == kept
