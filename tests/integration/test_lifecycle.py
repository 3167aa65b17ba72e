"""The run's state machine, its leases and its clock, on real Postgres."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backend import db, events, leases, runs, tick, trials
from backend.auth import Principal
from backend.canary import chosen
from backend.errors import IllegalMove, StaleLease
from backend.models import Agent, Run
from backend.platform import Platform
from backend.words import ARROWS, RUN_STATES
from tests.conftest import Served
from tests.integration.doing import ANSWER, TERMINAL, begin, ended, refused


async def made(here: Platform, who: Principal) -> str:
    async with here.database.transaction() as tx:
        await db.run(
            tx, "INSERT INTO agent (id, name, fold) VALUES ('agt_t', 'Tester_agent', 't') ON CONFLICT DO NOTHING"
        )
        agent = Agent(id="agt_t", name="Tester_agent", fold="t")
        plan = runs.Plan(benchmark="entry-test", agent=agent, tasks=chosen(), declared={}, idle_s=1800, wall_s=3600)
        return (await runs.create(tx, who, plan)).id


@pytest.mark.proves("data.arrows")
async def test_an_arrow_is_taken_only_from_where_it_begins(here: Platform, alice: Principal) -> None:
    for letter, (source, target) in ARROWS.items():
        for state in RUN_STATES if letter != "A" else ():
            run_id = await made(here, alice)
            async with here.database.transaction() as tx:
                await db.run(tx, "UPDATE run SET state = :state WHERE id = :id", {"state": state, "id": run_id})
            if state != source:
                with pytest.raises(IllegalMove):
                    async with here.database.transaction() as tx:
                        await runs.move(tx, run_id, letter)
                continue
            async with here.database.transaction() as tx:
                await runs.move(tx, run_id, letter)
                found = await tx.get(Run, run_id, populate_existing=True)
                assert found is not None
                assert found.state == target
                assert await events.verify(tx, run_id) is None


@pytest.mark.proves("data.arrows")
async def test_no_arrow_leaves_an_end() -> None:
    ends = {"finished", "failed", "expired", "cancelled"}
    assert not [letter for letter, (source, _) in ARROWS.items() if source in ends]


@pytest.mark.proves("data.leases")
async def test_one_of_many_takes_a_free_lease_and_its_fence_never_falls(here: Platform) -> None:
    async def take(holder: str) -> leases.Held | None:
        async with here.database.transaction() as tx:
            return await leases.take(tx, "job:1", holder, 60)

    won = [lease for lease in await asyncio.gather(*(take(f"w{n}") for n in range(12))) if lease]
    assert len(won) == 1
    first = won[0]
    again = await take(first.holder)
    assert again is not None
    assert again.fence == first.fence
    async with here.database.transaction() as tx:
        await leases.release(tx, first)
    second = await take("other")
    assert second is not None
    assert second.fence == first.fence + 1
    for late in (leases.guard, leases.renew):
        with pytest.raises(StaleLease):
            async with here.database.transaction() as tx:
                await (late(tx, first) if late is leases.guard else late(tx, first, 60))  # pyright: ignore[reportCallIssue]
    async with here.database.transaction() as tx:
        await leases.guard(tx, second)


@pytest.mark.proves("data.leases")
async def test_a_holder_that_loses_its_lease_is_stopped(here: Platform) -> None:
    async with here.database.transaction() as tx:
        lease = await leases.take(tx, "job:2", "me", 1)
    assert lease is not None
    reached = False
    with pytest.raises(StaleLease):
        async with leases.held(here.database, lease, 1):
            async with here.database.transaction() as tx:
                await db.run(tx, "UPDATE lease SET holder = 'thief', fence = fence + 1 WHERE subject = 'job:2'")
            await asyncio.wait_for(asyncio.Event().wait(), 20)
            reached = True
    assert not reached


@pytest.mark.proves("data.leases")
async def test_a_job_is_claimed_by_one_worker_and_again_when_that_one_is_gone(here: Platform, alice: Principal) -> None:
    run_id = await made(here, alice)
    async with here.database.transaction() as tx:
        await db.run(
            tx, "INSERT INTO job (kind, run_id, state, attempts) VALUES ('cleanup', :r, 'queued', 0)", {"r": run_id}
        )

    async def claim(holder: str) -> Any:
        async with here.database.transaction() as tx:
            return await leases.claim_job(tx, holder, 60)

    claims = await asyncio.gather(*(claim(f"w{n}") for n in range(8)))
    assert sum(claimed is not None for claimed in claims) == 1
    assert await claim("late") is None
    async with here.database.transaction() as tx:
        await db.run(tx, "UPDATE lease SET until = now() - interval '1 second' WHERE subject LIKE 'job:%'")
    again = await claim("late")
    assert again is not None
    assert again[1].fence == 2


@pytest.mark.proves("time.limits")
async def test_a_task_whose_time_is_over_is_scored_as_it_stands(served: Served) -> None:
    task = chosen()[0]
    right = (task.directory / "solution" / "answer.txt").read_text().strip()
    async with served.agent() as agent:
        run_id = await begin(agent, ANSWER)
        await agent.act("submit_answer", run_id=run_id, answer=right)
        async with served.platform.database.transaction() as tx:
            await db.run(tx, "UPDATE trial SET deadline = now() WHERE run_id = :id", {"id": run_id})
        await tick.tick(served.platform)
        await refused("task_not_active", agent.act("submit_answer", run_id=run_id, answer="late"))
        await agent.act("finish_run", run_id=run_id)
        run = await ended(agent, run_id)
    assert (run["state"], run["score"]) == ("finished", 1.0)
    assert (run["tasks"][0]["state"], run["tasks"][0]["cause"]) == ("scored", "budget_exhausted")


@pytest.mark.proves("time.limits")
async def test_a_run_whose_time_is_over_finishes_with_what_it_has(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        async with served.platform.database.transaction() as tx:
            await db.run(tx, "UPDATE run SET wall_deadline = now() WHERE id = :id", {"id": run_id})
        await tick.tick(served.platform)
        run = await ended(agent, run_id)
        assert (run["state"], run["score"], run["tasks"][0]["cause"]) == ("finished", 0.0, "budget_exhausted")
        await refused("run_closed", agent.act("terminal_exec", run_id=run_id, command="true"))


@pytest.mark.proves("time.limits")
async def test_a_run_that_nobody_touches_expires_and_its_sandbox_goes(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        async with served.platform.database.transaction() as tx:
            await db.run(tx, "UPDATE run SET touched_at = now() - interval '2 hours' WHERE id = :id", {"id": run_id})
        await tick.tick(served.platform)
        run = await ended(agent, run_id)
        assert (run["state"], run["score"]) == ("expired", None)
    await no_sandbox(served)


@pytest.mark.proves("run.cancel")
async def test_a_cancelled_run_has_no_score_and_no_sandbox(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        assert (await agent.act("cancel_run", run_id=run_id))["state"] == "cancelled"
        run = await ended(agent, run_id)
        assert (run["state"], run["score"], run["cause"]) == ("cancelled", None, "cancelled")
    await no_sandbox(served)


async def no_sandbox(served: Served) -> None:
    async with asyncio.timeout(20):
        while [info async for info in served.platform.provider.list(deployment=served.settings.deployment)]:
            await asyncio.sleep(0.05)


@pytest.mark.proves("run.lost")
async def test_a_lost_sandbox_is_the_platforms_failure_and_the_task_may_be_begun_again(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TERMINAL)
        async for info in served.platform.provider.list(deployment=served.settings.deployment):
            await served.platform.provider.destroy(info.key)
        await refused("sandbox_lost", agent.act("terminal_exec", run_id=run_id, command="true"))
        assert (await agent.call("get_run", run_id=run_id))["tasks"][0]["cause"] == "sandbox_failed"
        again = await agent.act("start_task", run_id=run_id, task_id=TERMINAL)
        assert again["state"] == "running"
        assert (await agent.act("terminal_exec", run_id=run_id, command="echo back"))["output"] == "back\n"
        for _ in range(2):
            async for info in served.platform.provider.list(deployment=served.settings.deployment):
                await served.platform.provider.destroy(info.key)
            await refused("sandbox_lost", agent.act("terminal_exec", run_id=run_id, command="true"))
            if _ == 0:
                await agent.act("start_task", run_id=run_id, task_id=TERMINAL)
        await refused("not_runnable", agent.act("start_task", run_id=run_id, task_id=TERMINAL))
        await agent.act("finish_run", run_id=run_id)
        run = await ended(agent, run_id)
    assert (run["state"], run["cause"], run["score"]) == ("failed", "sandbox_failed", None)


@pytest.mark.proves("scoring.once")
async def test_a_trial_gets_one_verdict(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, ANSWER)
        await agent.act("finish_run", run_id=run_id)
        await ended(agent, run_id)
    async with served.platform.database.transaction() as tx:
        trial = (await runs.last_trials(tx, run_id))[0]
        found = await db.one(
            tx, "SELECT count(*) AS n, min(reward) AS r FROM verdict WHERE run_id = :id", {"id": run_id}
        )
        assert found is not None
        assert (found.n, found.r) == (1, 0.0)
    with pytest.raises(Exception, match="verdict_pkey"):
        async with served.platform.database.transaction() as tx:
            await db.run(
                tx,
                "INSERT INTO verdict SELECT :t, :r, 'outputs', 1, '[]', 'n', 'd', 'i', 1, now()",
                {"t": trial.id, "r": run_id},
            )
    assert trials.ATTEMPTS == 3
