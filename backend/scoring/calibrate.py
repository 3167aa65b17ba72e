"""Calibration: a task's reference passes and doing nothing fails, in the same sandboxes and by the same verifier as any
run. This is the only use of a reference besides the canary; it makes no run, and no agent's sandbox ever sees it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend import sandboxes
from backend.catalog.tasks import Task
from backend.platform import Platform
from backend.scoring import outputs, verify
from providers import base

_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What a task's reference and a no-op are worth; `detail` says what went wrong when something did."""

    task_id: str
    digest: str
    reference: float
    noop: float
    image_digest: str | None
    detail: str = ""

    @property
    def holds(self) -> bool:
        return self.reference == 1.0 and self.noop == 0.0

    def public(self) -> dict[str, Any]:
        """The result for scripts."""
        shown = {name: getattr(self, name) for name in ("task_id", "digest", "reference", "noop", "image_digest")}
        return shown | {"ok": self.holds, "detail": self.detail}


async def check_all(platform: Platform, tasks: tuple[Task, ...], done: Callable[[Task], None]) -> list[Calibration]:
    """Calibrate tasks, a few at once; `done` hears of each."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(task: Task) -> Calibration:
        async with gate:
            result = await check(platform, task)
        done(task)
        return result

    return list(await asyncio.gather(*(one(task) for task in tasks)))


async def check(platform: Platform, task: Task) -> Calibration:
    """Calibrate one task."""
    if task.kind == "answer":
        reference = verify.judge(task, (task.directory / "solution" / "answer.txt").read_text())
        nothing = verify.judge(task, None)
        image = None
    else:
        image = await platform.provider.prepare_image(sandboxes.image_of(platform, task))
        reference = await _worth(platform, task, image, (task.directory / "solution" / "solve.sh").read_text())
        nothing = await _worth(platform, task, image, ":")
    failed = [line for line in reference.checks if not line.passed]
    return Calibration(
        task_id=task.id,
        digest=task.digest,
        reference=reference.reward,
        noop=nothing.reward,
        image_digest=image.digest if image else None,
        detail="; ".join(f"{line.name}: {line.detail}" for line in failed)[:500],
    )


async def _worth(platform: Platform, task: Task, image: base.ImageRef, script: str) -> verify.Said:
    """What is said of the state that a script leaves behind."""
    worked = await _sandbox(platform, task, image, "agent")
    try:
        await worked.put_tree(task.workspace, task.workdir)
        request = base.ExecRequest(
            call_id="solve", argv=("bash", "-c", script), cwd=worked.workdir, timeout_s=task.limits.wall_s, stdin=b""
        )
        async with sandboxes.kept(platform, worked):
            result = await worked.exec(request)
        if result.exit_code != 0:
            tail = result.output[-300:].decode("utf-8", "replace")
            line = verify.CheckLine(name="solve.sh", passed=False, detail=f"{result.status} {result.exit_code} {tail}")
            return verify.Said(nonce="", reward=0.0, checks=[line])
        await worked.pause()
        archive = await outputs.collect(worked, task.outputs)
    finally:
        await worked.destroy()
    fresh = await _sandbox(platform, task, image, "verifier")
    try:
        return await verify.check(platform, fresh, task, archive, secrets.token_hex(16))
    finally:
        await fresh.destroy()


async def _sandbox(platform: Platform, task: Task, image: base.ImageRef, role: Any) -> base.Sandbox:
    key = f"sbx-{secrets.token_hex(8)}"
    return await platform.provider.create(sandboxes.spec(platform, sandboxes.CALIBRATION, task, image, key, role=role))
