"""A run's page: it fills while the agent works, for its owner alone, and shows hostile output as what it is: text."""

from __future__ import annotations

import asyncio
import json
import shlex
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from backend import canary, db, events
from backend.agent import Agent
from backend.settings import Settings
from tests.conftest import free_port
from tests.ui.conftest import Site, Tab, finished, opened, ready, start

_SOON = 2_000


async def _begin(agent: Agent, **more: object) -> str:
    """A run that works on the canary's terminal task."""
    task = canary.chosen()[1]
    created = await agent.act(
        "create_run", benchmark="entry-test", agent_name="Tester_agent", task_ids=[task.id], **more
    )
    await agent.act("start_task", run_id=created["run_id"], task_id=task.id)
    return created["run_id"]


async def _open_last(page: Page, tool: str) -> None:
    row = page.locator(".event", has_text=tool).last
    await row.click()
    await expect(row).to_have_attribute("aria-expanded", "true")


@pytest.mark.proves("pages.live")
async def test_a_live_run_fills_its_page_while_the_agent_works(site: Site, tab: Tab) -> None:
    await tab.sign_in("frank")
    async with site.agent("frank") as agent:
        run_id = await _begin(agent)
        await tab.open(f"/runs/{run_id}")
        await expect(tab.page.get_by_text("live", exact=True)).to_be_visible()
        await tab.page.evaluate("() => { window.sameDocument = true }")
        for n in range(5):
            await agent.act("terminal_exec", run_id=run_id, command=f"echo step-{n}")
            await expect(tab.page.locator(".event", has_text=f"echo step-{n}")).to_be_visible(timeout=_SOON)
        await _open_last(tab.page, "echo step-4")
        await expect(tab.page.get_by_role("region", name="Output")).to_have_text("step-4\n")
        await agent.act("finish_run", run_id=run_id)
        await finished(agent, run_id)
    await expect(tab.page.get_by_text("complete", exact=True)).to_be_visible()
    await expect(tab.page.locator(".badges")).to_contain_text("finished")
    await expect(tab.page.locator(".figure")).to_have_text("0.0")
    await expect(tab.page.locator(".checks li").first).to_contain_text("failed")
    assert await tab.page.evaluate("() => window.sameDocument")
    async with httpx.AsyncClient() as http:
        bearer = {"authorization": f"Bearer {await site.token('frank')}"}
        trace = (await http.get(f"{site.url}/api/runs/{run_id}/trace", headers=bearer)).json()
    await expect(tab.page.locator(".event")).to_have_count(len(trace["events"]))


@pytest.mark.proves("pages.live")
async def test_a_reader_who_scrolled_away_is_not_moved(site: Site, tab: Tab) -> None:
    await tab.sign_in("frank")
    async with site.agent("frank") as agent:
        run_id = await _begin(agent)
        for n in range(30):
            await agent.act("terminal_exec", run_id=run_id, command=f"echo line-{n}")
        await tab.open(f"/runs/{run_id}")
        await expect(tab.page.locator(".event", has_text="line-29")).to_be_attached()
        await agent.act("terminal_exec", run_id=run_id, command="echo unseen")
        await expect(tab.page.get_by_role("button", name="new ↓")).to_be_visible(timeout=_SOON)
        assert await tab.page.evaluate("() => window.scrollY") == 0
        await tab.page.get_by_role("button", name="new ↓").click()
        await expect(tab.page.locator(".event", has_text="echo unseen")).to_be_in_viewport()
        await agent.act("terminal_exec", run_id=run_id, command="echo followed")
        await expect(tab.page.locator(".event", has_text="echo followed")).to_be_in_viewport(timeout=_SOON)
        await agent.act("cancel_run", run_id=run_id)
    await expect(tab.page.get_by_text("complete", exact=True)).to_be_visible()


