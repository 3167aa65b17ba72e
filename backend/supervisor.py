"""Starts, watches and stops the platform's processes: Postgres, and the server of pages, API and MCP."""

from __future__ import annotations

import asyncio
import fcntl
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import IO

from backend import postgres
from backend.errors import SetupFailed
from backend.settings import ROOT, Settings
from backend.setup import frontend
from backend.setup.progress import console, end_tree, step
from providers.base import SandboxError
from providers.docker.provider import DockerProvider

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_READY_S = 90
_DOWN_S = 15
_LOG_LINES = 15
_LOG_BYTES = 32 * 1024 * 1024


class Stopped(BaseException):
    """A signal asked us to stop. No error, so nothing but the outermost caller may catch it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A platform that is ready: its settings with the database's address filled in, and its server process."""

    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn the first SIGTERM, SIGINT or SIGHUP into `Stopped`, and let nothing disturb the clean-up after it."""
    # Whoever started us under nohup wants no hang-up.
    wanted = [one for one in _SIGNALS if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN]
    before = {one: signal.signal(one, _stop) for one in wanted}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def hold() -> None:
    """Let no signal disturb the rest of what is `stoppable`, which must be a clean-up that ends by itself."""
    for one in _SIGNALS:
        if signal.getsignal(one) is _stop:
            signal.signal(one, _ignore)


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Be this deployment's only supervisor. Raises SetupFailed when one is there already."""
    settings.data.mkdir(parents=True, exist_ok=True)
    with _pid_file(settings).open("a+") as file:
        deadline = time.monotonic() + 1
        while not _locked(file):
            # Somebody who only looks holds it for a moment; a supervisor holds it for good.
            if time.monotonic() > deadline:
                raise SetupFailed(f"It runs already (process {supervisor(settings)}); `clawbench down` stops it.")
            time.sleep(0.05)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def supervisor(settings: Settings) -> int | None:
    """The process id of this deployment's running supervisor, or None."""
    try:
        with _pid_file(settings).open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read().strip() or 0) or None
    except (FileNotFoundError, ValueError):
        return None
    return None


@contextmanager
def platform(settings: Settings, *, host: str, drain_s: int) -> Iterator[Platform]:
    """Start everything, yield when it takes work, and at the end drain it for at most `drain_s` seconds.

    Sandboxes of unfinished runs are left to their leases. Raises SetupFailed.
    """
    refuse_taken_port(settings, host)
    if not frontend.fresh():
        frontend.ensure(settings)
    with postgres.database(settings) as url:
        live = replace(settings, database_url=url)
        with step("Database") as current:
            postgres.migrate(url)
            current.done("migrated")
        log = _fresh_log(settings)
        process = _spawn(live, host=host, drain_s=drain_s, log=log)
        ready = Platform(settings=live, process=process, log=log)
        try:
            with step("Platform") as current:
                _wait_ready(ready)
                current.done(f"ready at {settings.public_url}")
            yield ready
        finally:
            hold()
            _drain(process, within_s=drain_s)


def watch(running: Platform) -> None:
    """Wait for as long as the server lives. Raises SetupFailed with its last words when it ends by itself."""
    code = running.process.wait()
    _show_last_words(running.log)
    raise SetupFailed(
        f"The server ended by itself with {code}; its last words are above, the rest is in {running.log}."
    )


def down(settings: Settings) -> list[str]:
    """Stop this deployment's supervisor, if one runs, and destroy everything of the deployment; say what was done."""
    did: list[str] = []
    pid = supervisor(settings)
    if pid is not None:
        _stop_supervisor(settings, pid)
        did.append(f"stopped process {pid}")
    return did + destroy(settings)


def destroy(settings: Settings) -> list[str]:
    """Remove the deployment's sandboxes and runtime files and stop its embedded Postgres; the data stays."""
    did: list[str] = []
    try:
        removed = asyncio.run(_destroy_sandboxes(settings))
        did += [f"destroyed {removed} sandbox{'' if removed == 1 else 'es'}"] if removed else []
    except SandboxError as error:
        did.append(f"could not look for sandboxes: {error}")
    if settings.runtime.exists():
        shutil.rmtree(settings.runtime)
        did.append(f"removed {settings.runtime}")
    if postgres.stop(settings):
        did.append("stopped Postgres")
    return did


def refuse_taken_port(settings: Settings, host: str) -> None:
    """Raise SetupFailed when somebody else listens on our port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, settings.port))
        except OSError as error:
            raise SetupFailed(f"Port {settings.port} is taken ({error.strerror}); choose another by --port.") from error


async def _destroy_sandboxes(settings: Settings) -> int:
    provider = DockerProvider(settings.runtime)
    try:
        keys = [info.key async for info in provider.list(deployment=settings.deployment)]
        await asyncio.gather(*(provider.destroy(key) for key in keys))
        return len(keys)
    finally:
        await provider.aclose()


def _stop(number: int, frame: FrameType | None) -> None:
    hold()
    raise Stopped


def _ignore(number: int, frame: FrameType | None) -> None:
    """A second signal changes nothing: the clean-up is bounded anyway."""


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid_file(settings: Settings) -> Path:
    return settings.data / "up.pid"


def _spawn(live: Settings, *, host: str, drain_s: int, log: Path) -> subprocess.Popen[bytes]:
    env = os.environ | {
        "CLAWBENCH_PORT": str(live.port),
        "CLAWBENCH_DATA": str(live.data),
        "CLAWBENCH_PUBLIC_URL": live.public_url,
        "CLAWBENCH_DATABASE_URL": live.database_url or "",
        "CLAWBENCH_SECRET_KEY": live.secret_key,
    }
    command = [sys.executable, "-m", "clawbench_ui.serve", "--host", host, "--drain-s", str(max(1, drain_s - 2))]
    with log.open("ab") as kept:
        return subprocess.Popen(
            [*command, "--end-with-parent"], stdin=subprocess.DEVNULL, stdout=kept, stderr=kept, cwd=ROOT, env=env
        )


def _wait_ready(starting: Platform) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if starting.process.poll() is not None:
            watch(starting)
        if healthy(starting.settings):
            return
        time.sleep(0.1)
    _show_last_words(starting.log)
    raise SetupFailed(f"The server was not healthy within {_READY_S} s; its last words are above ({starting.log}).")


def healthy(settings: Settings) -> bool:
    """Whether the platform on this machine says that it takes work."""
    connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=5)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _drain(process: subprocess.Popen[bytes], *, within_s: int) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            end_tree(process.pid, within_s=0.5)
            process.wait()


def _stop_supervisor(settings: Settings, pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _DOWN_S
    while supervisor(settings) == pid:
        if time.monotonic() > deadline:
            end_tree(pid, within_s=1)
            return
        time.sleep(0.1)


def _fresh_log(settings: Settings) -> Path:
    """The server's log; one that has grown large is set aside once."""
    log = settings.data / "logs" / "serve.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    log.touch()
    return log


def _show_last_words(log: Path) -> None:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        for line in file.read().decode(errors="replace").splitlines()[-_LOG_LINES:]:
            console.print(f"  {line}", markup=False, soft_wrap=True)
