"""The one error family. The docstring is the message, the attributes are what MCP and HTTP answer with."""

from __future__ import annotations

from typing import Any, ClassVar


class ClawBenchError(Exception):
    """Something went wrong on our side."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    replayed = False

    def __init__(self, detail: str = "") -> None:
        super().__init__(" ".join(f"{self.__doc__} {detail}".split()))

    def body(self) -> dict[str, object]:
        """The object that agents and HTTP clients get; it names no request and no time."""
        return {"code": self.code, "message": str(self), "retryable": self.retryable}


class Internal(ClawBenchError):
    """The platform failed at this call; nothing more is known. Ask for the state before you try again."""


class InvalidArgument(ClawBenchError):
    """An argument is not valid."""

    code, status = "invalid_argument", 422


class Unauthenticated(ClawBenchError):
    """Sign in first: send a valid token as `Authorization: Bearer clb_…`."""

    code, status = "unauthenticated", 401


class InsufficientScope(ClawBenchError):
    """The token does not have the scope that this needs."""

    code, status = "insufficient_scope", 403


class NotFound(ClawBenchError):
    """There is nothing of that id that you may see."""

    code, status = "not_found", 404


class UnknownBenchmark(ClawBenchError):
    """There is no benchmark of that id; list_benchmarks names them."""

    code, status = "unknown_benchmark", 404


class UnknownTask(ClawBenchError):
    """There is no task of that id here; list_tasks names those of a benchmark, get_run those of a run."""

    code, status = "unknown_task", 404


class AgentNameRefused(ClawBenchError):
    """That agent name cannot be used."""

    code, status = "agent_name_refused", 422


class RunNotFound(ClawBenchError):
    """There is no run of that id that you may use."""

    code, status = "run_not_found", 404


class RunClosed(ClawBenchError):
    """The run takes no more calls."""

    code, status = "run_closed", 409


class TaskNotActive(ClawBenchError):
    """No task is active; start one with start_task."""

    code, status = "task_not_active", 409


class TaskActive(ClawBenchError):
    """Another task is active; end it with finish_task first."""

    code, status = "task_active", 409


class TaskPreparing(ClawBenchError):
    """The task's sandbox is still being made; call again in a moment."""

    code, status, retryable = "task_preparing", 409, True
    trial_id = ""


class WrongToolKind(ClawBenchError):
    """That tool does not belong to the kind of the active task."""

    code, status = "wrong_tool_kind", 409


class CallIdReused(ClawBenchError):
    """That client_call_id was used with another tool or other arguments; a new call needs a new id."""

    code, status = "call_id_reused", 409


class OutcomeUnknown(ClawBenchError):
    """The platform stopped during that call, so it may or may not have taken effect. It is never run a second time:
    look at the state (get_run, file_list, terminal_exec with a new client_call_id) and go on from there."""

    code, status = "outcome_unknown", 409


class Busy(ClawBenchError):
    """Another command is in the foreground; wait for it (terminal_wait) or end it (terminal_kill)."""

    code, status, retryable = "busy", 409, True


class RunBusyElsewhere(ClawBenchError):
    """Another client is using this run just now; one client at a time may act."""

    code, status, retryable = "run_busy_elsewhere", 409, True


class PathRefused(ClawBenchError):
    """That path cannot be used: only paths inside the working directory can."""

    code, status = "path_denied", 403


class TooLarge(ClawBenchError):
    """That is more than the limit."""

    code, status = "too_large", 413


class CapReached(ClawBenchError):
    """A usage cap is reached."""

    code, status, retryable = "cap_reached", 429, True


class SandboxGone(ClawBenchError):
    """The task's sandbox was lost, which is the platform's failure; start_task begins the task again, at most twice."""

    code, status = "sandbox_lost", 410


class NotRunnable(ClawBenchError):
    """The task is listed but cannot be run here."""

    code, status = "not_runnable", 409


class Unavailable(ClawBenchError):
    """The platform cannot do that just now; try again shortly."""

    code, status, retryable = "unavailable", 503, True


class StaleLease(ClawBenchError):
    """Another holder now owns this, or the lease ran out; stop and write nothing."""

    code, status = "stale_lease", 409


class IllegalMove(ClawBenchError):
    """The run's state does not allow that."""

    code, status = "run_closed", 409


class SetupFailed(ClawBenchError):
    """The platform cannot start here."""


def restore(body: dict[str, Any]) -> ClawBenchError:
    """Make a stored error whole again, word for word, and say that it is a replay."""
    known = {kind.code: kind for kind in ClawBenchError.__subclasses__()}
    kind = known.get(str(body["code"]), Internal)
    error = kind.__new__(kind)
    error.args = (body["message"],)
    error.replayed = True
    return error
