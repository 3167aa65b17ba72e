"""Signing in to the pages with a one-time link or an API token: an HttpOnly cookie, set by a form of our own origin."""

from __future__ import annotations

import html
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from backend import auth, platform
from backend.api.access import COOKIE
from backend.errors import InvalidArgument, TooLarge, Unauthenticated

router = APIRouter(prefix="/auth", tags=["session"], include_in_schema=False)
_FORM_BYTES = 4096
_CONFIRM = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in · ClawBench</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/theme.css"></head>
<body class="plain"><main class="card"><h1>Sign in to ClawBench</h1>
<p>This link signs this browser in once. Did you make it just now?</p>
<form method="post" action="/auth/signin"><input type="hidden" name="token" value="{token}">
<input type="hidden" name="next" value="{next}"><button class="button primary" type="submit">Sign in</button></form>
</main></body></html>"""


async def own_form(request: Request) -> dict[str, str]:
    """Read a small form, and no further. Raises TooLarge, InvalidArgument unless a page of our own sent it (CSRF)."""
    origin = request.headers.get("origin")
    if origin not in platform.current().settings.origins:
        raise InvalidArgument("This form must be sent from ClawBench's own pages.")
    body = b""
    async for part in request.stream():
        body += part
        # What is not read is not held: whoever sends more is answered, and the connection ends.
        if len(body) > _FORM_BYTES:
            raise TooLarge(f"A form can have at most {_FORM_BYTES} bytes.")
    return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


Form = Annotated[dict[str, str], Depends(own_form)]


@router.get("/link")
async def link(code: str = "", next: str = "/") -> HTMLResponse:
    """Ask before a one-time link is used: nothing is signed in without a click."""
    page = _CONFIRM.format(token=html.escape(code), next=html.escape(_inner(next)))
    return HTMLResponse(page, headers={"cache-control": "no-store"})


@router.post("/signin")
async def signin(form: Form) -> Response:
    """Set the session cookie and go on to `next`; back to the form with a reason when the credential is not good."""
    here = platform.current()
    try:
        async with here.database.transaction() as tx:
            session = await auth.sign_in(tx, form.get("token", "").strip())
    except Unauthenticated:
        return RedirectResponse("/signin?refused=1", status_code=303)
    response = RedirectResponse(_inner(form.get("next", "/runs")), status_code=303)
    response.set_cookie(
        COOKIE,
        session.value,
        max_age=12 * 3600,
        httponly=True,
        samesite="lax",
        secure=here.settings.public_url.startswith("https://"),
    )
    return response


@router.post("/signout")
async def signout(request: Request, form: Form) -> Response:
    """End the session, here and in the database."""
    async with platform.current().database.transaction() as tx:
        await auth.revoke(tx, request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(COOKIE)
    return response


def _inner(target: str) -> str:
    """A path of our own, whatever was asked for (no open redirect)."""
    try:
        elsewhere = urlsplit(target).netloc
    except ValueError:
        return "/"
    # Browsers read a backslash as a slash, and skip tabs and line ends.
    plain = target.isprintable() and "\\" not in target
    return target if plain and not elsewhere and target.startswith("/") and not target.startswith("//") else "/"
