"""The terminal: commands, jobs and files of one running trial, the same for every lane."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend import db
from backend.errors import InvalidArgument, TooLarge
from backend.platform import Platform
from backend.tools import output
from backend.tools.session import Answer
from providers import base

FILE_BYTES = 1 * base.MIB
_SIGNALS = ("TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "CONT", "STOP")
# Each command is a bash of its own. It begins in the directory and with the exported environment that the last one
# left, and leaves its own behind when it ends by itself; `eval` keeps the agent's text away from this script's lines.
# It leaves after `eval` too, for the agent may have set a trap of its own; the status stays the command's.
_COMMAND = r"""
__s="$HOME/.clawbench/session" __w="$1" __c="$2" __d="$3"; set --
mkdir -p -- "${__s%/*}"
if [ -r "$__s" ]; then for __v in $(compgen -e); do unset -v "$__v" 2>/dev/null; done; . "$__s"; else cd -- "$__w"; fi
if [ -n "$__d" ]; then cd -- "$__d" || exit 126; fi
__left=
__leave() { local __r=$?; [ -n "$__left" ] || {
  { printf 'cd -- %q 2>/dev/null || cd -- %q\n' "$PWD" "$__w"; export -p; declare -fx; } > "$__s.$$" &&
  mv -f -- "$__s.$$" "$__s" || :; } 2>/dev/null; __left=1; return $__r; }
