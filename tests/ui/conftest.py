"""A real server with its pages, one a session, a real Chromium, and people who sign in to it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backend import auth, settings
from backend.agent import Agent, connect
from backend.db import Database
from backend.settings import ROOT, Settings
from backend.setup import frontend
from tests.conftest import TEMPLATE, free_port

SHOTS = Path(__file__).parent / "shots"
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "site" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


async def _database(template_url: str, statement: str) -> None:
    admin = create_async_engine(template_url.replace(f"/{TEMPLATE}?", "/postgres?"), isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(statement))
    await admin.dispose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The platform as people reach it."""

    settings: Settings
    url: str

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        assert self.settings.database_url is not None
        opened = Database(self.settings.database_url)
        yield opened
        await opened.close()

    async def token(self, user: str, *, kind: str = "api", scopes: str = "read run") -> str:
        """A new credential of this person's."""
        async with self.database() as database, database.transaction() as tx:
            owner = await auth.account(tx, user)
            issued = await auth.issue(tx, owner, frozenset(scopes.split()), ttl=timedelta(hours=1), kind=kind)
            return issued.value

    @asynccontextmanager
    async def agent(self, user: str) -> AsyncIterator[Agent]:
        """A connected MCP client of this person's."""
        async with connect(f"{self.url}/mcp", await self.token(user)) as agent:
            yield agent


@pytest.fixture(scope="session")
def site_settings(template_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    name = f"ui_{secrets.token_hex(6)}"
    asyncio.run(_database(template_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    chosen = settings.load(
        {
            "CLAWBENCH_DATA": str(tmp_path_factory.mktemp("site")),
            "CLAWBENCH_PORT": str(free_port()),
            "CLAWBENCH_DATABASE_URL": template_url.replace(f"/{TEMPLATE}?", f"/{name}?"),
            "CLAWBENCH_SECRET_KEY": secrets.token_urlsafe(48),
            "CLAWBENCH_PROVIDER": "fake",
        }
    )
    yield chosen
    asyncio.run(_database(template_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def site(site_settings: Settings) -> Iterator[Site]:
    """The server with the built front end, as `clawbench up` starts it."""
    frontend.ensure(site_settings)
    log = site_settings.data / "site.log"
    process = start(site_settings, log)
    try:
        ready(site_settings, process, log)
        yield Site(settings=site_settings, url=f"http://127.0.0.1:{site_settings.port}")
    finally:
        process.terminate()
        process.wait(20)


def start(chosen: Settings, log: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "CLAWBENCH_DATA": str(chosen.data),
        "CLAWBENCH_PORT": str(chosen.port),
        "CLAWBENCH_DATABASE_URL": str(chosen.database_url),
        "CLAWBENCH_SECRET_KEY": chosen.secret_key,
        "CLAWBENCH_PROVIDER": chosen.provider,
    }
    with log.open("ab") as out:
        command = [sys.executable, "-m", "clawbench_ui.serve", "--end-with-parent"]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)


def ready(chosen: Settings, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{chosen.port}/api/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"The server is not ready: {log.read_text()[-3000:]}")


@dataclass
class Tab:
    """A tab of a browser, and everything that was not clean about it."""

    page: Page
    site: Site
    trouble: list[str] = field(default_factory=list)
    bytes: int = 0

    async def open(self, path: str, *, missing: bool = False) -> None:
        """Open a page of ours and wait until it has its content; `missing` says that a 404 is meant."""
        answer = await self.page.goto(f"{self.site.url}{path}")
        assert answer is not None
        assert answer.status == (404 if missing else 200)
        await self.page.locator("main h1").wait_for()

    async def sign_in(self, user: str) -> None:
        """Sign in the way a person does: with a token, on the form."""
        await self.open("/signin")
        await self.page.get_by_label("Token").fill(await self.site.token(user))
        await self.page.get_by_role("main").get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url("**/runs")
        await self.page.get_by_role("heading", name="Your runs").wait_for()

    def clean(self) -> None:
        """Nothing may be said in the console and nothing may fail on the network."""
        assert self.trouble == []


def _watch(page: Page, tab: Tab) -> None:
    def said(message: ConsoleMessage) -> None:
        # The browser reports the status of a page that is meant to be missing.
        meant = "404 (Not Found)" in message.text and message.location["url"] == page.url
        if message.type in ("error", "warning") and not meant:
            tab.trouble.append(f"{message.type} at {page.url}: {message.text} {message.location}")

    page.on("console", said)
    page.on("pageerror", lambda error: tab.trouble.append(f"error: {error}"))
    page.on("requestfailed", lambda request: tab.trouble.append(f"failed: {request.url} {request.failure}"))
    page.on(
        "response",
        lambda answer: (
            tab.trouble.append(f"{answer.status} {answer.url}")
            if answer.status >= 400 and answer.request.resource_type != "document"
            else None
        ),
    )


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path is not None, "Chromium is missing: `clawbench setup --tests` installs it."
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield started
        await started.close()


@asynccontextmanager
async def opened(browser: Browser, site: Site, *, dark: bool = False, width: int = 1440) -> AsyncIterator[Tab]:
    """A browser of its own (its cookies and all) with one tab; it must have been clean in the end."""
    scheme = "dark" if dark else "light"
    context: BrowserContext = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = await context.new_page()
    page.set_default_timeout(15_000)
    tab = Tab(page=page, site=site)
    _watch(page, tab)
    try:
        yield tab
    except BaseException as error:
        error.add_note(f"The tab was at {page.url}, its trouble: {tab.trouble}")
        raise
    finally:
        await context.close()
    tab.clean()


@pytest.fixture
async def tab(browser: Browser, site: Site) -> AsyncIterator[Tab]:
    async with opened(browser, site) as made:
        yield made


async def finished(agent: Agent, run_id: str) -> None:
    """Wait until the run has its score."""
    async with asyncio.timeout(60):
        while (await agent.call("get_run", run_id=run_id))["state"] != "finished":
            await asyncio.sleep(0.1)


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where screenshots go; git ignores it."""
    SHOTS.mkdir(exist_ok=True)
    (SHOTS / ".gitignore").write_text("*\n")
    return SHOTS
