"""A small scripted MCP client of ours, over real Streamable HTTP: the canary and the tests drive the platform by it."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import CallToolResult, TextContent


class ToolRefused(Exception):
    """A tool answered with an error; `code` is the contract's."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(f"{body['code']}: {body['message']}")
        self.code: str = body["code"]
        self.body = body


class Agent:
    """A connected client that calls tools by name and gives their answers as plain data."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def raw(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool and give the result as it came."""
        return await self.client.call_tool(tool, arguments)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; a structured answer as it is, output as its facts with the text under `output`.

        Raises: ToolRefused.
        """
        result = await self.raw(tool, **arguments)
        texts = [block.text for block in result.content if isinstance(block, TextContent)]
        if result.is_error:
            raise ToolRefused(json.loads(texts[0]))
        if result.structured_content is not None:
            return result.structured_content
        return {**json.loads(texts[1]), "output": texts[0]}

    async def act(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call an acting tool with a new client_call_id."""
        return await self.call(tool, client_call_id=f"c-{secrets.token_hex(6)}", **arguments)


@asynccontextmanager
async def connect(url: str, token: str, *, mode: str = "auto") -> AsyncIterator[Agent]:
    """Connect to an MCP address with a bearer token."""
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        # What goes wrong in the block is raised after the client's task groups have ended, and so not wrapped by them.
        failure: Exception | None = None
        try:
            yield Agent(client)
        except Exception as error:
            failure = error
    if failure is not None:
        raise failure
