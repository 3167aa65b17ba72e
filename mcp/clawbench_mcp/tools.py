"""The tools as agents see them: names, arguments and descriptions. Each is one line to the backend, none has a logic of
its own (contract, "Tools"). The list is static; nothing of a task's text is ever in a description."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, ToolAnnotations
from pydantic import Field

from backend import calls, catalog_view, leaderboard, platform, reading, runs
from backend.errors import InvalidArgument
from backend.models import Run
from backend.tools import output
from backend.tools import run as run_tools
from backend.tools.session import Answer, Call
from clawbench_mcp import answers
from clawbench_mcp.arguments import Benchmark, CallId, Cursor, JobId, Limit, Offset, Path, Reported, RunId, Wait
from clawbench_mcp.caller import principal, provenance

RETRY = " Retrying after no answer: send the same client_call_id and arguments; it is never done twice."
_READS = ToolAnnotations(read_only_hint=True)
_ACTS = ToolAnnotations(read_only_hint=False, idempotent_hint=True)


async def _act(
    context: Context[Any, Any], tool: str, run_id: str, call_id: str, run_tool: calls.RunTool | None = None, **args: Any
) -> CallToolResult:
    who, call = principal("run"), _call(context, tool, run_id, call_id, args)
    return answers.of(await calls.act(platform.current(), who, call, run_tool))


async def _read(
    context: Context[Any, Any],
    tool: str,
    run_id: str,
    reader: calls.Reader | None = None,
    *,
    scope: str = "run",
    **args: Any,
) -> CallToolResult:
    call = _call(context, tool, run_id, "", args)
    return answers.of(await calls.read(platform.current(), principal(scope), call, reader))


def _call(context: Context[Any, Any], tool: str, run_id: str, call_id: str, args: dict[str, Any]) -> Call:
    return Call(tool=tool, args=args, run_id=run_id, client_call_id=call_id, provenance=provenance(context))


def register(server: MCPServer[Any]) -> None:
    """Put every tool on the server."""
    for tool in READING:
        server.add_tool(tool, description=_told(tool), annotations=_READS, structured_output=False)
    for tool in ACTING:
        server.add_tool(tool, description=_told(tool) + RETRY, annotations=_ACTS, structured_output=False)


def _told(tool: Callable[..., Any]) -> str:
    return " ".join(str(tool.__doc__).split())


def strangers(name: str, arguments: Mapping[str, Any]) -> list[str]:
    """The arguments that a tool does not have; an unknown tool's are not judged here."""
    known = {tool.__name__: inspect.signature(tool).parameters for tool in (*READING, *ACTING)}
    return sorted(set(arguments) - (set(known[name]) - {"context"})) if name in known else []


async def list_benchmarks() -> CallToolResult:
    """List the benchmark families, how many tasks each has here, and what one should know before reading a score."""
    principal("read")
    return answers.structured({"benchmarks": catalog_view.benchmarks(platform.current().catalog)})


async def list_tasks(benchmark: Benchmark, cursor: Cursor = None) -> CallToolResult:
    """List a family's tasks: id, kind, title, difficulty."""
    principal("read")
    return answers.structured(catalog_view.tasks(platform.current().catalog, benchmark, cursor))


async def get_run(run_id: RunId, context: Context[Any, Any]) -> CallToolResult:
    """Show a run of yours: its state, its tasks, and its score once it is finished."""

    async def shown(run: Run) -> Answer:
        async with platform.current().database.transaction() as tx:
            return Answer(data=await reading.run(tx, run.id, principal("read")))

    return await _read(context, "get_run", run_id, shown, scope="read")


async def list_my_runs(cursor: Cursor = None) -> CallToolResult:
    """List your runs, newest first."""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidArgument("That cursor is not from this list.")
    who = principal("read")
    async with platform.current().database.transaction() as tx:
        page, following = await runs.mine(tx, who, cursor=int(cursor) if cursor else None, limit=50)
    return answers.structured({"runs": page, "next_cursor": None if following is None else str(following)})


