"""The arguments that tools share: their bounds, and what an agent is told of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

RunId = Annotated[str, Field(description="The run, as create_run named it.")]
CallId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="Your own id for this one action. New action: new id. Retry of the same action: the same id.",
    ),
]
Benchmark = Annotated[str, Field(description="A benchmark's id, as list_benchmarks gives it.")]
Cursor = Annotated[str | None, Field(description="next_cursor of the page before.")]

Wait = Annotated[int, Field(ge=0, le=40, description="Seconds to wait for the end before answering `running`.")]
JobId = Annotated[str, Field(description="A command's job, as terminal_exec named it.")]
Path = Annotated[str, Field(description="Relative to the working directory, or absolute inside it.")]
Offset = Annotated[int, Field(ge=0, le=2**53, description="Byte to begin at.")]
Limit = Annotated[int, Field(ge=1, le=8192, description="Most bytes to give.")]


class Reported(BaseModel):
    """What the agent says of its own model and cost; shown as reported, never as observed."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(max_length=200)] | None = None
    tokens: Annotated[int, Field(ge=0, le=2**53)] | None = None
    cost_usd: Annotated[float, Field(ge=0, le=1e9)] | None = None
