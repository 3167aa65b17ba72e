"""What a task's tools are: a session per kind, one `handle_call` for every lane."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from backend.errors import (
    Busy,
    ClawBenchError,
    Internal,
    InvalidArgument,
    OutcomeUnknown,
    PathRefused,
    SandboxGone,
    TooLarge,
    Unavailable,
)
from providers import base


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a tool gives back: `data` alone is a structured answer; with `output` it is text, then a line."""

    data: Mapping[str, Any]
    output: str | None = None

    def dump(self) -> str:
        """The answer as the ledger keeps it."""
        return json.dumps({"data": self.data, "output": self.output}, ensure_ascii=False)

    @classmethod
    def parse(cls, text: str) -> Answer:
        kept = json.loads(text)
        return cls(data=kept["data"], output=kept["output"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a tool as it came in; `provenance` is what the client said of itself."""

    tool: str
    args: Mapping[str, Any]
    run_id: str = ""
    client_call_id: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)


class ToolSession(Protocol):
    """The tools of one running trial."""

    async def handle_call(self, name: str, args: Mapping[str, Any], *, call_id: str) -> Answer:
        """Do one call. `call_id` names the process it starts: the same id never starts a second one.

        Raises: ClawBenchError for what the contract names, SandboxError for what the sandbox says.
        """
        ...


def translate(error: base.SandboxError) -> ClawBenchError:
    """Say a sandbox's trouble in the contract's words."""
    match error:
        case base.SandboxBusy():
            return Busy()
        case base.PathDenied():
            return PathRefused()
        case base.PathMissing():
            return InvalidArgument("There is no such file or directory.")
        case base.RequestInvalid():
            return InvalidArgument("Commands and directories are text without NUL.")
        case base.TransferTooLarge():
            return TooLarge()
        case base.UnknownProcess():
            return InvalidArgument("There is no job of that id in this task.")
        case base.SandboxLost():
            return SandboxGone()
        case base.ProviderUnavailable() if error.dispatched == base.Dispatched.NO:
            return Unavailable()
        case _ if error.dispatched != base.Dispatched.NO:
            return OutcomeUnknown()
        case _:
            return Internal()
