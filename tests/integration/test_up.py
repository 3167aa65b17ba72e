"""`clawbench up` as its users meet it: a process that starts, survives being killed, stops, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from backend.agent import connect
from backend.settings import ROOT
from tests.conftest import free_port
from tests.integration.doing import TERMINAL, begin, ended

pytestmark = [pytest.mark.docker, pytest.mark.slow]
CLAWBENCH = [sys.executable, "-m", "backend.cli"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    env: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.env['CLAWBENCH_PORT']}"

    def run(self, *args: str, check: bool = True) -> str:
        done = subprocess.run([*CLAWBENCH, *args], env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, as a service manager would."""
        words = [*CLAWBENCH, *(args or ("up",))]
        return subprocess.Popen(words, env=self.env, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE)

    def wait_ready(self, process: subprocess.Popen[bytes]) -> float:
        began = time.monotonic()
        while time.monotonic() - began < 60:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            try:
                if httpx.get(f"{self.url}/api/health", timeout=2).status_code == 200:
                    return time.monotonic() - began
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("not ready within 60 s")

    def containers(self) -> list[str]:
        from backend import settings

        name = settings.load(self.env).deployment
        listed = docker.from_env().containers.list(all=True, filters={"label": f"clawbench.deployment={name}"})
        return [container.name or "" for container in listed]

    def processes(self) -> list[int]:
        """Every process that was started with this deployment's data directory, Postgres among them."""
        mark, found = self.env["CLAWBENCH_DATA"].encode(), []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                said = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
            except OSError:
                continue
            if mark in said and int(place.name) != os.getpid():
                found.append(int(place.name))
        return found


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="clawbench-up-", ignore_cleanup_errors=True) as place:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CLAWBENCH_")}
        made = Deployment(env=kept | {"CLAWBENCH_DATA": f"{place}/data", "CLAWBENCH_PORT": str(free_port())})
        yield made
        made.run("down", check=False)


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> float:
    began = time.monotonic()
    os.killpg(process.pid, number)
    process.communicate(timeout=30)
    return time.monotonic() - began


@pytest.mark.proves("up.restart")
async def test_a_run_goes_on_after_the_platform_was_killed_and_started_again(deployment: Deployment) -> None:
    process = deployment.start()
    deployment.wait_ready(process)
    token = json.loads(deployment.run("token", "create", "--user", "ada", "--scopes", "read,run", "--json"))["token"]
    async with connect(f"{deployment.url}/mcp", token) as agent:
        run_id = await begin(agent, TERMINAL)
        await agent.act("terminal_exec", run_id=run_id, command="export KEPT=1; mkdir d; cd d; echo before > f")
        asked: dict[str, Any] = {"run_id": run_id, "client_call_id": "long", "wait_s": 0}
        job = await agent.call("terminal_exec", command="sleep 12; echo slept", **asked)
    stop(process, signal.SIGKILL)
    assert len(deployment.containers()) == 1

    process = deployment.start()
    deployment.wait_ready(process)
    async with connect(f"{deployment.url}/mcp", token) as agent:
        again = await agent.call("terminal_exec", command="sleep 12; echo slept", **asked)
        assert again == job
        waited = await agent.call("terminal_wait", run_id=run_id, job_id=job["job_id"], wait_s=40)
        assert (waited["status"], waited["output"]) == ("exited", "slept\n")
        said = await agent.act("terminal_exec", run_id=run_id, command='echo "$KEPT ${PWD##*/}"; cat f')
        assert said["output"] == "1 d\nbefore\n"
        await agent.act("finish_run", run_id=run_id)
        assert (await ended(agent, run_id))["state"] == "finished"

    assert stop(process) < 12
    assert process.returncode == 0
    deployment.run("down")
    assert (deployment.containers(), deployment.processes()) == ([], [])


@pytest.mark.proves("up.manners")
def test_up_is_ready_soon_keeps_to_its_group_and_refuses_a_second_one(deployment: Deployment) -> None:
    process = deployment.start()
    deployment.wait_ready(process)
    assert deployment.run("canary", "--json")
    groups = {os.getpgid(pid) for pid in deployment.processes() if not _postgres(pid)}
    assert groups == {process.pid}
    second = subprocess.run(
        [*CLAWBENCH, "up"], env=deployment.env, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 1
    assert "runs already" in second.stderr
    stop(process)
    process = deployment.start()
    # The promise is 20 s on an idle machine; this one may be busy with the rest of the suite.
    assert deployment.wait_ready(process) < 40
    stop(process)


def _postgres(pid: int) -> bool:
    return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.proves("demo.canary", "demo.clean")
def test_demo_shows_a_full_score_and_a_signal_destroys_everything_of_it(deployment: Deployment) -> None:
    done = subprocess.run(
        [*CLAWBENCH, "demo", "--oneshot"], env=deployment.env, cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "canary score 1 " in done.stdout
    assert f"{deployment.url}/runs/run_" in done.stdout
    assert (deployment.containers(), deployment.processes()) == ([], [])

    process = deployment.start("demo")
    deployment.wait_ready(process)
    assert stop(process, signal.SIGINT) < 10
    assert (deployment.containers(), deployment.processes()) == ([], [])


@pytest.mark.proves("cli.json")
def test_the_reading_commands_print_one_json_document_and_nothing_else(deployment: Deployment) -> None:
    tasks = json.loads(deployment.run("tasks", "list", "--benchmark", "entry-test", "--json"))
    assert {"task_id", "kind", "title", "digest", "runnable"} == set(tasks[0])
    token = json.loads(deployment.run("token", "create", "--user", "ada", "--scopes", "read,run", "--json"))
    assert set(token) == {"token", "token_id", "expires_at"}
    assert token["token"].startswith("clb_")
    assert json.loads(deployment.run("user", "add", "olga", "--role", "ops", "--json"))["role"] == "ops"
    assert json.loads(deployment.run("run", "list", "--json")) == {"runs": []}
    assert json.loads(deployment.run("sandboxes", "list", "--json")) == {"sandboxes": []}
    assert json.loads(deployment.run("sandboxes", "gc", "--dry-run", "--json")) == {"would_remove": []}
    assert "checks" in json.loads(deployment.run("doctor", "--json", check=False))
