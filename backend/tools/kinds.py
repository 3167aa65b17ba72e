"""Which tools belong to which kind of task, and the session that serves them."""

from __future__ import annotations

from backend import sandboxes
from backend.catalog.tasks import Task
from backend.errors import NotRunnable, WrongToolKind
from backend.models import Run, Trial
from backend.platform import Platform
from backend.tools.answer import AnswerToolSession
from backend.tools.session import ToolSession
from backend.tools.terminal import TerminalToolSession

FILES = frozenset({"file_read", "file_write", "file_list"})
TOOLS = {
    "answer": frozenset({"submit_answer"}),
    "terminal": FILES | {"terminal_exec", "terminal_wait", "terminal_send_input", "terminal_kill"},
    "swe": FILES | {"swe_bash", "swe_view", "swe_search", "swe_edit", "swe_diff", "swe_submit"},
}


def check(tool: str, trial: Trial) -> None:
    """Raises WrongToolKind unless the tool belongs to the trial's kind of task."""
    if tool not in TOOLS.get(trial.kind, frozenset()):
        raise WrongToolKind(f"The active task is of kind {trial.kind}.")


async def session(platform: Platform, run: Run, trial: Trial, task: Task) -> ToolSession:
    """Open the tools of a running trial. Raises SandboxGone, NotRunnable."""
    match trial.kind:
        case "answer":
            return AnswerToolSession(platform=platform, trial_id=trial.id, task_id=trial.task_id)
        case "terminal":
            return TerminalToolSession(
                platform=platform,
                sandbox=await sandboxes.of(platform, trial.id),
                run_id=run.id,
                trial_id=trial.id,
                timeout_s=task.limits.wall_s,
            )
    raise NotRunnable(f"Tasks of kind {trial.kind} cannot be run here yet.")
