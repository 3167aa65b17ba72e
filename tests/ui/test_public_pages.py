"""What anyone sees: the four families, their boards, and nothing that is not published."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.async_api import Browser, expect

from backend import canary, db
from backend.agent import Agent
from backend.catalog.families import FAMILIES
from tests.ui.conftest import Site, Tab, finished, opened

_HEAVIEST_KB = 220


async def _run(agent: Agent, name: str) -> str:
    """A finished run under a name of its own, without a canary's mark."""
    task = canary.chosen()[0]
    created = await agent.act("create_run", benchmark="entry-test", agent_name=name, task_ids=[task.id])
    run_id = created["run_id"]
    await agent.act("start_task", run_id=run_id, task_id=task.id)
    answer = (task.directory / "solution" / "answer.txt").read_text().strip()
    await agent.act("submit_answer", run_id=run_id, answer=answer)
    await agent.act("finish_run", run_id=run_id)
    await finished(agent, run_id)
    return run_id


@pytest.mark.proves("pages.look")
async def test_the_front_page_lists_the_four_families_and_one_command(tab: Tab) -> None:
    await tab.open("/")
    table = tab.page.get_by_role("table", name="Benchmarks")
    for family in FAMILIES:
        await expect(table.get_by_role("rowheader", name=family.title)).to_be_visible()
    await expect(table.get_by_role("row")).to_have_count(len(FAMILIES) + 1)
    await expect(tab.page.get_by_role("region", name="Connect Claude Code")).to_contain_text(f"{tab.site.url}/mcp")


@pytest.mark.proves("pages.look")
async def test_an_empty_board_says_so_and_how_to_fill_it(tab: Tab) -> None:
    await tab.open("/benchmarks/swe-bench-verified")
    await expect(tab.page.get_by_text("No published runs yet. Connect an agent to make the first.")).to_be_visible()
    await expect(tab.page.get_by_text("likely known to models")).to_be_visible()
    await expect(tab.page).to_have_title("SWE-Bench Verified · ClawBench")


@pytest.mark.proves("http.catalog", "pages.look")
async def test_a_board_shows_published_runs_and_leads_to_their_traces(site: Site, browser: Browser) -> None:
    async with site.agent("bella") as agent:
        shown, hidden = await _run(agent, "north-star"), await _run(agent, "south-star")
    async with site.database() as database, database.transaction() as tx:
        await db.run(tx, "UPDATE run SET visibility = 'published' WHERE id = :id", {"id": shown})
    async with opened(browser, site) as tab:
        await tab.open("/benchmarks/entry-test")
        board = tab.page.get_by_role("table", name="Leaderboard")
        await expect(board.get_by_role("row")).to_have_count(2)
        await expect(board).not_to_contain_text("south-star")
        await board.get_by_role("link", name="Look").click()
        await expect(tab.page.get_by_role("heading", name="north-star")).to_be_visible()
        await expect(tab.page.locator(".event").first).to_be_visible()
    async with opened(browser, site) as tab:
        await tab.open(f"/runs/{hidden}", missing=True)
        await expect(tab.page.get_by_role("heading", name="Not found")).to_be_visible()


@pytest.mark.parametrize("path", ["/nothing", "/benchmarks/other-bench", "/runs/run_does_not_exist", "/runs/x"])
@pytest.mark.proves("pages.privacy")
async def test_an_unknown_address_is_a_404_with_our_own_page(tab: Tab, path: str) -> None:
    await tab.open(path, missing=True)
    await expect(tab.page.get_by_role("heading", name="Not found")).to_be_visible()
    await expect(tab.page.get_by_role("navigation", name="Main")).to_be_visible()


@pytest.mark.parametrize(
    "path", ["/", "/benchmarks", "/benchmarks/entry-test", "/runs", "/signin", "/runs/run_unknown"]
)
@pytest.mark.proves("pages.inert")
async def test_every_page_carries_a_strict_policy(site: Site, path: str) -> None:
    async with httpx.AsyncClient(base_url=site.url) as http:
        answer = await http.get(path)
    rules = [rule.partition(" ") for rule in answer.headers["content-security-policy"].split("; ")]
    policy = {name: sources for name, _, sources in rules}
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy["script-src"] + policy["style-src"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.proves("pages.inert")
async def test_the_policy_stops_a_script_that_got_into_a_page(browser: Browser, site: Site) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{site.url}/")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await page.evaluate(
        "() => { const made = document.createElement('script');"
        " made.textContent = 'window.owned = 1'; document.body.append(made); }"
    )
    assert await page.evaluate("() => window.owned") is None
    assert any("Content Security Policy" in text for text in said)
    await context.close()


@pytest.mark.proves("pages.look")
async def test_the_first_load_of_a_board_is_light(tab: Tab) -> None:
    session = await tab.page.context.new_cdp_session(tab.page)
    received: list[int] = []
    await session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    await tab.open("/benchmarks/entry-test")
    await expect(tab.page.get_by_role("table", name="Tasks")).to_be_visible()
    print(f"first load of the board: {sum(received) / 1024:.0f} KiB in {len(received)} answers")
    assert sum(received) < _HEAVIEST_KB * 1024


@pytest.mark.proves("pages.look")
async def test_titles_and_the_current_page_are_told(tab: Tab) -> None:
    for path, title in (("/", "ClawBench"), ("/benchmarks", "Benchmarks · ClawBench"), ("/runs", "Runs · ClawBench")):
        await tab.open(path)
        await expect(tab.page).to_have_title(title)
    current = tab.page.get_by_role("navigation", name="Main").locator("[aria-current=page]")
    await expect(current).to_have_text("Runs")
    await tab.page.get_by_role("link", name="Terminal Bench").click()
    await expect(tab.page).to_have_url(re.compile("/benchmarks/terminal-bench$"))
    await expect(current).to_have_text("Terminal Bench")


@pytest.mark.proves("pages.look")
async def test_the_keyboard_reaches_the_content_first(tab: Tab) -> None:
    await tab.open("/benchmarks/entry-test")
    await tab.page.keyboard.press("Tab")
    skip = tab.page.get_by_role("link", name="Skip to content")
    await expect(skip).to_be_focused()
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("main")).to_be_focused()
