"""Verification: what a trial left behind becomes a verdict, in a worker, outside of the agent's reach.

Answer tasks are judged as they stand. A terminal task's sandbox is paused from outside, its declared outputs alone are
taken out of it, and it is removed; then a fresh container of the same pinned image, without a network, gets the task's
own files, those outputs, and only now the tests. The verdict comes back through a pipe that agent code never holds,
with a nonce that agent code never sees (attacks 01-10, 12, 20).
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend import db, sandboxes
from backend.catalog.tasks import Task
from backend.models import SandboxRow, Trial, Verdict
from backend.platform import Platform
from backend.scoring import answer, checks, outputs
from backend.tools import output
from providers import base

log = structlog.get_logger()
HARNESS = "/opt/clawbench"
_GRACE_S = 30


class VerifierFailed(Exception):
    """The verifier itself did not come to a verdict; that is our trouble, never the agent's."""


class CheckLine(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(max_length=200)]
    passed: bool
    detail: Annotated[str, Field(max_length=400)] = ""


class Said(BaseModel):
    """What the verifier writes into its pipe, once."""

    model_config = ConfigDict(extra="forbid", strict=True)

    nonce: str
    reward: Annotated[float, Field(ge=0, le=1)]
    checks: Annotated[list[CheckLine], Field(min_length=1, max_length=500)]


async def verify(platform: Platform, trial: Trial, task: Task) -> Verdict:
    """Come to the trial's verdict. Safe to repeat: outputs are taken out once, every verifier is new.

    Raises: VerifierFailed, base.SandboxError.
    """
    if task.digest != trial.task_digest:
        raise VerifierFailed("the task was changed while it was being worked on")
    began, nonce = time.monotonic(), secrets.token_hex(16)
    if task.kind == "answer":
        said, image = judge(task, trial.answer), None
    else:
        image = await platform.provider.prepare_image(sandboxes.image_of(platform, task))
        if trial.image_digest not in (None, image.digest):
            raise VerifierFailed("the task's image is not the one that the agent worked in")
        said = await _in_fresh_sandbox(platform, trial, task, image, nonce)
    return Verdict(
        trial_id=trial.id,
        run_id=trial.run_id,
        mode=task.mode,
        reward=said.reward,
        checks=[line.model_dump() for line in said.checks],
        nonce=nonce,
        task_digest=task.digest,
        image_digest=image.digest if image else None,
        duration_ms=int((time.monotonic() - began) * 1000),
    )


def judge(task: Task, given: str | None) -> Said:
    spec = answer.load((task.tests / "answer.toml").read_text())
    judged = answer.judge(spec, given)
    line = CheckLine(name="answer", passed=judged.reward == 1.0, detail=judged.detail[:400])
    return Said(nonce="", reward=judged.reward, checks=[line])


async def freeze(platform: Platform, trial: Trial, task: Task) -> bytes:
    """Give the trial's declared outputs as one archive, taken out of the paused sandbox once and kept."""
    ref = f"outputs_{trial.id}"
    kept = await _kept(platform, trial.run_id, ref)
    if kept is not None:
        return kept
    sandbox = await sandboxes.of(platform, trial.id)
    await sandbox.pause()
    async with platform.database.transaction() as tx:
        await sandboxes.mark(tx, sandbox.info.key, "frozen")
    archive = await outputs.collect(sandbox, task.outputs)
    await output.store(platform, archive, run_id=trial.run_id, trial_id=trial.id, ref=ref, kind="outputs")
    return archive


async def _kept(platform: Platform, run_id: str, ref: str) -> bytes | None:
    async with platform.database.transaction() as tx:
        row = await db.one(
            tx, "SELECT sha256 FROM artifact WHERE run_id = :run AND ref = :ref", {"run": run_id, "ref": ref}
        )
    return None if row is None else await platform.artifacts.get(row.sha256)


