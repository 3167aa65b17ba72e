"""Docker alone: limits that hold, walls that stand, and what happens when they do not."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from providers.base import CapabilityMissing, ImageRef, ImageSpec, ImageUnavailable, Limits, SandboxLost, Status
from providers.docker import DockerProvider
from providers.docker.sealing import CAPABILITIES, deviations
from tests.providers.conftest import IMAGES, Make, command, spec

pytestmark = [
    pytest.mark.docker,
    pytest.mark.parametrize("kind", ["docker"], indirect=True, scope="session"),
    pytest.mark.proves("sandbox.sealed"),
]


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


async def shows(box, script: str, **changes: object) -> str:
    result = await box.exec(command(script, **changes))
    return result.output.decode().strip()


async def test_a_process_of_the_agents_has_no_power_at_all(box) -> None:
    status = dict(
        line.split(":\t", 1) for line in (await shows(box, "cat /proc/self/status")).splitlines() if ":\t" in line
    )
    assert status["Uid"].split() == status["Gid"].split() == ["20001"] * 4 and not status["Groups"].strip()
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


async def test_there_is_no_network_but_loopback(box) -> None:
    assert await shows(box, "ls /sys/class/net") == "lo"
    probe = "import socket; socket.create_connection(('{}', {}), 2)"
    for address, port in (("1.1.1.1", 53), ("172.17.0.1", 22), ("169.254.169.254", 80)):
        result = await box.exec(command("", argv=("python3", "-c", probe.format(address, port))))
        assert result.exit_code == 1 and b"unreachable" in result.output


async def test_the_only_mount_from_the_host_is_one_the_agent_cannot_enter(box) -> None:
    from_engine = {"/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/usr/sbin/docker-init", "/sbin/docker-init"}
    lines = [line.split() for line in (await shows(box, "cat /proc/self/mountinfo")).splitlines()]
    kernel = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "overlay"}
    host = {line[4] for line in lines if line[line.index("-") + 1] not in kernel} - from_engine
    assert host == {"/run/clawbench"}
    for script in ("ls /run/clawbench", "cat /run/clawbench/config.json", "cat /run/clawbench/runner.py"):
        assert "Permission denied" in await shows(box, script)
    connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/clawbench/sock')"
    assert "PermissionError" in await shows(box, "", argv=("python3", "-c", connect))
    assert await shows(box, "ls /var/lib/clawbench") != "" and "docker.sock" not in await shows(box, "ls /run /var/run")


async def test_the_agent_can_neither_kill_nor_trace_nor_read_the_runner(box) -> None:
    runner = (await box.channel.request("hello"))["pid"]
    spawner = await shows(box, f"pgrep -P {runner}")
    for pid in (1, runner, spawner):
        for script in (f"kill -KILL {pid}", f"cat /proc/{pid}/environ", f"cat /proc/{pid}/mem", f"ls /proc/{pid}/fd/"):
            result = await box.exec(command(script))
            assert result.exit_code != 0 and b"ermi" in result.output, result.output
        attach = f"import ctypes; print(ctypes.CDLL(None).ptrace(16, {pid}, 0, 0))"
        assert await shows(box, "", argv=("python3", "-c", attach)) == "-1"
    await box.exec(command("kill -KILL -1"))
    assert await shows(box, f"pgrep -P {runner}") == spawner


async def test_the_kernels_doors_are_shut(box) -> None:
    scripts = (
        "mount -t tmpfs none /mnt",
        "unshare -Ur true",
        "echo b > /proc/sysrq-trigger",
        "echo 0 > /proc/sys/kernel/panic",
        "mkdir /sys/fs/cgroup/memory/x",
        "mknod /tmp/sda b 8 0",
        "chown 0 /tmp",
        "cat /proc/kcore | head -c 1 | grep -q .",
        "date -s 2001-01-01",
        "hostname other",
        "su -c true",
    )
    for script in scripts:
        result = await box.exec(command(script, stdin=b""))
        assert result.exit_code not in (0, None), script


async def test_running_out_of_memory_is_said_and_hurts_the_command_alone(make: Make) -> None:
    box = await make(limits=Limits(memory_mb=128))
    beside = await box.spawn(command("read x; echo survived"))
    hungry = "data = []\nwhile True: data.append(bytearray(1 << 20))"
    result = await box.exec(command("", argv=("python3", "-c", hungry)))
    assert result.status == Status.OOM
    await beside.write_stdin(b"\n")
    assert (await beside.wait()).output == b"survived\n"
    assert (await box.exec(command("exit 3"))).status == Status.EXITED


async def test_a_fork_bomb_meets_its_limit_and_can_be_ended(make: Make) -> None:
    box = await make(limits=Limits(pids=40))
    bomb = await box.spawn(command("f() { f | f & f; }; f", timeout_s=60))
    async with asyncio.timeout(30):
        await bomb.signal("KILL")
        assert (await bomb.wait()).status in (Status.SIGNALED, Status.EXITED)
        assert await shows(box, "echo alive") == "alive"
        assert int(await shows(box, "ps -U 20001 --no-headers | wc -l")) < 8


async def test_the_verifiers_root_can_switch_users_and_has_no_more_than_that(make: Make) -> None:
    box = await make(role="verifier")
    switch = "import os; os.setgroups([]); os.setgid(20001); os.setuid(20001); print(os.getresuid())"
    assert await shows(box, "", argv=("python3", "-c", switch), user="root") == "(20001, 20001, 20001)"
    assert await shows(box, "id -u") == "20001"
    bounding = int(await shows(box, "awk '/CapBnd/ {print $2}' /proc/self/status", user="root"), 16)
    numbers = {"CHOWN": 0, "DAC_OVERRIDE": 1, "KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8}
    assert bounding == sum(1 << numbers[name] for name in CAPABILITIES)


async def test_the_engines_word_is_compared_with_what_was_asked(provider, make: Make, image: ImageRef, place) -> None:
    wanted = spec(image)
    box = await make(key=wanted.key)
    found = json.loads(docker("inspect", box.info.external_id))[0]
    assert deviations(found, wanted, place / wanted.key) == []
    changes = {
        "Privileged": True,
        "CapAdd": ["CAP_SYS_ADMIN"],
        "SecurityOpt": ["no-new-privileges", "seccomp=unconfined"],
        "NetworkMode": "bridge",
        "PidMode": "host",
        "Memory": 0,
        "Devices": [{"PathOnHost": "/dev/sda"}],
        "Binds": ["/:/host"],
        "MaskedPaths": [],
        "SomethingNew": "enabled",
    }
    for name, value in changes.items():
        changed = {**found, "HostConfig": {**found["HostConfig"], name: value}}
        assert deviations(changed, wanted, place / wanted.key), name


async def test_a_container_of_that_name_that_is_not_sealed_is_refused(
    provider: DockerProvider, make: Make, image
) -> None:
    first = await make()
    labels = json.loads(docker("inspect", first.info.external_id))[0]["Config"]["Labels"]
    wanted = spec(image, key=first.info.key)
    await first.destroy()
    words = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    docker("create", "--name", f"clawbench-{wanted.key}", "--privileged", *words, image.reference, "sleep", "60")
    with pytest.raises(CapabilityMissing, match="Privileged"):
        await provider.create(wanted)
    with pytest.raises(SandboxLost):
        await provider.attach(wanted.key)


@pytest.fixture
async def built(provider: DockerProvider, tmp_path: Path) -> AsyncIterator:
    """Prepare an image from a recipe; what was built is removed after the test."""
    made = []

    async def build(recipe: str) -> ImageRef:
        context = tmp_path / "context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(recipe)
        made.append(await provider.prepare_image(ImageSpec(name="clawbench-test/built", context=context)))
        return made[-1]

    yield build
    for image in {image.reference for image in made}:
        subprocess.run(["docker", "rmi", "-f", image], check=False, capture_output=True)


async def test_images_are_built_once_per_content(provider, built) -> None:
    recipe = "FROM debian:bookworm-slim\nRUN date +%N > /when\n"
    one, again = await asyncio.gather(built(recipe), built(recipe))
    assert one == again and one.digest.startswith("sha256:")
    assert await built(recipe + "RUN true\n") != one
    entry = ImageSpec(name="clawbench/entry-test", context=IMAGES / "entry-test")
    assert await provider.prepare_image(entry) == await provider.prepare_image(entry)


async def test_a_build_that_fails_shows_the_end_of_its_log(built) -> None:
    with pytest.raises(ImageUnavailable, match="what went wrong"):
        await built("FROM debian:bookworm-slim\nRUN echo what went wrong >&2; exit 3\n")


async def test_images_that_cannot_be_sandboxes_are_refused_with_the_reason(provider, built, image) -> None:
    bare = await built("FROM debian:bookworm-slim\nRUN rm -f /usr/bin/python3*\n")
    with pytest.raises(ImageUnavailable, match="python3"):
        await provider.create(spec(bare))
    volume = await built("FROM debian:bookworm-slim\nVOLUME /data\n")
    with pytest.raises(CapabilityMissing, match="mounts"):
        await provider.create(spec(volume))
    with pytest.raises(ImageUnavailable):
        await provider.create(spec(ImageRef(reference="sha256:" + "0" * 64, digest="sha256:" + "0" * 64)))
    assert docker("ps", "-aq", "--filter", f"ancestor={bare.reference}") == ""


async def test_creating_the_same_sandbox_twice_at_once_makes_one(provider, make: Make, image: ImageRef) -> None:
    wanted = spec(image)
    one, two = await asyncio.gather(make(key=wanted.key), provider.create(wanted))
    assert one.info.external_id == two.info.external_id
    assert (await one.exec(command("echo one"))).output == b"one\n"
