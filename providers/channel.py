"""The client side of the runner's protocol: one connection to one sandbox, and the commands and files behind it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import logging
import os
import stat
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from providers.base import (
    MIB,
    Chunk,
    Dispatched,
    ExecRequest,
    ExecResult,
    FileChunk,
    FileStat,
    PathDenied,
    PathMissing,
    ProviderUnavailable,
    RequestInvalid,
    SandboxBusy,
    SandboxError,
    SandboxLost,
    Status,
    TransferTooLarge,
    UnknownProcess,
)

log = logging.getLogger(__name__)
FRAME_MAX = 32 * MIB
DATA_MAX = 16 * MIB
ANSWER_S = 30.0
LOST_AFTER_S = 0.5
POLL_S = 20.0

ERRORS: dict[str, type[SandboxError]] = {
    "busy": SandboxBusy,
    "unknown": UnknownProcess,
    "denied": PathDenied,
    "missing": PathMissing,
    "large": TransferTooLarge,
    "invalid": RequestInvalid,
    "unavailable": ProviderUnavailable,
}
ONCE = frozenset({"stdin", "signal"})  # what a lost answer forbids to ask a second time


class Channel:
    """Requests to the runner that listens in `directory`, over one connection that is made again when it breaks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None

    async def request(self, op: str, *, answer_s: float = ANSWER_S, **fields: Any) -> dict[str, Any]:
        """Ask the runner and give its answer.

        Raises: SandboxLost when nobody listens any more; ProviderUnavailable when no answer comes in time.
        """
        deadline = time.monotonic() + answer_s
        dispatched = Dispatched.NO
        while True:
            writer = await self._connected(dispatched)
            number = next(self._ids)
            answer = self._answers[number] = asyncio.get_running_loop().create_future()
            try:
                writer.write(json.dumps({"id": number, "op": op, **fields}).encode() + b"\n")
                dispatched = Dispatched.UNKNOWN
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                    await writer.drain()
                    return _result(await answer)
            except TimeoutError as error:
                raise ProviderUnavailable(
                    f"No answer from the sandbox in {answer_s:.0f} s.", dispatched=dispatched
                ) from error
            except ConnectionError as error:
                if op in ONCE:
                    raise ProviderUnavailable("The connection to the sandbox broke.", dispatched=dispatched) from error
            finally:
                self._answers.pop(number, None)

    async def _connected(self, dispatched: Dispatched) -> asyncio.StreamWriter:
        async with self._connecting:
            give_up = time.monotonic() + LOST_AFTER_S
            while self._writer is None or self._writer.is_closing():
                try:
                    reader, self._writer = await self._open()
                    self._listener = asyncio.create_task(self._listen(reader, self._writer))
                except OSError as error:
                    if time.monotonic() > give_up:
                        raise SandboxLost("Nothing serves the sandbox any more.", dispatched=dispatched) from error
                    await asyncio.sleep(0.05)
            return self._writer

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # by way of the open directory: a socket's path may be no longer than 107 bytes, a directory's may
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if not stat.S_ISSOCK(os.stat("sock", dir_fd=directory, follow_symlinks=False).st_mode):
                raise ConnectionRefusedError("not a socket")
            return await asyncio.open_unix_connection(f"/proc/self/fd/{directory}/sock", limit=FRAME_MAX)
        finally:
            os.close(directory)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                message = json.loads(line)
                answer = self._answers.get(message["id"])
                if answer is not None and not answer.done():
                    answer.set_result(message)
        except (OSError, ValueError, KeyError) as error:
            # A broken runner is as good as none: whoever waits is told so below.
            log.info("the runner's connection ended: %r", error)
        finally:
            writer.close()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionResetError("the runner went away"))

    async def aclose(self) -> None:
        """Let go of the connection; the sandbox lives on."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        self._writer = self._listener = None


def _result(message: dict[str, Any]) -> dict[str, Any]:
    if "error" in message:
        error = message["error"]
        raise ERRORS.get(error["code"], SandboxError)(error["message"])
    return message["result"]


class RunnerProcess:
    """A command in a sandbox that a runner serves."""

    def __init__(self, channel: Channel, call_id: str) -> None:
        self.id = call_id
        self._channel = channel

    async def read(self, offset: int | None = None, *, limit: int = 1 * MIB, wait_s: float = 0.0) -> Chunk:
        return _chunk(await self._read(offset, limit, wait_s))

    async def _read(self, offset: int | None, limit: int, wait_s: float) -> dict[str, Any]:
        fields = {"call_id": self.id, "offset": offset, "limit": limit, "wait_s": wait_s}
        return await self._channel.request("read", answer_s=wait_s + ANSWER_S, **fields)

    async def write_stdin(self, data: bytes) -> None:
        await self._channel.request("stdin", call_id=self.id, data=base64.b64encode(data).decode())

    async def signal(self, name: str) -> None:
        await self._channel.request("signal", call_id=self.id, name=name)

    async def wait(self) -> ExecResult:
        return await self.finish(await self._read(0, 0, POLL_S))

    async def finish(self, view: dict[str, Any]) -> ExecResult:
        """Wait until the command that `view` shows has ended, and gather what it wrote until then."""
        while view["status"] == Status.RUNNING:
            view = await self._read(0, 0, POLL_S)
        ended, parts, offset = view, [], 0
        while offset < ended["total"]:
            if view["size"] == 0 or view["offset"] < offset:
                view = await self._read(offset, 4 * MIB, 0)
            parts.append(base64.b64decode(view["data"]))
            offset = view["offset"] + view["size"]
            view = {**view, "size": 0}
        verdict = ended["verdict"]
        return ExecResult(
            status=Status(ended["status"]),
            exit_code=ended["exit_code"],
            output=b"".join(parts),
            total=ended["total"],
            duration_ms=ended["duration_ms"],
            verdict=None if verdict is None else base64.b64decode(verdict),
        )


def _chunk(view: dict[str, Any]) -> Chunk:
    return Chunk(
        data=base64.b64decode(view["data"]),
        offset=view["offset"],
        total=view["total"],
        status=Status(view["status"]),
        exit_code=view["exit_code"],
        duration_ms=view["duration_ms"],
    )


class Served:
    """The part of a sandbox that its runner serves: commands, files and the lease."""

    def __init__(self, channel: Channel, workdir: str) -> None:
        self.channel = channel
        self.workdir = workdir

    async def exec(self, request: ExecRequest) -> ExecResult:
        view = await self._start(request, wait_s=min(POLL_S, request.timeout_s + 1), limit=1 * MIB)
        return await RunnerProcess(self.channel, request.call_id).finish(view)

    async def spawn(self, request: ExecRequest) -> RunnerProcess:
        await self._start(request, wait_s=0, limit=0)
        return RunnerProcess(self.channel, request.call_id)

    async def _start(self, request: ExecRequest, *, wait_s: float, limit: int) -> dict[str, Any]:
        fields = asdict(request)
        if request.stdin is not None:
            fields["stdin"] = base64.b64encode(request.stdin).decode()
        return await self.channel.request("start", answer_s=wait_s + ANSWER_S, **fields, wait_s=wait_s, limit=limit)

    async def process(self, call_id: str) -> RunnerProcess:
        await self.channel.request("read", call_id=call_id, offset=0, limit=0)
        return RunnerProcess(self.channel, call_id)

    async def processes(self) -> list[str]:
        return (await self.channel.request("list"))["call_ids"]

    async def read(self, path: str, *, offset: int = 0, limit: int = 1 * MIB, within: str | None = None) -> FileChunk:
        got = await self.channel.request("file_read", path=path, offset=offset, limit=limit, within=within)
        return FileChunk(data=base64.b64decode(got["data"]), offset=got["offset"], size=got["size"])

    async def write(self, path: str, data: bytes, *, mode: int | None = None, within: str | None = None) -> None:
        if len(data) > DATA_MAX:
            raise TransferTooLarge(f"One write holds at most {DATA_MAX} bytes; use put_tree for more.")
        text = base64.b64encode(data).decode()
        await self.channel.request("file_write", path=path, data=text, mode=mode, within=within)

    async def stat(self, path: str, *, within: str | None = None) -> FileStat:
        return FileStat(**await self.channel.request("file_stat", path=path, within=within))

    async def listdir(
        self, path: str, *, depth: int = 1, limit: int = 2_000, within: str | None = None
    ) -> list[FileStat]:
        got = await self.channel.request("file_list", path=path, depth=depth, limit=limit, within=within)
        return [FileStat(**entry) for entry in got["entries"]]

    async def renew(self, lease_s: int) -> None:
        await self.channel.request("renew", lease_s=lease_s)
