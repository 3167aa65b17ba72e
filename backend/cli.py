"""The `clawbench` command: every module of `backend.commands` puts its own commands on it."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import typer

import backend.commands
from backend import logs
from backend.errors import ClawBenchError
from backend.setup.progress import console
from providers.base import SandboxError

commands = typer.Typer(
    name="clawbench",
    help="Agent benchmarks behind one MCP server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for _found in pkgutil.iter_modules(backend.commands.__path__):
    importlib.import_module(f"backend.commands.{_found.name}").register(commands)


def app() -> None:
    """Run the command line; an error of ours is one red line on standard error and exit status 1."""
    logs.configure()
    try:
        commands()
    except (ClawBenchError, SandboxError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    app()
