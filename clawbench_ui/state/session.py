"""Who looks at a page: asked of the database each time, from the cookie that no script can read."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

import reflex as rx

from backend import auth, db, platform
from backend.api.access import COOKIE
from backend.auth import Principal
from backend.errors import Unauthenticated, Unavailable


async def reader(tx: db.Tx, cookies: str) -> Principal | None:
    """Give who holds the session in these cookies, None for the public."""
    try:
        held = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return None
    if held is None:
        return None
    try:
        found = await auth.who(tx, held.value, kinds=("session",))
    except Unauthenticated:
        return None
    return found if "read" in found.scopes else None


class Session(rx.State):
    """What every page knows: whose session it is, and whether the platform answers."""

    name: rx.Field[str] = rx.field("")
    address: rx.Field[str] = rx.field("")
    refused: rx.Field[bool] = rx.field(False)
    failed: rx.Field[bool] = rx.field(False)
    _credential: str = ""

    @rx.event
    def fail(self) -> None:
        """Say that something went wrong on our side."""
        self.failed = True

    @rx.event
    async def load(self) -> None:
        """Learn who looks; what another person's session left in this tab is forgotten first."""
        try:
            here = platform.current()
            async with here.database.transaction() as tx:
                found = await reader(tx, self.router.headers.cookie)
        except Unavailable:
            return
        if self._credential != (found.token_id if found else ""):
            self.reset()
        self._credential = found.token_id if found else ""
        self.failed = False
        self.name = found.name if found else ""
        self.address = f"{here.settings.public_url}/mcp"
        self.refused = "refused" in self.router.url.query_parameters
