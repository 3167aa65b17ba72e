"""The parts that one running process is made of, put together once and handed to whoever works."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from backend.artifacts import ArtifactStore, DirectoryStore
from backend.catalog.tasks import Catalog, catalog
from backend.db import Database
from backend.errors import Unavailable
from backend.redaction import Redactor
from backend.settings import Settings
from providers.base import Sandbox, SandboxProvider
from providers.docker.provider import DockerProvider
from providers.fake import FakeProvider

log = structlog.get_logger()
T = TypeVar("T")


class Owned:
    """Tasks that belong to the process, not to a request: a client that goes away cancels none of them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run the work; its failure is logged even when nobody waits for it."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def names(self) -> set[str]:
        """What runs just now."""
        return {task.get_name() for task in self._tasks}

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("owned.failed", task=task.get_name(), error=repr(error))

    async def drain(self, within_s: float) -> None:
        """Let what runs end for a while, then cancel the rest."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=within_s)
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One process's parts. `instance` names the process in leases and in the call ledger."""

    settings: Settings
    database: Database
    catalog: Catalog
    provider: SandboxProvider
    artifacts: ArtifactStore
    redactor: Redactor
    # Open connections by trial, a cache only: what is not in it is found by its row.
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    # Ledger rows (scope, client_call_id) that this process works on just now.
    doing: set[tuple[str, str]] = field(default_factory=set)
    # Set when the process is about to end: calls that wait for output answer with what there is.
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    owned: Owned = field(default_factory=Owned)
    instance: str = field(default_factory=lambda: f"backend:{secrets.token_hex(8)}")


def provider(settings: Settings) -> SandboxProvider:
    """The sandbox provider that the settings name."""
    if settings.provider == "fake":
        return FakeProvider(settings.data / "fake-sandboxes")
    return DockerProvider(settings.runtime)


def assemble(settings: Settings, database_url: str) -> Platform:
    """Put a process's parts together. Nothing connects before it is used."""
    return Platform(
        settings=settings,
        database=Database(database_url),
        catalog=catalog(),
        provider=provider(settings),
        artifacts=DirectoryStore(settings.data / "artifacts"),
        redactor=Redactor(settings.known_secrets, settings.secret_key),
    )


_running: list[Platform] = []
_loops: dict[str, asyncio.AbstractEventLoop] = {}


def current() -> Platform:
    """The platform that this process runs. Raises Unavailable before the start and after the end."""
    if not _running:
        raise Unavailable()
    return _running[-1]


@contextmanager
def running(platform: Platform) -> Iterator[Platform]:
    """Make this the process's platform inside the block."""
    _running.append(platform)
    _loops[platform.instance] = asyncio.get_running_loop()
    try:
        yield platform
    finally:
        _running.remove(platform)
        del _loops[platform.instance]


def stop_soon() -> None:
    """Tell what runs in this process that it is about to end. Safe to call from a signal handler."""
    for platform in _running:
        _loops[platform.instance].call_soon_threadsafe(platform.stopping.set)
