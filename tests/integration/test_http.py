"""The HTTP surface: health, catalog, board, runs and traces, and one form of error."""

from __future__ import annotations

import httpx
import pytest

from backend import auth, db
from tests.conftest import Served
from tests.integration.doing import ANSWER, TERMINAL, begin, ended


async def get(served: Served, path: str, token: str = "", **more: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=served.url, headers=headers, cookies=more.pop("cookies", None)) as http:  # pyright: ignore[reportArgumentType]
        return await http.get(path, **more)  # pyright: ignore[reportArgumentType]


@pytest.mark.proves("http.health")
async def test_health_is_good_only_while_every_part_takes_work(served: Served) -> None:
    good = await get(served, "/api/health")
    assert (good.status_code, good.json()["status"]) == (200, "ok")
    here, real = served.platform, served.platform.database
    object.__setattr__(here, "database", db.Database("postgresql+asyncpg://nobody@127.0.0.1:1/none"))
    try:
        bad = await get(served, "/api/health")
    finally:
        object.__setattr__(here, "database", real)
    assert bad.status_code == 503
    assert bad.json()["database"] is False


@pytest.mark.proves("http.catalog")
async def test_the_catalog_is_the_four_families_and_boards_are_empty_at_first(served: Served) -> None:
    listed = (await get(served, "/api/benchmarks")).json()["benchmarks"]
    assert [family["id"] for family in listed] == ["terminal-bench", "swe-bench-verified", "entry-test", "web-tasks"]
    for family in listed:
        board = await get(served, f"/api/leaderboard/{family['id']}")
        assert (board.status_code, board.json()["rows"], board.json()["updated_at"]) == (200, [], None)
    unknown = await get(served, "/api/leaderboard/humaneval")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_benchmark")


@pytest.mark.proves("http.privacy")
async def test_a_run_and_its_trace_are_the_owners_until_published(served: Served) -> None:
    token, stranger = await served.token("alice"), await served.token("bob")
    async with served.agent() as agent:
        run_id = await begin(agent, ANSWER)
        await agent.act("finish_run", run_id=run_id)
        await ended(agent, run_id)
    paths = (f"/api/runs/{run_id}", f"/api/runs/{run_id}/trace")
    absent = await get(served, "/api/runs/run_unknown_0000", token)
    for path in paths:
        assert (await get(served, path, token)).status_code == 200
        for answer in (await get(served, path), await get(served, path, stranger)):
            assert (answer.status_code, answer.content) == (404, absent.content)
    async with served.platform.database.transaction() as tx:
        await db.run(tx, "UPDATE run SET visibility = 'published' WHERE id = :id", {"id": run_id})
    for path in paths:
        assert (await get(served, path)).status_code == 200
    rows = (await get(served, "/api/leaderboard/entry-test")).json()["rows"]
    assert [(row["rank"], row["agent_name"], row["score"]) for row in rows] == [(1, "Tester_agent", 0.0)]


@pytest.mark.parametrize(
    "path", ["/api/runs/x/trace", "/api/runs/run_%00abc", "/api/none", "/api", "/api/runs/run_unknown_0000"]
)
@pytest.mark.proves("http.privacy")
async def test_whatever_is_not_there_is_the_same_404(served: Served, path: str) -> None:
    answer = await get(served, path, await served.token())
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "message", "retryable"}


@pytest.mark.proves("http.errors")
async def test_a_bad_or_foreign_credential_is_refused_and_a_worker_may_not_read(served: Served) -> None:
    for token in ("clb_nonsense", auth.mint(), "x" * 5000):
        answer = await get(served, "/api/runs/run_unknown_0000", token)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
    worker = await served.token(scopes="worker")
    assert (await get(served, "/api/runs/run_unknown_0000", worker)).status_code == 403


@pytest.mark.proves("http.trace")
async def test_the_trace_is_paged_by_cursor_and_its_limit_is_clamped(served: Served) -> None:
    token = await served.token()
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        for number in range(5):
            await agent.act("terminal_exec", run_id=run_id, command=f"echo {number}")
    whole = (await get(served, f"/api/runs/{run_id}/trace?cursor=&limit=99999", token)).json()
    assert whole["next_cursor"] is None
    assert [event["seq"] for event in whole["events"]] == list(range(1, len(whole["events"]) + 1))
    paged, cursor = [], ""
    while cursor is not None:
        page = (await get(served, f"/api/runs/{run_id}/trace?cursor={cursor}&limit=3", token)).json()
        assert len(page["events"]) <= 3
        paged, cursor = paged + page["events"], page["next_cursor"]
    assert paged == whole["events"]
    call = next(event for event in paged if event.get("tool") == "terminal_exec")
    assert call["args"]["command"] == "echo 0"
    assert (call["outcome"], call["output"]) == ("ok", "0\n")
    assert call["duration_ms"] >= 0