async def get_leaderboard(benchmark: Benchmark) -> CallToolResult:
    """Show a family's public leaderboard: published runs only."""
    principal("read")
    platform.current().catalog.of(benchmark)
    async with platform.current().database.transaction() as tx:
        return answers.structured(await leaderboard.board(tx, benchmark))


async def create_run(
    benchmark: Benchmark,
    agent_name: Annotated[str, Field(description="Your agent's public name; Tester_agent for a try. No model ids.")],
    client_call_id: CallId,
    context: Context[Any, Any],
    task_ids: Annotated[
        list[str] | None, Field(description="Some of its tasks; none means all.", max_length=1000)
    ] = None,
    persona: Annotated[str | None, Field(description="How the task is told: naive or savvy.")] = None,
    submission_mode: Annotated[str, Field(description='Always "mcp" here.')] = "mcp",
    metadata: Annotated[dict[str, Any] | None, Field(description="Model, version, batch: anything not a name.")] = None,
) -> CallToolResult:
    """Create a run over tasks of a benchmark. It is visible to you alone until every publication gate says yes."""
    args = {
        "benchmark": benchmark,
        "agent_name": agent_name,
        "task_ids": task_ids,
        "persona": persona,
        "submission_mode": submission_mode,
        "metadata": metadata,
    }
    call = _call(context, "create_run", "", client_call_id, args)
    return answers.of(await run_tools.create(platform.current(), principal("run"), call))


async def start_task(
    run_id: RunId,
    task_id: Annotated[str, Field(description="One of the run's tasks.")],
    client_call_id: CallId,
    context: Context[Any, Any],
) -> CallToolResult:
    """Make a task the active one and get its instruction. One task is active at a time; each counts once. While the
    state is `preparing` its sandbox is being made: call get_task, or just use the task's tools, which wait for it."""
    call = _call(context, "start_task", run_id, client_call_id, {"task_id": task_id})
    return answers.of(await run_tools.start_task(platform.current(), principal("run"), call))


async def get_task(run_id: RunId, context: Context[Any, Any]) -> CallToolResult:
    """Show the active task again: instruction, working directory, limits, state."""

    async def shown(run: Run) -> Answer:
        return await run_tools.current(platform.current(), run)

    return await _read(context, "get_task", run_id, shown, scope="read")


async def finish_task(run_id: RunId, client_call_id: CallId, context: Context[Any, Any]) -> CallToolResult:
    """End the active task. Its work is frozen as it stands and verified elsewhere; you cannot come back to it."""
    return await _act(context, "finish_task", run_id, client_call_id, run_tools.finish_task)


async def finish_run(
    run_id: RunId, client_call_id: CallId, context: Context[Any, Any], reported: Reported | None = None
) -> CallToolResult:
    """End the run, and its active task first. Tasks that were not started count 0. The score appears in get_run."""
    said = None if reported is None else reported.model_dump(exclude_none=True)
    return await _act(context, "finish_run", run_id, client_call_id, run_tools.finish_run, reported=said)


async def cancel_run(run_id: RunId, client_call_id: CallId, context: Context[Any, Any]) -> CallToolResult:
    """End the run without a score. It still counts among your started runs."""
    return await _act(context, "cancel_run", run_id, client_call_id, run_tools.cancel_run)


async def submit_answer(
    run_id: RunId,
    client_call_id: CallId,
    answer: Annotated[str, Field(description="The answer alone, in the form that the task asks for.")],
    context: Context[Any, Any],
) -> CallToolResult:
    """Give the answer of an answer task. You may give another; the last one before finish_task counts."""
    return await _act(context, "submit_answer", run_id, client_call_id, answer=answer)


async def terminal_exec(
    run_id: RunId,
    client_call_id: CallId,
    command: Annotated[str, Field(description="What bash runs. cd and export carry over to your next command.")],
    context: Context[Any, Any],
    wait_s: Wait = 30,
    cwd: Annotated[str | None, Field(description="Directory to run in; default: where the last command ended.")] = None,
    timeout_s: Annotated[int | None, Field(ge=1, description="Kill it after this long; at most the task's.")] = None,
    pty: Annotated[bool, Field(description="Give it a pseudo-terminal, for interactive programs.")] = False,
) -> CallToolResult:
    """Run a command in the task's sandbox. Gives its output (8 KB, head and tail) and a line of JSON with status,
    exit_code and job_id. Still `running` after wait_s: use terminal_wait, terminal_send_input or terminal_kill with
    that job_id. One command at a time is in the foreground; background jobs (&) live on."""
    args = {"command": command, "wait_s": wait_s, "cwd": cwd, "timeout_s": timeout_s, "pty": pty}
    return await _act(context, "terminal_exec", run_id, client_call_id, **args)