@pytest.mark.proves("pages.privacy")
async def test_a_run_is_shown_to_its_owner_and_is_unknown_to_everyone_else(site: Site, browser: Browser) -> None:
    async with site.agent("grace") as agent:
        run_id = await _begin(agent)
        await agent.act("cancel_run", run_id=run_id)
    async with opened(browser, site) as owner:
        await owner.sign_in("grace")
        await owner.open(f"/runs/{run_id}")
        await expect(owner.page.get_by_role("heading", name="Tester_agent")).to_be_visible()
    for person in ("heidi", None):
        async with opened(browser, site) as stranger:
            if person is not None:
                await stranger.sign_in(person)
            await stranger.open(f"/runs/{run_id}", missing=True)
            seen = await stranger.page.locator("main").inner_html()
            await stranger.open("/runs/run_nothing_of_that_name", missing=True)
            await expect(stranger.page.get_by_role("heading", name="Not found")).to_be_visible()
            assert await stranger.page.locator("main").inner_html() == seen
            assert run_id not in await stranger.page.content()


@pytest.mark.proves("pages.privacy")
async def test_a_signed_out_session_stops_a_page_that_is_open(site: Site, tab: Tab) -> None:
    await tab.sign_in("ivan")
    async with site.agent("ivan") as agent:
        run_id = await _begin(agent)
        await tab.open(f"/runs/{run_id}")
        await expect(tab.page.locator(".event").first).to_be_visible()
        async with site.database() as database, database.transaction() as tx:
            await db.run(tx, "UPDATE token SET revoked_at = now() WHERE kind = 'session'")
        await expect(tab.page.get_by_role("heading", name="Not found")).to_be_visible(timeout=_SOON)
        await expect(tab.page.locator(".event")).to_have_count(0)
        await agent.act("cancel_run", run_id=run_id)


HOSTILE = (
    "<img src=x onerror=alert(1)><script>window.owned=1</script>[a](javascript:alert(2)) https://evil.example/\n"
    "\x1b[31mred\x1b[0m \x1b[8mhidden\x1b[0m \x1b]8;;https://evil.example\x07linked\x1b]8;;\x07 \x1b[2J\x1b[H\n"
    "loading 10%\rloading 99%\rdone        \n"
    "safe\u202egnp.exe\u202c zero\u200bwidth \x07bell \x7f\n"
)


@pytest.mark.proves("pages.inert")
async def test_hostile_output_is_inert_and_none_of_it_hides(site: Site, tab: Tab) -> None:
    await tab.sign_in("judy")
    async with site.agent("judy") as agent:
        run_id = await _begin(agent, metadata={"note": "<b>bold</b>\u202e"})
        python = f"python3 -c {shlex.quote(f'import sys; sys.stdout.write({json.dumps(HOSTILE)})')}"
        await agent.act("terminal_exec", run_id=run_id, command=python)
        await agent.act("terminal_exec", run_id=run_id, command=f": '<b>{HOSTILE}</b>'")
        await agent.act("cancel_run", run_id=run_id)
    await tab.open(f"/runs/{run_id}")
    await tab.page.locator(".event", has_text="python3 -c").click()
    output = tab.page.get_by_role("region", name="Output")
    await expect(output).to_contain_text("<img src=x onerror=alert(1)><script>window.owned=1</script>")
    shown = await output.inner_text()
    assert "red hidden linked" in shown and "\x1b" not in shown
    assert "loading" not in shown and "done" in shown
    assert "safe⟨U+202E⟩gnp.exe⟨U+202C⟩ zero⟨U+200B⟩width ␇bell ␡" in shown
    await expect(output.locator(".t-1")).to_have_text("red")
    exact = tab.page.locator("details pre")
    await tab.page.get_by_text("Every character").click()
    await expect(exact).to_contain_text("loading 10%␍loading 99%␍done")
    await expect(exact).to_contain_text("␛]8;;https://evil.example␇linked")
    main = tab.page.locator("main")
    assert await main.locator("img, script, b, iframe, svg").count() == 0
    assert await main.locator("a[href*=evil], a[href^=javascript]").count() == 0
    assert await tab.page.evaluate("() => window.owned") is None
    whole = await main.inner_text()
    assert not set(whole) & set("\u202e\u202c\u200b\x1b\x07")


