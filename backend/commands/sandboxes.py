"""Commands about sandboxes."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from backend import offline, sandboxes
from backend.platform import Platform

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
out = Console()


def register(app: typer.Typer) -> None:
    """Put the commands on the app."""
    group = typer.Typer(help="Sandboxes of this deployment.", no_args_is_help=True)
    group.command("list")(list_)
    group.command("gc")(gc)
    app.add_typer(group, name="sandboxes")


def list_(as_json: AsJson = False) -> None:
    """List every sandbox that the provider has of ours, in whatever state."""

    async def work(here: Platform) -> list[dict[str, str]]:
        return [
            {"sandbox": info.key, "run_id": info.run_id, "state": info.state, "created_at": info.created_at}
            async for info in here.provider.list(deployment=here.settings.deployment)
        ]

    _show(offline.perform(work), "sandboxes", as_json, "No sandbox of this deployment exists.")


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove sandboxes of this deployment that no open trial needs."""

    async def work(here: Platform) -> list[dict[str, str]]:
        return await sandboxes.collect_garbage(here, dry_run=dry_run)

    name = "would_remove" if dry_run else "removed"
    _show(offline.perform(work), name, as_json, "Nothing to remove.")


def _show(found: list[dict[str, Any]], name: str, as_json: bool, empty: str) -> None:
    if as_json:
        print(json.dumps({name: found}))
    elif not found:
        out.print(empty)
    else:
        table = Table(*found[0], box=None, title=name.replace("_", " "), title_justify="left")
        for row in found:
            table.add_row(*row.values())
        out.print(table)