async def terminal_wait(
    run_id: RunId,
    job_id: JobId,
    context: Context[Any, Any],
    wait_s: Wait = 30,
    offset: Annotated[
        int | None, Field(ge=0, le=2**53, description="Byte to show from; default: what you have not seen.")
    ] = None,
) -> CallToolResult:
    """Wait for a running command and get its further output."""
    return await _read(context, "terminal_wait", run_id, job_id=job_id, wait_s=wait_s, offset=offset)


async def terminal_send_input(
    run_id: RunId,
    client_call_id: CallId,
    job_id: JobId,
    text: Annotated[str, Field(description="What to type, with its newline if one is meant.")],
    context: Context[Any, Any],
) -> CallToolResult:
    """Type text into a running command and get what it says next."""
    return await _act(context, "terminal_send_input", run_id, client_call_id, job_id=job_id, text=text)


async def terminal_kill(
    run_id: RunId,
    client_call_id: CallId,
    job_id: JobId,
    context: Context[Any, Any],
    signal: Annotated[str, Field(description="TERM, KILL, INT, HUP, …", max_length=10)] = "TERM",
) -> CallToolResult:
    """Send a signal to a running command; KILL takes its whole tree."""
    return await _act(context, "terminal_kill", run_id, client_call_id, job_id=job_id, signal=signal)


async def read_output(
    run_id: RunId,
    ref: Annotated[str, Field(description="An output_ref of this run.")],
    context: Context[Any, Any],
    offset: Offset = 0,
    limit: Limit = 8192,
) -> CallToolResult:
    """Read on in an output that was cut. A page that is not UTF-8 text comes as base64, and the line says so."""

    async def part(run: Run) -> Answer:
        text, facts = await output.read(platform.current(), run.id, ref, offset, limit)
        return Answer(data=facts, output=text)

    return await _read(context, "read_output", run_id, part, scope="read", ref=ref, offset=offset, limit=limit)


async def file_read(
    run_id: RunId, path: Path, context: Context[Any, Any], offset: Offset = 0, limit: Limit = 8192
) -> CallToolResult:
    """Read a file of the task's working directory. Bytes that are not UTF-8 come as base64, and the line says so."""
    return await _read(context, "file_read", run_id, path=path, offset=offset, limit=limit)


async def file_write(
    run_id: RunId,
    client_call_id: CallId,
    path: Path,
    content: Annotated[str, Field(description="The whole new content.")],
    context: Context[Any, Any],
    encoding: Literal["utf-8", "base64"] = "utf-8",
    mode: Annotated[str | None, Field(description="Octal, such as 755; default: as it is, or 644.")] = None,
) -> CallToolResult:
    """Write a file in the task's working directory, making the directories above it."""
    args = {"path": path, "content": content, "encoding": encoding, "mode": mode}
    return await _act(context, "file_write", run_id, client_call_id, **args)


async def file_list(
    run_id: RunId,
    context: Context[Any, Any],
    path: Path = ".",
    depth: Annotated[int, Field(ge=1, le=10, description="How many levels below to list.")] = 1,
) -> CallToolResult:
    """List a directory of the task's working directory."""
    return await _read(context, "file_list", run_id, path=path, depth=depth)


READING = (
    list_benchmarks,
    list_tasks,
    get_run,
    list_my_runs,
    get_leaderboard,
    get_task,
    terminal_wait,
    read_output,
    file_read,
    file_list,
)
ACTING = (
    create_run,
    start_task,
    finish_task,
    finish_run,
    cancel_run,
    submit_answer,
    terminal_exec,
    terminal_send_input,
    terminal_kill,
    file_write,
)
