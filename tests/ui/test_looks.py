"""Screenshots of every page in both themes, wide and narrow, for eyes; and what can be checked without them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from backend import canary
from tests.ui.conftest import Site, Tab, opened

_PAGES = {"home": "/", "benchmarks": "/benchmarks", "board": "/benchmarks/entry-test", "signin": "/signin"}


@pytest.fixture(scope="session")
def done() -> dict[str, str]:
    """The canary's run, made by the first test that wants it."""
    return {}


async def _canary(site: Site, done: dict[str, str]) -> str:
    if "run" not in done:
        async with site.agent("mia") as agent:
            done["run"] = (await canary.work(agent, canary.chosen()))[0]
    return done["run"]


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.proves("pages.look")
async def test_pages_fit_and_follow_the_theme(
    site: Site, browser: Browser, shots: Path, done: dict[str, str], dark: bool, width: int
) -> None:
    run_id = await _canary(site, done)
    async with opened(browser, site, dark=dark, width=width) as tab:
        for name, path in _PAGES.items():
            await tab.open(path)
            await expect(tab.page.locator(".reading")).to_have_count(0)
            await _look(tab, shots / f"{name}-{'dark' if dark else 'light'}-{width}.png", dark=dark)
        await tab.sign_in("mia")
        await expect(tab.page.get_by_role("table")).to_be_visible()
        await _look(tab, shots / f"runs-{'dark' if dark else 'light'}-{width}.png", dark=dark)
        await tab.open(f"/runs/{run_id}")
        await tab.page.locator(".event", has_text="terminal_exec").click()
        await expect(tab.page.locator(".detail")).to_be_visible()
        await _look(tab, shots / f"run-{'dark' if dark else 'light'}-{width}.png", dark=dark)
        await tab.open("/nothing", missing=True)
        await _look(tab, shots / f"missing-{'dark' if dark else 'light'}-{width}.png", dark=dark)


async def _look(tab: Tab, path: Path, *, dark: bool) -> None:
    await tab.page.screenshot(path=path, full_page=True)
    assert await tab.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    paper = await tab.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(18, 20, 22)" if dark else "rgb(251, 251, 249)")


@pytest.mark.proves("pages.look")
async def test_the_reader_can_choose_the_other_theme(tab: Tab) -> None:
    await tab.open("/")
    await tab.page.get_by_role("button", name="Light / dark").click()
    await expect(tab.page.locator("html")).to_have_class("dark")
    await tab.open("/benchmarks")
    await expect(tab.page.locator("html")).to_have_class("dark")
