"""The command that runs the canary against a platform that is up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from backend import postgres, settings

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def register(app: typer.Typer) -> None:
    """Put the command on the app."""
    app.command("canary")(run)


def run(as_json: AsJson = False) -> None:
    """Do the main job as a participant's agent would, and say the score; 0 only for a full one."""
    from backend import canary

    chosen = settings.load()
    with postgres.database(chosen) as url:
        result = canary.run(replace(chosen, database_url=url))
    if as_json:
        print(json.dumps({"score": result.score, "run_id": result.run_id, "url": result.url}))
    else:
        out = Console(soft_wrap=True)
        out.print(f"canary score {result.score:g}  {result.url}", markup=False)
        out.print(f"sign this browser in to see it: {result.link}", markup=False)
    raise typer.Exit(0 if result.score == 1.0 else 1)
