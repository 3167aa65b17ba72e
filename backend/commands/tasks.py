"""Commands about tasks."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from backend import offline
from backend.catalog.families import BY_ID
from backend.catalog.tasks import Task, catalog
from backend.platform import Platform
from backend.scoring import calibrate

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
out = Console()


def register(app: typer.Typer) -> None:
    """Put the commands on the app."""
    group = typer.Typer(help="Tasks of the four families.", no_args_is_help=True)
    group.command("list")(list_)
    group.command("check")(check)
    app.add_typer(group, name="tasks")


def list_(
    benchmark: Annotated[str, typer.Option(help=f"One of {', '.join(BY_ID)}.")] = "entry-test", as_json: AsJson = False
) -> None:
    """List a family's tasks with their digests."""
    found = catalog().of(benchmark)
    if as_json:
        fields = ("kind", "title", "digest", "runnable")
        print(json.dumps([{"task_id": task.id} | {name: getattr(task, name) for name in fields} for task in found]))
        return
    table = Table("task", "kind", "difficulty", "title", "digest", box=None)
    for task in found:
        table.add_row(task.id, task.kind, task.difficulty, task.title, task.digest[7:19])
    out.print(table if found else "No tasks of this family are installed.")


def check(benchmark: Annotated[str, typer.Argument()] = "entry-test", as_json: AsJson = False) -> None:
    """Prove every task: its reference passes, and doing nothing fails. 1 when one does not hold."""
    tasks = catalog().of(benchmark)

    async def work(here: Platform) -> list[calibrate.Calibration]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            line = bar.add_task("checking tasks", total=len(tasks))

            def done(task: Task) -> None:
                bar.update(line, advance=1, description=task.id)

            return await calibrate.check_all(here, tasks, done)

    found = offline.perform(work)
    good = all(result.holds for result in found)
    if as_json:
        print(json.dumps({"ok": good, "tasks": [result.public() for result in found]}))
    else:
        table = Table("task", "reference", "no-op", "", box=None)
        for result in found:
            table.add_row(result.task_id, f"{result.reference:g}", f"{result.noop:g}", "✓" if result.holds else "✕")
            if not result.holds:
                table.add_row("", result.detail)
        out.print(table if found else "No tasks of this family are installed, so nothing was proved.")
    raise typer.Exit(0 if good else 1)
