"""How tools answer: structured, or output as text with a line of facts; and whether the answer is a stored one."""

from __future__ import annotations

import json
from typing import Any

from mcp_types import CallToolResult, TextContent

from backend import calls
from backend.tools.session import Answer


def structured(data: Any, *, replayed: bool = False) -> CallToolResult:
    """A structured answer, with the same JSON as text for clients that show only text."""
    return CallToolResult(
        content=[TextContent(type="text", text=json.dumps(data, ensure_ascii=False))],
        structured_content=dict(data),
        _meta={"replayed": True} if replayed else None,
    )


def textual(answer: Answer, *, replayed: bool = False) -> CallToolResult:
    """Output first, then its facts as one line of JSON; no structured content, which would hide the output."""
    line = json.dumps(answer.data, ensure_ascii=False)
    return CallToolResult(
        content=[TextContent(type="text", text=answer.output or ""), TextContent(type="text", text=line)],
        _meta={"replayed": True} if replayed else None,
    )


def of(reply: calls.Reply) -> CallToolResult:
    """A reply of the ledger as a tool's result."""
    if reply.answer.output is None:
        return structured(reply.answer.data, replayed=reply.replayed)
    return textual(reply.answer, replayed=reply.replayed)