@pytest.mark.proves("redaction.known")
async def test_secrets_are_redacted_in_the_page_and_on_its_way(site: Site, tab: Tab) -> None:
    secret, token = site.settings.secret_key, await site.token("kim")
    sent: list[str] = []
    tab.page.on("websocket", lambda socket: socket.on("framereceived", lambda data: sent.append(str(data))))
    await tab.sign_in("kim")
    async with site.agent("kim") as agent:
        run_id = await _begin(agent, metadata={"note": secret})
        await agent.act("terminal_exec", run_id=run_id, command=f"echo {secret}; echo {token}")
        await agent.act("cancel_run", run_id=run_id)
    await tab.open(f"/runs/{run_id}")
    await _open_last(tab.page, "terminal_exec")
    await expect(tab.page.get_by_role("region", name="Output")).to_contain_text("[redacted:secret-key:")
    await expect(tab.page.get_by_role("region", name="Output")).to_contain_text("[redacted:clawbench-token:")
    whole = await tab.page.content() + "".join(sent)
    assert secret not in whole and token not in whole
    assert "[redacted:secret-key:" in "".join(sent)


@pytest.fixture
async def long_run(site: Site) -> str:
    """A closed run of 650 events."""
    async with site.agent("lena") as agent:
        run_id = await _begin(agent)
        await agent.act("cancel_run", run_id=run_id)
    async with site.database() as database:
        while True:
            async with database.transaction() as tx:
                body = {"tool": "terminal_exec", "args": {"command": "true"}, "outcome": "ok"}
                for _ in range(100):
                    if await events.append(tx, run_id, "tool.call", body) == 650:
                        return run_id


@pytest.mark.proves("pages.live")
async def test_a_long_trace_comes_in_pages_and_the_tab_stays_small(long_run: str, tab: Tab) -> None:
    await tab.sign_in("lena")
    await tab.open(f"/runs/{long_run}")
    rows = tab.page.locator(".event")
    await expect(rows).to_have_count(200)
    for expected in (400, 400):
        more = tab.page.get_by_text("more events")
        before = await more.inner_text()
        await tab.page.get_by_role("button", name="Load more").click()
        await expect(more).not_to_have_text(before)
        await expect(rows).to_have_count(expected)
    await tab.page.get_by_role("button", name="Go to the end").click()
    await expect(tab.page.get_by_role("button", name="Load more")).to_have_count(0)
    await expect(rows).to_have_count(200)
    await tab.page.get_by_role("button", name="Load earlier").click()
    await expect(rows).to_have_count(400)
    await rows.first.click()
    await expect(tab.page.locator(".detail")).to_contain_text("251 · tool.call")


@pytest.mark.proves("pages.live")
async def test_a_page_goes_on_after_the_server_was_restarted(
    site: Site, site_settings: Settings, browser: Browser, tmp_path: Path
) -> None:
    port = free_port()
    own = replace(site_settings, port=port, public_url=f"http://127.0.0.1:{port}")
    log = tmp_path / "restarted.log"
    second = Site(settings=own, url=own.public_url)
    page = await (await browser.new_context()).new_page()
    tab = Tab(page=page, site=second)
    process = start(own, log)
    try:
        await asyncio.to_thread(ready, own, process, log)
        await tab.sign_in("nina")
        async with site.agent("nina") as agent:
            run_id = await _begin(agent)
            await tab.open(f"/runs/{run_id}")
            await agent.act("terminal_exec", run_id=run_id, command="echo before")
            await expect(page.locator(".event", has_text="echo before")).to_be_visible()
            process.terminate()
            await asyncio.to_thread(process.wait, 20)
            await expect(page.get_by_text("Connection lost")).to_be_visible()
            await agent.act("terminal_exec", run_id=run_id, command="echo meanwhile")
            process = start(own, log)
            await expect(page.locator(".event", has_text="echo meanwhile")).to_be_visible(timeout=30_000)
            await expect(page.get_by_text("Connection lost")).to_have_count(0)
            await agent.act("terminal_exec", run_id=run_id, command="echo after")
            await expect(page.locator(".event", has_text="echo after")).to_be_visible(timeout=_SOON)
            await agent.act("cancel_run", run_id=run_id)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)
