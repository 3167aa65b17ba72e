"""Who asks over HTTP, as a type: a route that takes a `Reader` may be read by that person, one without is public."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from backend import auth, platform
from backend.auth import Principal
from backend.errors import Unauthenticated

COOKIE = "clb_session"


async def reader(request: Request) -> Principal | None:
    """Give who asks, by bearer token or by session cookie; None for the public.

    Raises: Unauthenticated for a credential that is not good, InsufficientScope for one that may not read.
    """
    header = request.headers.get("authorization", "")
    value, kinds = header[7:].strip(), ("api",)
    if not header:
        value, kinds = request.cookies.get(COOKIE, ""), ("session",)
    elif not header.lower().startswith("bearer "):
        raise Unauthenticated()
    if not value:
        return None
    async with platform.current().database.transaction() as tx:
        try:
            principal = await auth.who(tx, value, kinds=kinds)
        except Unauthenticated:
            # A browser whose session has ended is a reader of the public pages, not an error.
            if not header:
                return None
            raise
    principal.require("read")
    return principal


Reader = Annotated[Principal | None, Depends(reader)]
