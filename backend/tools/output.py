"""Output as an agent gets it: 8 KB, head and tail kept, the whole behind a reference."""

from __future__ import annotations

import asyncio
import base64
import codecs
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from backend import db
from backend.errors import InvalidArgument
from backend.models import Artifact
from backend.platform import Platform
from providers import base

SHOWN = 8192
_HALF = SHOWN // 2
_PAGE = 1 * base.MIB
KEPT = 32 * base.MIB
_REF = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A piece of a process's output: what to show of it, and where the next piece begins."""

    text: str
    truncated: bool
    exact: bool
    chunk: base.Chunk
    next_offset: int


def decode(data: bytes) -> tuple[str, bool]:
    """The bytes as text, and whether the text says them exactly."""
    text = data.decode("utf-8", "replace").replace("\x00", "\u2400")
    return text, text.encode() == data


async def piece(process: base.Process, offset: int, wait_s: float, stopping: asyncio.Event) -> Shown:
    """Show what the process wrote from `offset` on, waiting up to `wait_s` seconds for its end.

    Waits no longer when we are `stopping`: the command lives on in its sandbox, and its job is found again after that.
    """
    if wait_s > 0:
        end = asyncio.ensure_future(process.read(offset, limit=0, wait_s=wait_s))
        stop = asyncio.ensure_future(stopping.wait())
        await asyncio.wait((end, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if end.done():
            end.result()
        else:
            end.cancel()
    head = await process.read(offset, limit=SHOWN)
    rest = head.total - (head.offset + len(head.data))
    if rest <= 0 and head.offset <= offset:
        text, exact = decode(head.data)
        return Shown(text=text, truncated=False, exact=exact, chunk=head, next_offset=head.total)
    first = head.data[:_HALF]
    tail = await process.read(max(head.total - _HALF, head.offset + len(first)), limit=_HALF)
    left_out = head.total - offset - len(first) - len(tail.data)
    text = f"{decode(first)[0]}\n[… {left_out} bytes left out; read_output has the whole …]\n{decode(tail.data)[0]}"
    return Shown(text=text, truncated=True, exact=False, chunk=head, next_offset=head.total)


async def keep(platform: Platform, process: base.Process, run_id: str, trial_id: str, ref: str) -> None:
    """Store a process's whole output as an artifact, so that it outlives the sandbox; what came since is added."""
    parts: list[bytes] = []
    offset = size = 0
    while size < KEPT:
        chunk = await process.read(offset, limit=_PAGE)
        if not chunk.data:
            break
        parts.append(chunk.data)
        offset, size = chunk.offset + len(chunk.data), size + len(chunk.data)
    await store(platform, b"".join(parts), run_id=run_id, trial_id=trial_id, ref=ref, kind="output")


async def store(platform: Platform, data: bytes, *, run_id: str, trial_id: str | None, ref: str, kind: str) -> str:
    """Keep bytes under a reference of the run; the first bytes stay, but an output may grow. Gives their SHA-256."""
    digest = await platform.artifacts.put(data)
    async with platform.database.transaction() as tx:
        await db.run(
            tx,
            "INSERT INTO artifact (run_id, ref, trial_id, kind, sha256, size) "
            "VALUES (:run, :ref, :trial, :kind, :sha256, :size) ON CONFLICT (run_id, ref) DO UPDATE "
            "SET sha256 = excluded.sha256, size = excluded.size "
            "WHERE artifact.kind = 'output' AND excluded.kind = 'output' AND artifact.size <= excluded.size",
            {"run": run_id, "ref": ref, "trial": trial_id, "kind": kind, "sha256": digest, "size": len(data)},
        )
    return digest


async def kept(platform: Platform, run_id: str, ref: str) -> int | None:
    """How many bytes of an output are stored; None when none were."""
    async with platform.database.transaction() as tx:
        artifact = await tx.get(Artifact, (run_id, ref))
    return None if artifact is None else artifact.size


async def read(platform: Platform, run_id: str, ref: str, offset: int, limit: int) -> tuple[str, dict[str, Any]]:
    """Read on in an output by its reference, exact to the byte: text that ends between characters, or else base64.

    Raises: InvalidArgument when the run has none of that name.
    """
    if not _REF.fullmatch(ref):
        raise InvalidArgument("ref is an output_ref that a tool of this run gave.")
    async with platform.database.transaction() as tx:
        artifact = await tx.get(Artifact, (run_id, ref))
        said = None
        if artifact is None:
            said = await db.one(
                tx,
                "SELECT body->>'output' AS output FROM event WHERE run_id = :run AND body->>'output_ref' = :ref "
                "AND body->'data'->>'status' <> 'running' ORDER BY seq DESC LIMIT 1",
                {"run": run_id, "ref": ref},
            )
    if artifact is not None:
        data = await platform.artifacts.get(artifact.sha256, offset=min(offset, artifact.size), limit=limit)
        total, digest = artifact.size, artifact.sha256
    elif said is not None and said.output is not None:
        whole = said.output.encode()
        data, total, digest = whole[offset : offset + limit], len(whole), hashlib.sha256(whole).hexdigest()
    else:
        raise InvalidArgument("There is no finished output of that reference; terminal_wait reads a running job's.")
    data = characters(data)
    text, exact = decode(data)
    end = offset + len(data)
    facts = {
        "offset": offset,
        "next_offset": end if end < total else None,
        "total": total,
        "sha256": digest,
        "encoding": "utf-8" if exact else "base64",
    }
    return text if exact else base64.b64encode(data).decode(), facts


def characters(data: bytes) -> bytes:
    """The bytes without the beginning of a character at their end, unless there is nothing else."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(data)
    except UnicodeDecodeError:
        return data
    return data[: len(data) - len(decoder.getstate()[0])] or data
