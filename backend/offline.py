"""One piece of work on the platform's parts from the command line, whether the platform is up or not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from backend import logs, platform, postgres, settings
from backend.platform import Platform

T = TypeVar("T")


def perform(work: Callable[[Platform], Awaitable[T]]) -> T:
    """Join or start the database, bring it to the newest schema, do the work, and let go of everything again."""
    chosen = settings.load()
    logs.configure(chosen)
    with postgres.database(chosen) as url:
        postgres.migrate(url)
        return asyncio.run(_inside(platform.assemble(chosen, url), work))


async def _inside(here: Platform, work: Callable[[Platform], Awaitable[T]]) -> T:
    try:
        return await work(here)
    finally:
        await here.provider.aclose()
        await here.database.close()