@pytest.mark.proves("redaction.known")
async def test_known_secrets_never_leave_in_a_trace(served: Served) -> None:
    token, secret = await served.token(), served.settings.secret_key
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        await agent.act("terminal_exec", run_id=run_id, command=f"echo {token} {secret}; echo {secret} | rev")
        await agent.act(
            "terminal_exec", run_id=run_id, command=f"printf %s {secret} | base64 -w0; printf %s {token} | xxd"
        )
    text = (await get(served, f"/api/runs/{run_id}/trace", token)).text
    assert token not in text
    assert secret not in text
    assert secret[::-1] not in text
    assert "[redacted:clawbench-token:" in text
    assert "[redacted:secret-key:" in text


@pytest.mark.proves("http.errors")
async def test_mcp_refuses_foreign_hosts_and_origins_and_asks_for_a_token(served: Served) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with httpx.AsyncClient(base_url=served.url) as http:
        bare = await http.post("/mcp", json=body)
        assert bare.status_code == 401
        assert "resource_metadata" in bare.headers["www-authenticate"]
        signed = {"authorization": f"Bearer {await served.token()}", "accept": "application/json, text/event-stream"}
        assert (await http.post("/mcp", json=body, headers=signed | {"host": "evil.example"})).status_code == 421
        assert (
            await http.post("/mcp", json=body, headers=signed | {"origin": "http://evil.example"})
        ).status_code == 403
        local = signed | {"host": f"localhost:{served.settings.port}"}
        assert (await http.post("/mcp", json=body, headers=local)).status_code == 200
        large = await http.post("/mcp", content=b"x" * (5 * 1024 * 1024), headers=signed)
        assert large.status_code == 413


@pytest.mark.proves("http.session")
async def test_a_one_time_link_signs_one_browser_in_by_a_click_of_our_own_page(served: Served) -> None:
    from datetime import timedelta

    async with served.agent() as agent:
        run_id = await begin(agent, ANSWER)
    async with served.platform.database.transaction() as tx:
        owner = await auth.account(tx, "alice")
        link = await auth.issue(tx, owner, frozenset({"read"}), ttl=timedelta(hours=1), kind="link")
    async with httpx.AsyncClient(base_url=served.url) as http:
        page = await http.get("/auth/link", params={"code": link.value, "next": "//evil.example"})
        assert 'value="/"' in page.text
        form, own = {"token": link.value, "next": f"/runs/{run_id}"}, {"origin": served.url}
        assert (
            await http.post("/auth/signin", data=form, headers={"origin": "http://evil.example"})
        ).status_code == 422
        entered = await http.post("/auth/signin", data=form, headers=own)
        assert (entered.status_code, entered.headers["location"]) == (303, f"/runs/{run_id}")
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert "SameSite=lax" in entered.headers["set-cookie"]
        assert (await http.get(f"/api/runs/{run_id}")).status_code == 200
        again = await http.post("/auth/signin", data=form, headers=own)
        assert again.headers["location"] == "/signin?refused=1"
        await http.post("/auth/signout", headers=own)
        assert (await http.get(f"/api/runs/{run_id}")).status_code == 404


@pytest.mark.proves("http.docs")
async def test_the_api_describes_itself(served: Served) -> None:
    assert (await get(served, "/api/docs")).status_code == 200
    paths = (await get(served, "/api/openapi.json")).json()["paths"]
    assert {"401", "404", "422", "503"} <= set(paths["/api/runs/{run_id}"]["get"]["responses"])
    async with httpx.AsyncClient(base_url=served.url) as http:
        wrong = await http.post("/api/benchmarks")
        assert (wrong.status_code, wrong.headers["allow"], set(wrong.json())) == (
            405,
            "GET",
            {"code", "message", "retryable"},
        )
        assert "https://" not in (await http.get("/api/docs")).text
    assert {"/api/health", "/api/benchmarks", "/api/leaderboard/{benchmark}"} <= set(paths)
    assert {"/api/runs/{run_id}", "/api/runs/{run_id}/trace"} <= set(paths)
