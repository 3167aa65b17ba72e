"""One call of a task's tool, done in its session. What goes wrong is an outcome in the contract's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from backend import db
from backend.errors import ClawBenchError, Internal, SandboxGone, TaskNotActive, TooLarge
from backend.models import Run, Trial
from backend.platform import Platform
from backend.tools import kinds
from backend.tools.session import Answer, Call, translate
from providers import base

log = structlog.get_logger()
# The largest an argument may be, in bytes of UTF-8; whatever is not named here may have 4,096.
_ARGUMENT_BYTES = {"command": 65_536, "text": 65_536, "answer": 65_536, "content": 1_500_000}


def measure(args: Mapping[str, Any]) -> None:
    """Raises TooLarge for an argument that is over its limit."""
    for name, value in args.items():
        limit = _ARGUMENT_BYTES.get(name, 4096)
        if isinstance(value, str) and len(value.encode("utf-8", "surrogatepass")) > limit:
            raise TooLarge(f"`{name}` can have at most {limit} bytes.")


async def handle(platform: Platform, run: Run, trial: Trial, call: Call, wait_s: float) -> Answer | ClawBenchError:
    """Do one call in the running trial, waiting for output for at most `wait_s`; an error is an outcome too."""
    args = dict(call.args)
    if "wait_s" in args:
        args["wait_s"] = max(0.0, min(args["wait_s"], wait_s))
    try:
        task = platform.catalog.task(run.benchmark, trial.task_id)
        session = await kinds.session(platform, run, trial, task)
        return await session.handle_call(call.tool, args, call_id=call.client_call_id)
    except base.SandboxError as error:
        log.info("call.sandbox_error", run=run.id, tool=call.tool, error=repr(error))
        return await _ended(platform, trial) or translate(error)
    except SandboxGone as error:
        return await _ended(platform, trial) or error
    except ClawBenchError as error:
        return error
    except Exception:
        # The edge of agent-driven work: nothing of an unforeseen error may reach the agent, all of it the log.
        log.exception("call.failed", run=run.id, tool=call.tool)
        return Internal()


async def _ended(platform: Platform, trial: Trial) -> ClawBenchError | None:
    """The reason why a trial's sandbox may rightly be gone: it was finished while the call was going on."""
    async with platform.database.transaction() as tx:
        row = await db.one(tx, "SELECT state FROM trial WHERE id = :id", {"id": trial.id})
    return None if row is None or row.state == "running" else TaskNotActive("It ended while this call was going on.")
