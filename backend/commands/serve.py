"""Commands that set up, start, check and stop the platform."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer
from rich.console import Console

from backend import settings as environment
from backend import setup, supervisor
from backend.settings import Settings
from backend.setup import doctor as machine
from backend.setup.progress import console

Port = Annotated[
    int | None, typer.Option(help="Port to serve on (default: CLAWBENCH_PORT, or 3910).", min=1, max=65535)
]
Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every interface.", envvar="CLAWBENCH_HOST")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]

_LOOPBACK = "127.0.0.1"
_DRAIN_S, _DEMO_DRAIN_S = 10, 4


def register(app: typer.Typer) -> None:
    """Put the commands on the app."""
    for command in (setup_, up, down, demo, doctor):
        app.command(command.__name__.rstrip("_"))(command)


def setup_(tests: Annotated[bool, typer.Option(help="Also what the test suite needs.")] = False) -> None:
    """Make this machine ready: container engine, base image, front end. What is done is skipped."""
    try:
        with supervisor.stoppable():
            setup.ensure(environment.load(), tests=tests)
    except supervisor.Stopped:
        raise typer.Exit(130) from None


def up(port: Port = None, host: Host = _LOOPBACK) -> None:
    """Start the platform and serve until stopped by SIGTERM or Ctrl-C."""
    settings = _settings(port)
    try:
        with (
            supervisor.alone(settings),
            supervisor.stoppable(),
            supervisor.platform(settings, host=host, drain_s=_DRAIN_S) as running,
        ):
            print(settings.public_url, flush=True)
            supervisor.watch(running)
    except supervisor.Stopped:
        console.print("stopped")


def down(as_json: AsJson = False) -> None:
    """Stop the platform and destroy every sandbox and process of this deployment; the data stays."""
    did = supervisor.down(environment.load())
    if as_json:
        print(json.dumps({"did": did}))
    else:
        print("\n".join(did) or "nothing was running")


def demo(
    oneshot: Annotated[bool, typer.Option(help="Stop after the canary; 0 only for a full score.")] = False,
    port: Port = None,
    host: Host = _LOOPBACK,
) -> None:
    """Set everything up, start, run the canary, keep serving; at the end destroy everything of it."""
    settings = _settings(port)
    code = 0
    with supervisor.alone(settings), supervisor.stoppable():
        try:
            code = _demonstrate(settings, oneshot=oneshot, host=host)
        except supervisor.Stopped:
            code = 130 if oneshot else 0
        finally:
            supervisor.hold()
            for line in supervisor.destroy(settings):
                console.print(line, markup=False)
    raise typer.Exit(code)


def _demonstrate(settings: Settings, *, oneshot: bool, host: str) -> int:
    from backend import canary

    setup.ensure(settings)
    with supervisor.platform(settings, host=host, drain_s=_DEMO_DRAIN_S) as running:
        result = canary.run(running.settings)
        out = Console(soft_wrap=True)
        out.print(f"canary score {result.score:g}  {result.url}", markup=False)
        if oneshot:
            return 0 if result.score == 1.0 else 1
        out.print(f"sign a browser in to see it: {result.link}", markup=False)
        console.print(f"serving at {settings.public_url} until Ctrl-C", markup=False)
        supervisor.watch(running)
    return 0


def doctor(as_json: AsJson = False) -> None:
    """Say what is there, what is missing, and how to get it; 1 when something that is needed is missing."""
    checks = machine.checks(environment.load())
    good = all(check.ok or check.name in machine.OPTIONAL for check in checks)
    if as_json:
        print(json.dumps({"ok": good, "checks": [machine.as_dict(check) for check in checks]}, indent=2))
    else:
        machine.show(checks)
    raise typer.Exit(0 if good else 1)


def _settings(port: int | None) -> Settings:
    if port is not None:
        os.environ["CLAWBENCH_PORT"] = str(port)
    return environment.load()