trap __leave EXIT
eval "$__c"
{ __leave; } 2>/dev/null
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalToolSession:
    """Terminal tools over a sandbox."""

    platform: Platform
    sandbox: base.Sandbox
    run_id: str
    trial_id: str
    timeout_s: int

    async def handle_call(self, name: str, args: Mapping[str, Any], *, call_id: str) -> Answer:
        match name:
            case "terminal_exec":
                return await self._exec(args, call_id)
            case "terminal_wait":
                return await self._wait(args)
            case "terminal_send_input":
                process = await self.sandbox.process(args["job_id"])
                start = await self.seen(process.id)
                await process.write_stdin(args["text"].encode())
                return await self._shown(process, start, 1.0)
            case "terminal_kill":
                return await self._kill(args)
            case "file_read":
                return await self._read(args)
            case "file_write":
                return await self._write(args)
            case "file_list":
                return await self._list(args)
        raise InvalidArgument(f"There is no terminal tool {name}.")

    async def _exec(self, args: Mapping[str, Any], call_id: str) -> Answer:
        timeout = args["timeout_s"] if args["timeout_s"] is not None else self.timeout_s
        if timeout > self.timeout_s:
            raise InvalidArgument(f"timeout_s can be at most the task's: {self.timeout_s}.")
        request = base.ExecRequest(
            call_id=job_id(self.run_id, call_id),
            argv=("bash", "-c", _COMMAND, "bash", self.sandbox.workdir, args["command"], args["cwd"] or ""),
            timeout_s=timeout,
            pty=args["pty"],
            foreground=True,
        )
        process = await self.sandbox.spawn(request)
        return await self._shown(process, 0, args["wait_s"], first=True)

    async def _wait(self, args: Mapping[str, Any]) -> Answer:
        process = await self.sandbox.process(args["job_id"])
        start = args["offset"] if args["offset"] is not None else await self.seen(process.id)
        return await self._shown(process, start, args["wait_s"])

    async def _kill(self, args: Mapping[str, Any]) -> Answer:
        name = args["signal"].upper().removeprefix("SIG")
        if name not in _SIGNALS:
            raise InvalidArgument(f"signal is one of {', '.join(_SIGNALS)}.")
        process = await self.sandbox.process(args["job_id"])
        start = await self.seen(process.id)
        await process.signal(name)
        return await self._shown(process, start, 2.0)

    async def _shown(self, process: base.Process, offset: int, wait_s: float, *, first: bool = False) -> Answer:
        shown = await output.piece(process, offset, wait_s, self.platform.stopping)
        chunk, ref = shown.chunk, f"out_{process.id}"
        partial = shown.truncated or not shown.exact or offset > 0
        # A first answer asks nobody, so that it is there to be stored even while the database is away.
        ended = chunk.status != base.Status.RUNNING
        if ended and (partial if first else await self._unkept(process.id, ref, chunk.total, partial)):
            await output.keep(self.platform, process, self.run_id, self.trial_id, ref)
        data = {
            "status": _STATUS[chunk.status],
            "exit_code": chunk.exit_code,
            "job_id": process.id,
            "duration_ms": chunk.duration_ms,
            "truncated": shown.truncated,
            "output_ref": ref,
            "next_offset": shown.next_offset,
        }
        return Answer(data=data, output=shown.text)

    async def _unkept(self, job: str, ref: str, total: int, partial: bool) -> bool:
        """Whether neither this answer, unless it is `partial`, nor an artifact holds the whole output."""
        stored = await output.kept(self.platform, self.run_id, ref)
        if stored is None:
            return partial
        # Very long output is stored without its middle, so its size alone does not say that it grew.
        return stored < total and await self.seen(job) != total

    async def seen(self, job: str) -> int:
        """Where the last answer about this job ended, by the run's own record: any backend gives the next piece."""
        async with self.platform.database.transaction() as tx:
            row = await db.one(
                tx,
                "SELECT (body->'data'->>'next_offset')::bigint AS offset FROM event "
                "WHERE run_id = :run AND body->'data'->>'job_id' = :job AND body->'data' ? 'next_offset' "
                "ORDER BY seq DESC LIMIT 1",
                {"run": self.run_id, "job": job},
            )
        return row.offset if row is not None else 0

    async def _read(self, args: Mapping[str, Any]) -> Answer:
        part = await self.sandbox.read(
            args["path"], offset=args["offset"], limit=args["limit"], within=self.sandbox.workdir
        )
        shown = output.characters(part.data)
        text, exact = output.decode(shown)
        end = part.offset + len(shown)
        data = {
            "path": args["path"],
            "size": part.size,
            "next_offset": end if end < part.size else None,
            "encoding": "utf-8" if exact else "base64",
        }
        return Answer(data=data, output=text if exact else base64.b64encode(shown).decode())

    async def _write(self, args: Mapping[str, Any]) -> Answer:
        content = _content(args["content"], args["encoding"])
        if len(content) > FILE_BYTES:
            raise TooLarge(f"A file that is written can have at most {FILE_BYTES} bytes.")
        await self.sandbox.write(args["path"], content, mode=_mode(args["mode"]), within=self.sandbox.workdir)
        digest = hashlib.sha256(content).hexdigest()
        return Answer(data={"path": args["path"], "size": len(content), "sha256": digest}, output="")

    async def _list(self, args: Mapping[str, Any]) -> Answer:
        found = await self.sandbox.listdir(args["path"], depth=args["depth"], within=self.sandbox.workdir)
        lines = [f"{_TYPE[entry.kind]} {entry.size:>10} {entry.path}" for entry in found]
        text = "\n".join(lines)
        if len(text) > output.SHOWN:
            cut = text.rfind("\n", 0, output.SHOWN)
            text = f"{text[:cut]}\n[… more entries; list a directory below …]"
        return Answer(data={"path": args["path"], "entries": len(found)}, output=text)


_STATUS = {
    base.Status.RUNNING: "running",
    base.Status.EXITED: "exited",
    base.Status.SIGNALED: "killed",
    base.Status.CANCELLED: "killed",
    base.Status.TIMEOUT: "timeout",
    base.Status.OOM: "oom",
    base.Status.LOST: "lost",
}
_TYPE = {"file": "-", "dir": "d", "link": "l", "other": "?"}


def job_id(run_id: str, call_id: str) -> str:
    """The job that a call starts: the same call never starts another."""
    return f"job_{hashlib.sha256(f'{run_id}/{call_id}'.encode()).hexdigest()[:16]}"


def _content(text: str, encoding: str) -> bytes:
    if encoding == "utf-8":
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InvalidArgument("content is not valid base64.") from error


def _mode(text: str | None) -> int | None:
    if text is None:
        return None
    if not (3 <= len(text) <= 4 and set(text) <= set("01234567")):
        raise InvalidArgument("mode is octal digits, such as 644 or 0755.")
    return int(text, 8) & 0o777
