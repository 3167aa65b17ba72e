"""The API and the life of a serving process: parts are put together at its start and taken apart at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.applications import Starlette

from backend import __version__, leases, notices, platform, tick
from backend.api import pages, problems, public, runs, session
from backend.errors import SetupFailed, Unavailable
from backend.settings import Settings
from backend.worker import Worker

log = structlog.get_logger()
_DRAIN_S = 6


class Serving:
    """What a serving process has under way, for its health."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.clock: tick.Clock | None = None
        self.mcp = False

    async def health(self) -> dict[str, bool]:
        """Which parts take work just now."""
        worker = self.worker is not None and self.worker.takes_work()
        ticking = self.clock is not None and self.clock.alive()
        try:
            database = await platform.current().database.answers()
        except Exception as error:
            # Health answers whatever happens; the trouble is in the log and in the answer.
            log.warning("health.failed", error=repr(error))
            database = False
        return {"database": database, "mcp": self.mcp, "worker": worker and ticking}


def create(settings: Settings) -> FastAPI:
    """Make the API. Nothing connects and nothing runs before `life` is entered."""
    # Its documentation page brings its scripts along; no reader's browser asks anyone else for them.
    app = FastAPIOffline(
        static_url="/api/docs/static",
        title="ClawBench",
        version=__version__,
        docs_url="/api/docs",
        redoc_url=None,
        openapi_url="/api/openapi.json",
        summary="Agent benchmarks behind one MCP server.",
        responses=problems.DECLARED,
    )
    app.state.serving = Serving()
    app.state.health = app.state.serving.health
    app.state.settings = settings
    problems.register(app)
    app.add_middleware(pages.Pages)
    for router in (public.router, runs.router, session.router):
        app.include_router(router)
    # Last, so that whatever is not there under /api is said in the same words, and not by a page.
    app.add_api_route("/api", problems.absent, methods=problems.METHODS, include_in_schema=False)
    app.add_api_route("/api/{rest:path}", problems.absent, methods=problems.METHODS, include_in_schema=False)
    return app


@asynccontextmanager
async def life(settings: Settings, mcp_app: Starlette, api: FastAPI) -> AsyncIterator[None]:
    """Run the process's parts: pool, MCP, worker and tick; at the end let go of them in the reverse order."""
    if settings.database_url is None:
        raise SetupFailed("The server was started without a database; start it with `clawbench up`.")
    serving: Serving = api.state.serving
    here = platform.assemble(settings, settings.database_url)
    with platform.running(here):
        async with here.database.transaction() as tx:
            own = await leases.take(tx, here.instance, here.instance, tick.ALIVE_S)
        assert own is not None, "a new instance name is nobody else's"
        serving.worker = Worker(here)
        working = asyncio.create_task(serving.worker.run(), name="worker")
        serving.clock = tick.Clock(here)
        ticking = asyncio.create_task(serving.clock.run(), name="tick")
        wake = serving.worker.wake
        listening = asyncio.create_task(notices.listen(settings.database_url, {"job_queued": lambda _: wake()}))
        try:
            async with mcp_app.router.lifespan_context(mcp_app):
                serving.mcp = True
                yield
        finally:
            serving.mcp = False
            here.stopping.set()
            serving.worker.stop()
            listening.cancel()
            await asyncio.wait([working], timeout=_DRAIN_S)
            working.cancel()
            await here.owned.drain(2)
            # The heart beats on until the last call is stored.
            ticking.cancel()
            await asyncio.gather(working, ticking, listening, return_exceptions=True)
            await here.provider.aclose()
            # Without the database the lease just runs out.
            with suppress(Unavailable):
                async with here.database.transaction() as tx:
                    await leases.release(tx, own)
            await here.database.close()
