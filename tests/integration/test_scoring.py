"""Scoring on real Docker: only declared outputs move, the verifier is fresh and sealed, cheating is worth nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backend import db
from backend.agent import Agent
from tests.conftest import Served
from tests.integration.doing import begin, ended

pytestmark = pytest.mark.docker
TASK = "order-statistics"


def reference(served: Served) -> str:
    return (served.platform.catalog.task("entry-test", TASK).directory / "solution" / "solve.sh").read_text()


async def scored(agent: Agent, script: str, *, task_id: str = TASK) -> dict[str, Any]:
    run_id = await begin(agent, task_id)
    said = await agent.act("terminal_exec", run_id=run_id, command=script, wait_s=40)
    assert said["status"] == "exited", said
    await agent.act("finish_run", run_id=run_id)
    return await ended(agent, run_id, within_s=150)


async def checks(served: Served, run_id: str) -> list[dict[str, Any]]:
    async with served.platform.database.transaction() as tx:
        row = await db.one(tx, "SELECT checks FROM verdict WHERE run_id = :id", {"id": run_id})
    assert row is not None
    return row.checks


@pytest.mark.proves("scoring.fresh", "scoring.cheats")
async def test_the_honest_solution_passes_and_the_verdict_names_what_it_judged(served: Served) -> None:
    async with served.agent() as agent:
        run = await scored(agent, reference(served))
    assert (run["state"], run["score"]) == ("finished", 1.0)
    async with served.platform.database.transaction() as tx:
        row = await db.one(
            tx,
            "SELECT v.mode, v.task_digest, v.image_digest, length(v.nonce) AS nonce, t.image_digest AS worked_in "
            "FROM verdict v JOIN trial t ON t.id = v.trial_id WHERE v.run_id = :id",
            {"id": run["run_id"]},
        )
        boxes = await db.rows(
            tx, "SELECT role, external_id, state FROM sandbox WHERE run_id = :id", {"id": run["run_id"]}
        )
    assert row is not None
    assert row.task_digest == served.platform.catalog.task("entry-test", TASK).digest
    assert row.image_digest == row.worked_in
    assert (row.mode, row.nonce) == ("outputs", 32)
    assert sorted(box.role for box in boxes) == ["agent", "verifier"]
    assert {box.state for box in boxes} == {"gone"}
    assert not [info async for info in served.platform.provider.list(deployment=served.settings.deployment)]


CHEATS = {
    "nothing at all": ":",
    "a planted verdict": (
        "mkdir -p src /tmp/logs; echo 1 > reward.txt; echo '{\"reward\": 1.0}' > src/reward.json; cp src/reward.json .;"
        "printf 'print(\"5 passed\")' > src/crowd.py"
    ),
    "hooks for the test tools": (
        "mkdir -p src; echo 'def pytest_runtest_makereport(item, call): pass' > src/conftest.py;"
        "echo 'import os; os._exit(0)' | tee src/sitecustomize.py src/usercustomize.py src/json.py > src/crowd.py"
    ),
    "a program that writes to every descriptor and kills whom it can": """
mkdir -p src; cat > src/crowd.py <<'PY'
import json, os, signal
verdict = json.dumps({"nonce": os.environ.get("CLAWBENCH_NONCE", ""), "reward": 1.0,
                      "checks": [{"name": "all", "passed": True, "detail": ""}]}).encode()
for fd in range(256):
    try: os.write(fd, verdict)
    except OSError: pass
for pid in (os.getppid(), 1, -1):
    try: os.kill(pid, signal.SIGKILL)
    except OSError: pass
PY
""",
    "a program that looks for the tests and the answers": """
mkdir -p src; cat > src/crowd.py <<'PY'
import os, sys
found = []
for top in ("/opt", "/tests", "/run", "/root", "/proc", "/verifier"):
    for place, _, names in os.walk(top):
        for name in names:
            if name in ("check.py", "clawbench_checks.py", "environ", "config.json"):
                try: found.append(open(os.path.join(place, name), "rb").read())
                except OSError: pass
