"""Commands that show runs."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlmodel import col, select

from backend import db, offline, runs, traces
from backend.errors import RunNotFound
from backend.models import Run
from backend.platform import Platform

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
out = Console()


def register(app: typer.Typer) -> None:
    """Put the commands on the app."""
    run = typer.Typer(help="Runs.", no_args_is_help=True)
    run.command("list")(list_)
    run.command("show")(show)
    app.add_typer(run, name="run")


def list_(
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=1000)] = 50, as_json: AsJson = False
) -> None:
    """List runs of every owner, newest first."""

    async def work(here: Platform) -> list[dict[str, Any]]:
        async with here.database.transaction() as tx:
            found = await db.rows(tx, _LIST, {"limit": limit})
        return [{**row._mapping, "created_at": row.created_at.isoformat()} for row in found]

    found = offline.perform(work)
    if as_json:
        print(json.dumps({"runs": found}))
        return
    table = Table("run", "owner", "agent", "benchmark", "state", "visibility", "score", "created", box=None)
    for row in found:
        score = "—" if row["score"] is None else f"{row['score']:.3f}"
        names = (row["run_id"], row["owner"], row["agent_name"], row["benchmark"], row["state"], row["visibility"])
        table.add_row(*names, score, row["created_at"][:16].replace("T", " "))
    out.print(table if found else "No runs yet. Connect an agent to make the first.")


_LIST = """
SELECT r.id AS run_id, o.name AS owner, a.name AS agent_name, r.benchmark, r.kind, r.state, r.visibility, r.score,
    r.created_at
FROM run r JOIN account o ON o.id = r.owner_id JOIN agent a ON a.id = r.agent_id ORDER BY r.number DESC LIMIT :limit
"""


def show(run_id: str, as_json: AsJson = False) -> None:
    """Show a run, its tasks and the end of its trace."""

    async def work(here: Platform) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        async with here.database.transaction() as tx:
            found = (await tx.exec(select(Run).where(col(Run.id) == run_id))).one_or_none()
            if found is None:
                raise RunNotFound()
            events, _ = await traces.page(tx, found, here.redactor, after=max(0, found.event_seq - 20))
            return await runs.view(tx, found), events

    shown, events = offline.perform(work)
    if as_json:
        print(json.dumps(shown | {"events": events}))
        return
    score = "—" if shown["score"] is None else f"{shown['score']:.3f}"
    cause = f" ({shown['cause']})" if shown["cause"] else ""
    out.print(f"{run_id}  {shown['agent_name']} on {shown['benchmark']}: {shown['state']}{cause}, score {score}")
    table = Table("task", "kind", "state", "score", "cause", box=None)
    for task in shown["tasks"]:
        points = "—" if task["score"] is None else f"{task['score']:.2f}"
        table.add_row(task["task_id"], task["kind"], task["state"], points, task["cause"] or "")
    out.print(table)
    for event in events:
        what = event.get("tool") or event.get("state") or event.get("to") or ""
        out.print(f"{event['seq']:>5} {event['at'][11:19]} {event['kind']:<13} {what}", markup=False)
