"""A provider without isolation: the real runner as a local process, in a directory. For tests and demo data only.

It needs no root and no engine and starts in a moment, and it behaves like the others because the same runner does the
work. Absolute paths mean places below a root directory of the sandbox's own, but nothing keeps a command from leaving
it: what runs here must be trusted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, ClassVar, Literal

from providers.archive import Extraction, landing, outermost, relative
from providers.base import (
    MIB,
    ArchiveRefused,
    Capabilities,
    CapabilityMissing,
    Check,
    ImageRef,
    ImageSpec,
    PathDenied,
    ProviderUnavailable,
    SandboxError,
    SandboxInfo,
    SandboxLost,
    SandboxSpec,
    TransferTooLarge,
    TreeLimits,
)
from providers.channel import Channel, Served
from providers.runner import send, table, tree

KEY = re.compile(r"[A-Za-z0-9_-]{6,64}")
RUNNER = Path(__file__).resolve().parent / "runner.py"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MARK = "CLAWBENCH_FAKE"
BOOT_S = 10.0


class FakeSandbox(Served):
    """A directory and a runner beside it."""

    def __init__(self, provider: FakeProvider, channel: Channel, info: SandboxInfo, workdir: str) -> None:
        super().__init__(channel, workdir)
        self.info = info
        self._provider = provider
        self._root = channel.directory / "fs"

    async def pause(self) -> None:
        """Stop the runner and everything below it; returns when nothing of it moves any more."""
        deadline = time.monotonic() + BOOT_S
        while moving := [pid for pid in _pids(self._root.parent) if _state(pid) not in "Tt"]:
            for pid in moving:
                send(pid, signal.SIGSTOP)
            if time.monotonic() > deadline:
                raise ProviderUnavailable(f"Processes {moving} of the sandbox cannot be stopped.")
            await asyncio.sleep(0.002)

    async def put_tree(self, source: Path, target: str, *, owner: Literal["agent", "root"] = "agent") -> None:
        place = self._inside(target)
        for path in sorted(source.rglob("*")):
            if not (path.is_symlink() or path.is_dir() or path.is_file()):
                raise ArchiveRefused(f"{path.name!a} is neither file, directory nor link.")
        await asyncio.to_thread(shutil.copytree, source, place, symlinks=True, dirs_exist_ok=True)

    def _inside(self, target: str) -> Path:
        path = Path(self.workdir, target)
        path = path if path.is_relative_to(self._root) else self._root / target.lstrip("/")
        if ".." in path.parts or not path.resolve().is_relative_to(self._root.resolve()):
            raise PathDenied(f"{target} is outside of the sandbox.")
        return path

    async def get_tree(self, paths: tuple[str, ...], target: Path, *, limits: TreeLimits) -> list[str]:
        places = {path: self._relative(path) for path in paths}
        if self._provider.state(self.info.key) != "paused":
            raise SandboxError("Trees are taken out of a paused sandbox only; pause it first.")
        await asyncio.to_thread(self._take, outermost(places.values()), target, limits)
        return [path for path, place in places.items() if os.path.lexists(target / place)]

    def _relative(self, path: str) -> PurePosixPath:
        plain = "/" + str(PurePosixPath(self.workdir).relative_to(self._root))
        inside = PurePosixPath(path).is_relative_to(plain)
        return relative(path, plain if inside else self.workdir)

    def _take(self, places: list[PurePosixPath], target: Path, limits: TreeLimits) -> None:
        with landing(target):
            extraction = Extraction(target, limits)
            for place in places:
                if any(Path(self.workdir, above).is_symlink() for above in place.parents):
                    raise ArchiveRefused(f"{str(place)!a} is said to be below a link, so it is not.")
                if os.path.lexists(Path(self.workdir, place)):
                    with _packed(Path(self.workdir, place), limits) as archive:
                        extraction.take(iter(lambda: archive.read(MIB), b""), place)
            extraction.finish()

    async def destroy(self) -> None:
        await self._provider.destroy(self.info.key)


class FakeProvider:
    """Sandboxes as directories below `root`, each with a runner of its own."""

    name: ClassVar[str] = "fake"

    def __init__(self, root: Path) -> None:
        self._root = root
        self._channels: dict[str, Channel] = {}

    def capabilities(self) -> Capabilities:
        return Capabilities(
            isolation="none",
            networks=frozenset({"none"}),
            limits=frozenset(),
            pty=True,
            pause=True,
            kill_tree=True,
            verified="fake",
        )

    async def preflight(self) -> list[Check]:
        return [Check(name="isolation", ok=False, detail="none: commands run on this machine", remedy="Use Docker.")]

    async def prepare_image(self, image: ImageSpec) -> ImageRef:
        return ImageRef(reference=image.name, digest=f"fake:{image.name}")

    async def create(self, spec: SandboxSpec) -> FakeSandbox:
        """Lay a directory out and start the runner in it. Idempotent by key."""
        if spec.network != "none":
            raise CapabilityMissing(f"network {spec.network!r} is not there; the fake has none to offer.")
        directory = self._directory(spec.key)
        if not (directory / "spec.json").exists():
            self._lay_out(spec, directory)
            self._start(directory)
        elif json.loads((directory / "spec.json").read_text())["spec"] != _plain(spec):
            raise SandboxError(f"A sandbox {spec.key} of another kind exists; destroy it or use another key.")
        deadline = time.monotonic() + BOOT_S
        while not (directory / "sock").exists():
            if self.state(spec.key) == "exited":
                log = (directory / "log").read_text()[-600:] if (directory / "log").exists() else ""
                raise SandboxLost(f"Sandbox {spec.key} has ended. {log}")
            if time.monotonic() > deadline:
                raise ProviderUnavailable("The sandbox's runner did not come up.")
            await asyncio.sleep(0.005)
        return await self.attach(spec.key)

    def _lay_out(self, spec: SandboxSpec, directory: Path) -> None:
        for name in (".", "fs", "fs/tmp"):
            (directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(RUNNER, directory / "runner.py")
        config = {
            "role": spec.role,
            "uid": None,
            "home": "/home/agent",
            "workdir": spec.workdir,
            "spool": "/../spool",
            "root": str(directory / "fs"),
            "env": {"PATH": PATH, **spec.env},
            "lease_s": spec.lease_s,
            "drop_bounding": False,
        }
        (directory / "config.json").write_text(json.dumps(config))
        made = {"spec": _plain(spec), "created_at": datetime.now(UTC).isoformat()}
        (directory / "spec.json").write_text(json.dumps(made))

    def _start(self, directory: Path) -> None:
        """Start the runner in a session of its own: like a container, it outlives whoever made it."""
        log = (os.POSIX_SPAWN_OPEN, 1, str(directory / "log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", str(directory / "runner.py")],
            {"PATH": PATH, MARK: str(directory)},
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), log, (os.POSIX_SPAWN_DUP2, 1, 2)],
            setsid=True,
        )
        deadline = time.monotonic() + BOOT_S
        while not Path(f"/proc/{pid}/environ").read_bytes() and time.monotonic() < deadline:
            time.sleep(0.001)  # its environment, by which we know it, appears a moment after the process
        (directory / "pid").write_text(str(pid))

    def _directory(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise SandboxLost("There is no sandbox of such a key: keys are 6 to 64 of A-Z a-z 0-9 _ -.")
        return self._root.resolve() / key

    def state(self, key: str) -> str:
        """How the sandbox's runner stands: running, paused or exited."""
        directory = self._directory(key)
        with contextlib.suppress(OSError, ValueError):
            pid = int((directory / "pid").read_text())
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # takes leave of it, if it is ours and dead
            if _marked(pid, directory):
                return "paused" if _state(pid) in "Tt" else "running"
        return "exited"

    async def attach(self, key: str) -> FakeSandbox:
        directory = self._directory(key)
        if self.state(key) == "exited":
            raise SandboxLost(f"There is no living sandbox {key}.")
        config = json.loads((directory / "config.json").read_text())
        channel = self._channels.setdefault(key, Channel(directory))
        return FakeSandbox(self, channel, self._info(directory), config["root"] + config["workdir"])

    def _info(self, directory: Path) -> SandboxInfo:
        made = json.loads((directory / "spec.json").read_text())
        return SandboxInfo(
            key=directory.name,
            external_id=directory.name,
            provider="fake",
            deployment=made["spec"]["deployment"],
            run_id=made["spec"]["run_id"],
            state=self.state(directory.name),
            created_at=made["created_at"],
        )

    async def list(self, *, deployment: str, run_id: str | None = None) -> AsyncIterator[SandboxInfo]:
        for made in sorted(self._root.resolve().glob("*/spec.json")):
            info = self._info(made.parent)
            if info.deployment == deployment and run_id in (None, info.run_id):
                yield info

    async def destroy(self, key: str) -> None:
        directory = self._directory(key)
        if channel := self._channels.pop(key, None):
            await channel.aclose()
        while pids := _pids(directory):
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in pids:
                    send(pid, number)
            self.state(key)
            await asyncio.sleep(0.005)
        shutil.rmtree(directory, ignore_errors=True)

    async def aclose(self) -> None:
        for channel in self._channels.values():
            await channel.aclose()
        self._channels.clear()


def _plain(spec: SandboxSpec) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(spec)))


def _marked(pid: int, directory: Path) -> bool:
    """Whether a living process was started in the sandbox of that directory (a dead one has no environment)."""
    try:
        return f"{MARK}={directory}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _state(pid: int) -> str:
    """The kernel's letter for how a process stands; a gone one counts as stopped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "T"


def _pids(directory: Path) -> set[int]:
    """Every living process of a sandbox: those below its runner, and those that outlived it."""
    found = {pid for pid in table() if _marked(pid, directory)}
    return found.union(*(tree(pid) for pid in found))


@contextlib.contextmanager
def _packed(path: Path, limits: TreeLimits) -> Iterator[IO[bytes]]:
    """A path as an archive, hostile content and all, as an engine would hand it out."""

    def small(member: tarfile.TarInfo) -> tarfile.TarInfo:
        if member.size > limits.max_bytes:
            raise TransferTooLarge(f"{member.name!a} alone holds more than {limits.max_bytes} bytes.")
        return member

    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(path, arcname=path.name, filter=small)
        file.seek(0)
        yield file
