"""Sandboxes as such: made, found again, listed, lost, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from providers.base import (
    CapabilityMissing,
    ImageRef,
    ImageSpec,
    ImageUnavailable,
    SandboxError,
    SandboxLost,
    SandboxProvider,
    Status,
    TreeLimits,
)
from tests.providers.conftest import DEPLOYMENT, Make, command, new, spec, until

pytestmark = pytest.mark.proves("sandbox.contract")


async def test_a_command_is_found_again_after_a_restart_of_ours(make: Make, kind: str, place: Path) -> None:
    first = await make()
    process = await first.spawn(command("echo before; read x; echo after $x", timeout_s=60))
    other = new(kind, place)
    again = await other.attach(first.info.key)
    assert (again.info.run_id, again.workdir) == ("run_contract", first.workdir)
    found = await again.process(process.id)
    await found.write_stdin(b"all\n")
    result = await found.wait()
    assert (result.status, result.output) == (Status.EXITED, b"before\nafter all\n")
    await other.aclose()


async def test_the_same_key_gives_the_same_sandbox_and_never_another_kind(
    provider, make: Make, image: ImageRef
) -> None:
    wanted = spec(image)
    first = await make(key=wanted.key)
    await first.write("mark", b"here")
    second = await provider.create(wanted)
    assert second.info.external_id == first.info.external_id
    assert (await second.read("mark")).data == b"here"
    with pytest.raises(SandboxError):
        await provider.create(spec(image, key=wanted.key, run_id="run_other_one"))
    assert (await first.read("mark")).data == b"here"


async def test_what_cannot_be_enforced_is_refused_by_name(provider: SandboxProvider, image: ImageRef) -> None:
    with pytest.raises(CapabilityMissing, match="network"):
        await provider.create(spec(image, network="open"))
    for key in ("../escape", "a/b/c/d", "short", ""):
        with pytest.raises(SandboxLost):
            await provider.create(spec(image, key=key))
        with pytest.raises(SandboxLost):
            await provider.destroy(key)


async def test_sandboxes_are_listed_by_deployment_and_run_in_any_state(provider, make: Make) -> None:
    one, two = await make(run_id="run_list_one"), await make(run_id="run_list_two")
    await two.pause()
    found = {info.key: info async for info in provider.list(deployment=DEPLOYMENT)}
    assert (found[one.info.key].state, found[two.info.key].state) == ("running", "paused")
    only = [info.key async for info in provider.list(deployment=DEPLOYMENT, run_id="run_list_two")]
    assert only == [two.info.key]
    assert [info async for info in provider.list(deployment="someone-else")] == []


async def test_destroying_is_done_in_any_state_and_twice(provider, make: Make, place: Path) -> None:
    running, paused = await make(), await make()
    await running.spawn(command("setsid sleep 300 & sleep 300", timeout_s=300))
    await paused.pause()
    for box in (running, paused):
        await box.destroy()
        await provider.destroy(box.info.key)
        assert not (place / box.info.key).exists()
        with pytest.raises(SandboxLost):
            await provider.attach(box.info.key)
    left = [info.key async for info in provider.list(deployment=DEPLOYMENT)]
    assert running.info.key not in left and paused.info.key not in left


def kill(kind: str, place: Path, key: str) -> None:
    """Kill a sandbox as an accident would."""
    if kind == "docker":
        subprocess.run(["docker", "kill", f"clawbench-{key}"], check=True, capture_output=True)
    else:
        os.kill(int((place / key / "pid").read_text()), signal.SIGKILL)


async def test_a_killed_sandbox_is_lost_at_once_also_for_calls_under_way(provider, make: Make, kind, place) -> None:
    box = await make()
    waiting = asyncio.create_task(box.exec(command("echo started > mark; sleep 300", timeout_s=300)))
    await until(lambda: _exists(box, "mark"))
    await asyncio.to_thread(kill, kind, place, box.info.key)
    async with asyncio.timeout(5):
        with pytest.raises(SandboxLost):
            await waiting
        with pytest.raises(SandboxLost):
            await box.exec(command("true"))
        with pytest.raises(SandboxLost):
            await box.read("mark")
    with pytest.raises(SandboxLost):
        await provider.attach(box.info.key)


async def _exists(box, path: str) -> bool:
    return path in [entry.path for entry in await box.listdir(".")]


async def test_a_sandbox_that_nobody_renews_ends_by_itself(provider, make: Make) -> None:
    box = await make(lease_s=2)
    await box.spawn(command("setsid sleep 300 & sleep 300", timeout_s=300))

    async def ended() -> bool:
        states = {info.key: info.state async for info in provider.list(deployment=DEPLOYMENT)}
        return states[box.info.key] == "exited"

    await until(ended)
    with pytest.raises(SandboxLost):
        await box.exec(command("true"))


async def test_a_renewed_sandbox_lives_on(make: Make) -> None:
    box = await make(lease_s=2)
    await box.renew(60)
    assert (await box.exec(command("sleep 3; echo alive"))).output == b"alive\n"


async def test_a_paused_sandbox_does_nothing(make: Make, tmp_path: Path) -> None:
    box = await make()
    await box.spawn(command("while :; do echo x >> ticks; done", timeout_s=300))
    await until(lambda: _exists(box, "ticks"))
    await box.pause()
    for copy in ("one", "two"):
        await box.get_tree(("ticks",), tmp_path / copy, limits=TreeLimits())
    assert (tmp_path / "one" / "ticks").read_bytes() == (tmp_path / "two" / "ticks").read_bytes()


async def test_preflight_reports_and_never_raises(provider: SandboxProvider, kind: str) -> None:
    checks = await provider.preflight()
    assert checks and all(check.remedy for check in checks if not check.ok)
    assert (provider.capabilities().isolation == "none") == (kind == "fake")


@pytest.mark.docker
async def test_an_image_that_is_nowhere_is_named_with_a_remedy(kind, provider, tmp_path: Path) -> None:
    if kind == "fake":
        return
    with pytest.raises(ImageUnavailable, match="CLAWBENCH_IMAGE_ALIASES"):
        await provider.prepare_image(ImageSpec(name="clawbench.invalid/no/such:image"))
