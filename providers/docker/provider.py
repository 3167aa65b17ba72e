"""The Docker provider: makes sealed containers, proves that they are, and finds them again by label and name."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import stat
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from providers.base import (
    Capabilities,
    CapabilityMissing,
    Check,
    ImageRef,
    ImageSpec,
    ImageUnavailable,
    ProviderUnavailable,
    SandboxError,
    SandboxInfo,
    SandboxLost,
    SandboxSpec,
)
from providers.channel import Channel
from providers.docker import containers
from providers.docker.engine import REMEDY, Engine
from providers.docker.images import Images
from providers.docker.sandbox import DockerSandbox
from providers.docker.sealing import AGENT, deviations, exposure

RUNNER = Path(__file__).resolve().parent.parent / "runner.py"
BOOT_S = 30.0
CREATES = 4


class DockerProvider:
    """Sandboxes as containers of one Docker engine, their sockets in directories below `runtime`."""

    name: ClassVar[str] = "docker"

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self._engine = Engine()
        self._images = Images(self._engine)
        self._channels: dict[str, Channel] = {}
        self._creating = asyncio.Semaphore(CREATES)
        self._keys: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def capabilities(self) -> Capabilities:
        return Capabilities(
            isolation="container",
            networks=frozenset({"none"}),
            limits=frozenset({"memory_mb", "cpus", "pids"}),
            pty=True,
            pause=True,
            kill_tree=True,
            verified="live",
        )

    async def preflight(self) -> list[Check]:
        try:
            found = await self._engine.call(lambda api: {**api.info(), "Version": api.version()["Version"]})
        except SandboxError as error:
            return [Check(name="engine", ok=False, detail=str(error), remedy=REMEDY)]
        detail = f"{found['Version']}, {found['Driver']}, cgroup v{found.get('CgroupVersion', '1')}"
        limits = [name for name in ("MemoryLimit", "CpuCfsQuota", "PidsLimit") if not found.get(name)]
        return [
            Check(name="engine", ok=True, detail=detail),
            Check(
                name="seccomp",
                ok=_filters(found),
                detail=", ".join(found.get("SecurityOptions") or ["none"]),
                remedy="Run the engine with its default seccomp profile.",
            ),
            Check(
                name="limits",
                ok=not limits,
                detail=f"missing: {', '.join(limits)}" if limits else "memory, CPU and process limits",
                remedy="Enable the memory, cpu and pids cgroup controllers.",
            ),
            self._check_runtime(),
        ]

    def _check_runtime(self) -> Check:
        try:
            _private(self._runtime)
        except SandboxError as error:
            return Check(name="runtime directory", ok=False, detail=str(error), remedy=f"Remove {self._runtime}.")
        return Check(name="runtime directory", ok=True, detail=str(self._runtime))

    async def prepare_image(self, image: ImageSpec) -> ImageRef:
        return await self._images.prepare(image)

    async def create(self, spec: SandboxSpec) -> DockerSandbox:
        """Make a sealed container and let its runner prove from inside that it is. Idempotent by key."""
        _check(spec)
        async with self._keys.setdefault(spec.key, asyncio.Lock()), self._creating:
            directory = self._lay_out(spec)
            fresh = True
            try:
                found, fresh = await self._engine.call(
                    lambda api: containers.make(api, spec, directory), missing=ImageUnavailable
                )
                return await self._bring_up(spec, found, directory)
            except (CapabilityMissing, ImageUnavailable, ProviderUnavailable) as error:
                if fresh or isinstance(error, CapabilityMissing):  # one that is not sealed goes, whoever made it
                    with contextlib.suppress(SandboxError):  # the first error says more
                        await self.destroy(spec.key)
                raise

    def _lay_out(self, spec: SandboxSpec) -> Path:
        """Write what the container's one mount holds: the runner and its configuration."""
        _private(self._runtime)
        directory = self._runtime / spec.key
        _private(directory)
        config = {
            "role": spec.role,
            "uid": AGENT,
            "home": "/home/agent",
            "workdir": spec.workdir,
            "spool": "/var/lib/clawbench",
            "root": "",
            "env": dict(spec.env),
            "lease_s": spec.lease_s,
            "drop_bounding": spec.role == "agent",  # the verifier's trusted root switches users itself
        }
        for name, content in (("runner.py", RUNNER.read_bytes()), ("config.json", json.dumps(config).encode())):
            fresh = directory / f".{name}.{os.getpid()}"
            fresh.write_bytes(content)
            fresh.replace(directory / name)
        return directory

    async def _bring_up(self, spec: SandboxSpec, found: dict[str, Any], directory: Path) -> DockerSandbox:
        if found["Config"]["Labels"].get("clawbench.spec") != containers.digest(spec):
            raise SandboxError(f"A sandbox {spec.key} of another kind exists; destroy it or use another key.")
        wrong = deviations(found, spec, directory)
        if not _filters(await self._engine.call(lambda api: api.info())):
            wrong.append("system calls are not filtered")
        if wrong:
            raise CapabilityMissing(f"The engine did not seal the sandbox as asked: {'; '.join(wrong)}.")
        if found["State"]["Status"] == "created":
            await self._engine.call(lambda api: api.start(found["Id"]))
        elif found["State"]["Status"] not in ("running", "paused"):
            raise SandboxLost(f"Sandbox {spec.key} has ended.")
        sandbox = self._sandbox(found)
        if found["State"]["Status"] != "paused":
            exposed = exposure(await self._first_answer(sandbox), spec)
            if exposed:
                raise CapabilityMissing(f"The agent would not be sealed in: {'; '.join(exposed)}.")
        return sandbox

    async def _first_answer(self, sandbox: DockerSandbox) -> dict[str, str]:
        deadline = time.monotonic() + BOOT_S
        while True:
            try:
                return await sandbox.channel.request("probe")
            except SandboxLost as error:
                found = await self._engine.inspect(sandbox.info.external_id)
                if found["State"]["Running"] and time.monotonic() < deadline:
                    continue
                log = await self._engine.call(lambda api: api.logs(sandbox.info.external_id, tail=20))
                text = log.decode("utf-8", "replace")[-600:]
                if "exec python3 failed" in text:
                    raise ImageUnavailable("The image has no python3, which the sandbox's runner needs.") from error
                raise ProviderUnavailable(f"The sandbox's runner did not come up: {text or 'no output'}") from error

    def _sandbox(self, found: dict[str, Any]) -> DockerSandbox:
        labels = found["Config"]["Labels"]
        key = labels["clawbench.sandbox"]
        channel = self._channels.setdefault(key, Channel(self._runtime / key))
        created = found["Created"][:19] + "+00:00"
        info = containers.describe(labels, found["Id"], found["State"]["Status"], created)
        return DockerSandbox(self._engine, channel, info, labels["clawbench.workdir"], lambda: self.destroy(key))

    async def attach(self, key: str) -> DockerSandbox:
        found = await self._engine.inspect(containers.named(key))
        if found["Config"]["Labels"].get("clawbench.sandbox") != key:
            raise SandboxLost(f"There is no sandbox {key}.")
        if found["State"]["Status"] not in ("running", "paused"):
            raise SandboxLost(f"Sandbox {key} has ended.")
        sandbox = self._sandbox(found)
        if found["State"]["Status"] == "running":
            await sandbox.channel.request("hello")
        return sandbox

    async def list(self, *, deployment: str, run_id: str | None = None) -> AsyncIterator[SandboxInfo]:
        labels = [f"clawbench.deployment={deployment}", "clawbench.sandbox"]
        labels += [] if run_id is None else [f"clawbench.run_id={run_id}"]
        for found in await self._engine.call(lambda api: api.containers(all=True, filters={"label": labels})):
            created = datetime.fromtimestamp(found["Created"], UTC).isoformat()
            yield containers.describe(found["Labels"], found["Id"], found["State"], created)

    async def destroy(self, key: str) -> None:
        name = containers.named(key)
        if channel := self._channels.pop(key, None):
            await channel.aclose()
        await self._engine.call(lambda api: containers.remove(api, name, key))
        shutil.rmtree(self._runtime / key, ignore_errors=True)

    async def aclose(self) -> None:
        for channel in self._channels.values():
            await channel.aclose()
        self._channels.clear()
        self._engine.close()


def _check(spec: SandboxSpec) -> None:
    """Refuse by name what cannot be enforced to the letter."""
    containers.named(spec.key)
    if spec.network != "none":
        raise CapabilityMissing(f"network {spec.network!r} is not enforced by Docker here; only 'none' is.")
    if spec.limits.memory_mb < 32 or spec.limits.cpus <= 0 or spec.limits.pids < 16:
        raise CapabilityMissing("limits must be at least 32 MB of memory, some CPU and 16 processes.")
    if not spec.workdir.startswith("/") or ".." in Path(spec.workdir).parts or spec.workdir == "/":
        raise CapabilityMissing("the working directory must be an absolute path below the root.")
    if os.geteuid() == AGENT:
        raise CapabilityMissing(f"the platform may not run as uid {AGENT}: that is the agent's own.")


def _private(directory: Path) -> None:
    """Make a directory that is ours alone; one that another user made or may enter is refused."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise ProviderUnavailable(f"{directory} cannot be made: {error.strerror}.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ProviderUnavailable(f"{directory} is not a directory of ours alone; remove it.")


def _filters(info: dict[str, Any]) -> bool:
    options = info.get("SecurityOptions") or []
    return any(option.startswith("name=seccomp") and "unconfined" not in option for option in options)
