"""A browser signs in by a token or a one-time link, and leaves nothing behind."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from backend import canary
from tests.ui.conftest import Site, Tab, opened


@pytest.mark.proves("http.session")
async def test_the_list_of_runs_says_how_to_sign_in(tab: Tab) -> None:
    await tab.open("/runs")
    await expect(tab.page.get_by_text("clawbench token link --user NAME")).to_be_visible()
    await tab.page.get_by_role("link", name="paste a token").click()
    await expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.proves("http.session")
async def test_a_bad_token_is_refused_with_a_reason(tab: Tab) -> None:
    await tab.open("/signin")
    await tab.page.get_by_label("Token").fill("clb_no")
    await tab.page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await expect(tab.page.get_by_role("alert")).to_contain_text("was not accepted")


@pytest.mark.proves("http.session")
async def test_a_link_signs_in_once_after_a_click(site: Site, browser: Browser) -> None:
    code = await site.token("dora", kind="link", scopes="read")
    async with opened(browser, site) as tab:
        await tab.page.goto(f"{site.url}/auth/link?code={code}&next=/runs")
        await tab.page.get_by_role("button", name="Sign in").click()
        await expect(tab.page.get_by_role("heading", name="Your runs")).to_be_visible()
        await expect(tab.page.get_by_text("dora")).to_be_visible()
    async with opened(browser, site) as other:
        await other.page.goto(f"{site.url}/auth/link?code={code}&next=/runs")
        await other.page.get_by_role("button", name="Sign in").click()
        await expect(other.page.get_by_role("alert")).to_be_visible()


@pytest.mark.proves("http.session")
async def test_signing_out_takes_the_runs_with_it(site: Site, tab: Tab) -> None:
    async with site.agent("erin") as agent:
        task = canary.chosen()[0]
        created = await agent.act("create_run", benchmark="entry-test", agent_name="Tester_agent", task_ids=[task.id])
        run_id = created["run_id"]
        await agent.act("cancel_run", run_id=run_id)
    await tab.sign_in("erin")
    await tab.page.get_by_role("link", name="Tester_agent").click()
    await expect(tab.page.get_by_text(run_id)).to_be_visible()
    cookies = await tab.page.context.cookies()
    assert [cookie.get("httpOnly") for cookie in cookies if cookie.get("name") == "clb_session"] == [True]
    await tab.page.get_by_role("button", name="Sign out").click()
    await expect(tab.page.get_by_role("link", name="Sign in")).to_be_visible()
    await tab.page.get_by_role("link", name="Runs", exact=True).click()
    await expect(tab.page.get_by_text("To see yours")).to_be_visible()
    await tab.open(f"/runs/{run_id}", missing=True)
    await expect(tab.page.get_by_role("heading", name="Not found")).to_be_visible()
