"""Who calls a tool, by the bearer token of this very request, and what the client says of itself."""

from __future__ import annotations

from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import Context

from backend.auth import Principal
from backend.errors import Unauthenticated


def principal(scope: str | None = None) -> Principal:
    """Give the caller. Raises Unauthenticated, InsufficientScope."""
    token = get_access_token()
    if token is None or token.subject is None:
        raise Unauthenticated()
    claims = token.claims or {}
    who = Principal(
        account_id=token.subject,
        name=str(claims["name"]),
        role=str(claims["role"]),
        token_id=token.client_id,
        scopes=frozenset(token.scopes),
    )
    if scope is not None:
        who.require(scope)
    return who


def provenance(context: Context[Any, Any]) -> dict[str, Any]:
    """What the client's request says of its origin; recorded, never believed."""
    meta = context.request_context.meta or {}
    said = {str(key): value for key, value in dict(meta).items() if key not in ("progressToken", "progress_token")}
    return {key: value for key, value in said.items() if isinstance(value, str | int | float | bool | dict)}
