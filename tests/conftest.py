"""Real Postgres for every test that asks for it: one server a session, one database a test, made by our migrations."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.types import ASGIApp, Receive, Scope, Send

import backend.app
from backend import auth, platform, postgres, settings
from backend.agent import Agent, connect
from backend.auth import Principal
from backend.platform import Platform
from backend.settings import Settings
from clawbench_mcp import server as mcp_server

TEMPLATE = "clawbench"


@pytest.fixture(scope="session")
def postgres_settings() -> Iterator[Settings]:
    # Not below pytest's own directory: a second pytest run closes that to the server's user.
    with tempfile.TemporaryDirectory(prefix="clawbench-postgres-") as place:
        yield settings.load({"CLAWBENCH_DATA": place})


@pytest.fixture(scope="session")
def template_url(postgres_settings: Settings) -> Iterator[str]:
    """A migrated database that others are copied from."""
    with postgres.database(postgres_settings) as url:
        postgres.migrate(url)
        asyncio.run(_hasten(url))
        yield url


async def _hasten(url: str) -> None:
    """No test outlives its server, so nothing need reach the disk: databases are made and dropped in milliseconds."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            await connection.execute(text(f"ALTER SYSTEM SET {name} = off"))
        await connection.execute(text("SELECT pg_reload_conf()"))
    await engine.dispose()


@pytest.fixture
async def database_url(template_url: str) -> AsyncIterator[str]:
    """A database of this test's own."""
    name = f"t_{secrets.token_hex(6)}"
    admin = create_async_engine(template_url.replace(f"/{TEMPLATE}?", "/postgres?"), isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    yield template_url.replace(f"/{TEMPLATE}?", f"/{name}?")
    async with admin.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await admin.dispose()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def chosen_settings(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Settings of a platform of this test's own, on the fake provider unless the test is marked `docker`."""
    return settings.load(
        {
            "CLAWBENCH_DATA": str(tmp_path / "data"),
            "CLAWBENCH_PORT": str(free_port()),
            "CLAWBENCH_DATABASE_URL": database_url,
            "CLAWBENCH_SECRET_KEY": secrets.token_urlsafe(48),
            "CLAWBENCH_PROVIDER": "docker" if request.node.get_closest_marker("docker") else "fake",
        }
    )


@pytest.fixture
async def here(chosen_settings: Settings) -> AsyncIterator[Platform]:
    """The platform's parts without a server."""
    assert chosen_settings.database_url is not None
    made = platform.assemble(chosen_settings, chosen_settings.database_url)
    with platform.running(made):
        yield made
    await made.owned.drain(1)
    await made.provider.aclose()
    await made.database.close()
    await sweep(chosen_settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A platform that serves over HTTP."""

    settings: Settings
    url: str

    @property
    def platform(self) -> Platform:
        return platform.current()

    async def token(
        self, user: str = "alice", scopes: str = "read run", *, role: str | None = None, days: float = 1
    ) -> str:
        """A new token of this person's."""
        async with self.platform.database.transaction() as tx:
            owner = await auth.account(tx, user, role=role)
            return (await auth.issue(tx, owner, frozenset(scopes.split()), ttl=timedelta(days=days))).value

    @asynccontextmanager
    async def agent(self, user: str = "alice", *, mode: str = "auto") -> AsyncIterator[Agent]:
        """A connected client of this person's."""
        async with connect(f"{self.url}/mcp", await self.token(user), mode=mode) as agent:
            yield agent


@asynccontextmanager
async def serve(chosen: Settings) -> AsyncIterator[Served]:
    """Serve API and MCP on their port, as `clawbench up` does but for the pages."""
    api, mcp_app = backend.app.create(chosen), mcp_server.create(chosen)
    paths = {getattr(route, "path", None) for route in mcp_app.routes}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        target: ASGIApp = mcp_app if scope["type"] == "http" and scope["path"] in paths else api
        await target(scope, receive, send)

    config = uvicorn.Config(app, port=chosen.port, lifespan="off", log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)

    async def live() -> None:
        # One task enters and leaves the platform's life, as its task groups insist; fixtures do not keep to that.
        async with backend.app.life(chosen, mcp_app, api):
            await server.serve()

    serving = asyncio.create_task(live())
    async with asyncio.timeout(15):
        while not server.started:
            if serving.done():
                await serving
            await asyncio.sleep(0.01)
    try:
        yield Served(settings=chosen, url=f"http://127.0.0.1:{chosen.port}")
    finally:
        server.should_exit = True
        await serving
        await sweep(chosen)


async def sweep(chosen: Settings) -> None:
    """Remove what the test's platform left to its leases."""
    left = platform.provider(chosen)
    async for info in left.list(deployment=chosen.deployment):
        await left.destroy(info.key)
    await left.aclose()
    shutil.rmtree(chosen.runtime, ignore_errors=True)


@pytest.fixture
async def served(chosen_settings: Settings) -> AsyncIterator[Served]:
    async with serve(chosen_settings) as running:
        yield running


@pytest.fixture
async def alice(here: Platform) -> Principal:
    """A participant with a token that may do everything an agent may."""
    async with here.database.transaction() as tx:
        owner = await auth.account(tx, "alice")
        token = await auth.issue(tx, owner, frozenset({"read", "run"}), ttl=timedelta(days=1))
        return await auth.who(tx, token.value)
