"""The check library where it belongs: as root in a sealed container, beside code of the agent's that attacks it."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path

import pytest

from backend.scoring import checks
from providers.base import AGENT_UID, ExecRequest, ExecResult, ImageSpec, SandboxSpec
from providers.docker import DockerProvider

pytestmark = pytest.mark.proves("scoring.library")
IMAGE = Path(__file__).resolve().parents[2] / "providers" / "images" / "entry-test"
HOSTILE = r"""
import os, sys
found = []
for fd in range(3, 256):
    try:
        os.write(fd, b'{"reward": 1.0}')
        found.append(f"wrote to {fd}")
    except OSError:
        pass
for path in ("/opt/clawbench/tests", "/opt/clawbench/clawbench_checks.py", "/opt/clawbench/tests/check.py"):
    try:
        os.listdir(path) if path.endswith("tests") else open(path).read()
        found.append(f"read {path}")
    except OSError:
        pass
parent = os.getppid()
for act in (lambda: os.kill(parent, 9), lambda: open(f"/proc/{parent}/environ").read(), lambda: os.setuid(0)):
    try:
        act()
        found.append("reached the verifier")
    except OSError:
        pass
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            open("/workspace/late", "a").write("x")
    os._exit(0)
status = {line.split(":")[0]: line.split(":")[1].strip() for line in open("/proc/self/status")}
print([found, status["Uid"].split(), status["Groups"], status["CapEff"], status["NoNewPrivs"]])
"""
SEALED = """
import time
from pathlib import Path

from clawbench_checks import PYTHON, Work, check, expect

def living(uid: str):
    for process in Path("/proc").iterdir():
        try:
            status = (process / "status").read_text()
        except OSError:
            continue
        if f"Uid:\\t{uid}\\t" in status and "State:\\tZ" not in status:
            yield process.name

@check("the program reaches nothing of the verifier's")
def sealed(work: Work) -> None:
    said = work.run([PYTHON, "hostile.py"]).ok().text()
    uid = "20001"
    expect(said == f"{[[], [uid] * 4, '', '0' * 16, '1']}\\n", said)

@check("nothing of the agent's lives on")
def alone(work: Work) -> None:
    deadline = time.monotonic() + 5
    while alive := list(living("20001")):
        expect(time.monotonic() < deadline, f"{alive} live on")

@check("scratch directories are the agent's")
def scratch(work: Work) -> None:
    with work.scratch({"a": b"1"}) as place:
        place.run(["/bin/sh", "-c", "echo 2 > a; mkdir -m 0 closed; chmod 0 a; mv ../scratch ../x || true"]).ok()
        expect(place.read_bytes("a") == b"2\\n", "the agent cannot write there")
    expect(not place.root.exists(), "the directory is left behind")
"""


@pytest.mark.docker
async def test_in_a_container_the_agents_code_has_another_account_and_reaches_nothing(tmp_path: Path) -> None:
    work, harness = tmp_path / "work", tmp_path / "harness"
    (harness / "tests").mkdir(parents=True)
    work.mkdir()
    (work / "hostile.py").write_text(HOSTILE)
    (harness / "tests" / "check.py").write_text(SEALED)
    (harness / "clawbench_checks.py").write_bytes(Path(checks.__file__).read_bytes())
    ran = await _in_container(tmp_path / "runtime", work, harness)
    assert ran.exit_code == 0, ran.output
    assert ran.verdict is not None
    verdict = json.loads(ran.verdict)
    assert verdict["reward"] == 1.0, verdict["checks"]
    assert verdict["nonce"] == "n0nce"


async def _in_container(runtime: Path, work: Path, harness: Path) -> ExecResult:
    provider = DockerProvider(runtime)
    image = await provider.prepare_image(ImageSpec(name="clawbench/entry-test", context=IMAGE))
    key = f"sbx-{secrets.token_hex(8)}"
    sandbox = await provider.create(
        SandboxSpec(key=key, deployment="test-checks", run_id="run_checks", image=image, role="verifier")
    )
    located = "/opt/clawbench"
    env = {"CLAWBENCH_NONCE": "n0nce", "CLAWBENCH_WORKDIR": sandbox.workdir, "CLAWBENCH_AGENT_UID": str(AGENT_UID)}
    argv = ("python3", "-I", "-S", f"{located}/clawbench_checks.py")
    request = ExecRequest(
        call_id="verify",
        argv=argv,
        cwd="/",
        env={**env, "CLAWBENCH_TESTS": f"{located}/tests"},
        user="root",
        stdin=b"",
        verdict=True,
    )
    try:
        async with asyncio.timeout(60):
            await sandbox.put_tree(work, sandbox.workdir)
            await sandbox.put_tree(harness, located, owner="root")
            return await sandbox.exec(request)
    finally:
        await sandbox.destroy()
        await provider.aclose()
