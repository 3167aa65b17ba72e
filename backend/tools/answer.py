"""Answer tasks: one tool, and the last answer before `finish_task` counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend import db
from backend.errors import InvalidArgument, TaskNotActive
from backend.platform import Platform
from backend.tools.session import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerToolSession:
    """The one tool of an answer task."""

    platform: Platform
    trial_id: str
    task_id: str

    async def handle_call(self, name: str, args: Mapping[str, Any], *, call_id: str) -> Answer:
        if name != "submit_answer":
            raise InvalidArgument(f"There is no answer tool {name}.")
        text = args["answer"].replace("\x00", "\u2400")
        async with self.platform.database.transaction() as tx:
            kept = await db.run(
                tx,
                "UPDATE trial SET answer = :answer WHERE id = :id AND state = 'running'",
                {"answer": text, "id": self.trial_id},
            )
        if not kept:
            raise TaskNotActive("It ended before the answer could be kept.")
        return Answer(data={"task_id": self.task_id, "accepted": True})