async def _in_fresh_sandbox(platform: Platform, trial: Trial, task: Task, image: base.ImageRef, nonce: str) -> Said:
    try:
        archive = await freeze(platform, trial, task)
    except (base.ArchiveRefused, base.TransferTooLarge) as refused:
        # What the agent left is not something that may be moved: that is the agent's doing and scores 0.
        return Said(
            nonce=nonce, reward=0.0, checks=[CheckLine(name="outputs", passed=False, detail=str(refused)[:400])]
        )
    await sandboxes.remove_all(platform, trial.run_id, trial_id=trial.id)
    key = f"sbx-{secrets.token_hex(8)}"
    async with platform.database.transaction() as tx:
        tx.add(
            SandboxRow(
                key=key, run_id=trial.run_id, trial_id=trial.id, role="verifier", provider=platform.provider.name
            )
        )
    try:
        sandbox = await platform.provider.create(
            sandboxes.spec(platform, trial.run_id, task, image, key, role="verifier")
        )
        return await check(platform, sandbox, task, archive, nonce)
    finally:
        await sandboxes.remove(platform, key)


async def check(platform: Platform, sandbox: base.Sandbox, task: Task, archive: bytes, nonce: str) -> Said:
    """Run a task's hidden tests over an archive of outputs in a sandbox that nobody has used."""
    with tempfile.TemporaryDirectory(prefix="clawbench-verify-") as place:
        work, harness = Path(place) / "work", Path(place) / "harness"
        _lay_out(task, archive, work, harness)
        await sandbox.put_tree(work, task.workdir)
        await sandbox.put_tree(harness, HARNESS, owner="root")
    isolated = platform.provider.capabilities().isolation != "none"
    located = sandbox.workdir.removesuffix(task.workdir) + HARNESS
    request = base.ExecRequest(
        call_id=f"verify_{nonce}",
        argv=("python3", "-I", "-S", f"{located}/clawbench_checks.py"),
        cwd="/",
        env={
            "CLAWBENCH_NONCE": nonce,
            "CLAWBENCH_WORKDIR": sandbox.workdir,
            "CLAWBENCH_TESTS": f"{located}/tests",
            "CLAWBENCH_VERIFIER_SECONDS": str(task.limits.verifier_s),
            **({"CLAWBENCH_AGENT_UID": str(base.AGENT_UID)} if isolated else {}),
        },
        user="root",
        timeout_s=task.limits.verifier_s + _GRACE_S,
        stdin=b"",
        verdict=True,
    )
    # Code under test runs beside these files: it may not even read what it is tested by.
    hide = base.ExecRequest(
        call_id=f"hide_{nonce}", argv=("chmod", "-R", "go=", located), cwd="/", user="root", stdin=b""
    )
    await sandbox.exec(hide)
    async with sandboxes.kept(platform, sandbox):
        result = await sandbox.exec(request)
    return _read(result, nonce)


def _lay_out(task: Task, archive: bytes, work: Path, harness: Path) -> None:
    """The verifier's files: the task's own workspace with the agent's outputs over it, and the tests beside."""
    if task.workspace.is_dir():
        shutil.copytree(task.workspace, work)
    else:
        work.mkdir()
    for name in task.outputs:
        _clear(work / name)
    outputs.lay_out(archive, work)
    shutil.copytree(task.tests, harness / "tests")
    shutil.copyfile(checks.__file__, harness / "clawbench_checks.py")


def _clear(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _read(result: base.ExecResult, nonce: str) -> Said:
    tail = result.output[-500:].decode("utf-8", "replace")
    if result.status != base.Status.EXITED or result.exit_code != 0 or not result.verdict:
        raise VerifierFailed(f"it ended {result.status} {result.exit_code} without a verdict: {tail}")
    try:
        said = Said.model_validate_json(result.verdict)
    except ValidationError as error:
        raise VerifierFailed(f"its verdict is not one: {error.error_count()} errors") from error
    if not secrets.compare_digest(said.nonce, nonce):
        raise VerifierFailed("its verdict has another nonce")
    return said
