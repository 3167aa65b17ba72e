"""Commands about people and their tokens."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console

from backend import auth, offline
from backend.auth import IssuedToken
from backend.errors import InvalidArgument
from backend.models import Account
from backend.platform import Platform

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
out = Console()


def register(app: typer.Typer) -> None:
    """Put the commands on the app."""
    user = typer.Typer(help="People.", no_args_is_help=True)
    user.command("add")(add)
    app.add_typer(user, name="user")
    token = typer.Typer(help="Tokens, by which agents and scripts sign in.", no_args_is_help=True)
    token.command("create")(create)
    token.command("link")(link)
    app.add_typer(token, name="token")


def add(
    name: str,
    role: Annotated[
        str | None, typer.Option(help="participant, reviewer, ops or admin; changes an existing one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a person, or change their role."""

    async def work(here: Platform) -> Account:
        async with here.database.transaction() as tx:
            return await auth.account(tx, name, role=role)

    made = offline.perform(work)
    if as_json:
        print(json.dumps({"user": made.name, "role": made.role, "id": made.id}))
    else:
        out.print(f"{made.name} is {made.role}", markup=False)


def create(
    user: Annotated[str, typer.Option(help="Whose token; the user is made if absent.")],
    scopes: Annotated[str, typer.Option(help="read,run for an agent; worker for a worker.")] = "read,run",
    days: Annotated[int, typer.Option(help="Days until it ends.", min=1, max=365)] = 90,
    as_json: AsJson = False,
) -> None:
    """Make a token. It is shown once."""
    wanted = frozenset(part.strip() for part in scopes.split(",") if part.strip())
    if not wanted:
        raise InvalidArgument(f"Give at least one scope of {', '.join(auth.SCOPES)}.")
    made = _issue(user, wanted, timedelta(days=days), "api")
    if as_json:
        print(json.dumps({"token": made.value, "token_id": made.id, "expires_at": made.expires_at.isoformat()}))
    else:
        out.print(made.value, markup=False, soft_wrap=True)
        Console(stderr=True).print(f"{made.id}, until {made.expires_at:%Y-%m-%d}; it is not shown again", markup=False)


def link(
    user: Annotated[str, typer.Option(help="Who is to be signed in; made if absent.")],
    next: Annotated[str, typer.Option(help="The page to open after that.")] = "/runs",
) -> None:
    """Make an address that signs one browser in, once, within an hour."""
    from backend import settings

    made = _issue(user, frozenset({"read"}), timedelta(hours=1), "link")
    out.print(f"{settings.load().public_url}/auth/link?code={made.value}&next={next}", markup=False, soft_wrap=True)


def _issue(user: str, scopes: frozenset[str], ttl: timedelta, kind: str) -> IssuedToken:
    async def work(here: Platform) -> IssuedToken:
        async with here.database.transaction() as tx:
            return await auth.issue(tx, await auth.account(tx, user), scopes, ttl=ttl, kind=kind)

    return offline.perform(work)