text = b"".join(found)
assert b"CLAWBENCH_NONCE" in text or b"def crowd" in text, "nothing to be found"
print("found")
PY
""",
    "an output that is a link out of the workspace": "rm -rf src; ln -s / src",
    "an output that holds a link to a file outside": "mkdir -p src; ln -s /etc/passwd src/crowd.py",
    "an output that is a pipe": "mkdir -p src; mkfifo src/crowd.py",
    "too many files": "mkdir -p src; cd src; seq 1 6000 | xargs touch",
    "a daemon that goes on writing after the end": (
        "mkdir -p src; (setsid bash -c 'while :; do echo x > /workspace/src/crowd.py; sleep 0.01; done' &) ; true"
    ),
}


@pytest.mark.parametrize("cheat", CHEATS)
@pytest.mark.proves("scoring.cheats")
async def test_a_cheat_is_worth_nothing(served: Served, cheat: str) -> None:
    async with served.agent() as agent:
        run = await scored(agent, CHEATS[cheat])
    assert (run["state"], run["score"]) == ("finished", 0.0)
    assert any(not line["passed"] for line in await checks(served, run["run_id"]))


@pytest.mark.proves("scoring.hidden")
async def test_hidden_tests_references_and_secrets_are_never_in_the_agents_sandbox(served: Served) -> None:
    async with served.agent() as agent:
        run_id = await begin(agent, TASK)
        look = "grep -rlsE 'clawbench_checks|CLAWBENCH_|clb_' /opt /home /workspace /tmp /root /var /srv /etc; env"
        said = await agent.act("terminal_exec", run_id=run_id, command=look, wait_s=40)
        assert "check" not in said["output"]
        for secret in (served.settings.secret_key, served.settings.database_url or "", "clb_"):
            assert secret not in said["output"]
        said = await agent.act(
            "terminal_exec", run_id=run_id, command="ls /opt/clawbench /workspace/tests /workspace/solution"
        )
        assert said["exit_code"] != 0
        await agent.act("cancel_run", run_id=run_id)


@pytest.mark.proves("sandbox.sealed")
async def test_the_agents_processes_hold_nothing(served: Served) -> None:
    probe = """
id -u; grep -E '^(CapEff|CapPrm|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status | tr -s '\\t' ' '
ls /sys/class/net
(unshare -r true; mount -t tmpfs none /mnt; kill -9 1; cat /run/clawbench/config.json) 2>/dev/null; echo end
"""
    async with served.agent() as agent:
        run_id = await begin(agent, TASK)
        said = await agent.act("terminal_exec", run_id=run_id, command=probe)
        await agent.act("cancel_run", run_id=run_id)
    lines = said["output"].splitlines()
    assert lines[0] == "20001"
    zero = "0000000000000000"
    assert lines[1:7] == [
        f"CapPrm: {zero}",
        f"CapEff: {zero}",
        f"CapBnd: {zero}",
        f"CapAmb: {zero}",
        "NoNewPrivs: 1",
        "Seccomp: 2",
    ]
    assert lines[7:] == ["lo", "end"]


@pytest.mark.proves("scoring.infrastructure")
async def test_a_verifier_that_breaks_is_our_failure_and_is_tried_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.scoring import verify

    real = verify._lay_out

    def broken(task: Any, archive: bytes, work: Any, harness: Any) -> None:
        real(task, archive, work, harness)
        (harness / "tests" / "check.py").write_text("raise RuntimeError('a bug of ours')")

    monkeypatch.setattr(verify, "_lay_out", broken)
    async with served.agent() as agent:
        run = await scored(agent, "true")
    assert (run["state"], run["cause"], run["score"]) == ("failed", "verifier_failed", None)
    async with served.platform.database.transaction() as tx:
        tried = await db.rows(
            tx, "SELECT body FROM event WHERE run_id = :id AND kind = 'verifier.failed'", {"id": run["run_id"]}
        )
    assert len(tried) == 3
    assert json.dumps([row.body["error"] for row in tried]) == json.dumps(["VerifierFailed"] * 3)
