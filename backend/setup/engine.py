"""A container engine that answers: the one there is, or Debian's, installed and started."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import docker
import psutil
from docker.errors import DockerException

from backend.errors import SetupFailed
from backend.setup import apt
from backend.setup.progress import Step, step

LOG = Path("/var/log/clawbench-dockerd.log")
_PID_FILES = {Path("/run/docker.pid"): "dockerd", Path("/run/docker/containerd/containerd.pid"): "containerd"}
# For machines whose kernel or rights allow no packet filter; our sandboxes have no network anyway.
_WITHOUT_BRIDGE = ("--iptables=false", "--ip6tables=false", "--bridge=none")
_ANSWER_S = 45


def ensure() -> None:
    """Have a Docker engine answer, starting Debian's as root when there is none. It stays up after us.

    Raises: SetupFailed.
    """
    with step("Docker engine") as current:
        if (found := version()) is not None:
            current.done(f"{found} answers")
            return
        _refuse_where_we_may_not()
        if shutil.which("dockerd") is None:
            apt.install(current, "docker.io", "iptables", "ca-certificates")
        if Path("/run/systemd/system").is_dir():
            subprocess.run(["systemctl", "start", "docker"], check=False, capture_output=True)
            if (found := _wait(None, current)) is not None:
                current.done(f"{found} started")
                return
        _forget_stale_pids()
        current.say("starting dockerd")
        for options in ((), _WITHOUT_BRIDGE):
            if (found := _wait(start(options), current)) is not None:
                current.done(f"{found} started, log in {LOG}")
                return
        raise SetupFailed(f"dockerd does not start ({LOG}): {_last_words()}; or set DOCKER_HOST to an engine.")


def version() -> str | None:
    """The version of the engine that answers (DOCKER_HOST is honoured), or None."""
    try:
        client = docker.from_env(timeout=5)
    except DockerException:
        return None
    try:
        return str(client.version()["Version"])
    except (DockerException, OSError):
        return None
    finally:
        client.close()


def start(options: Sequence[str] = (), *, log: Path = LOG) -> subprocess.Popen[bytes]:
    """Start dockerd in a session of its own, so that it outlives us."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as kept:
        return subprocess.Popen(
            ["dockerd", *options],
            stdin=subprocess.DEVNULL,
            stdout=kept,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )


def _refuse_where_we_may_not() -> None:
    if host := os.environ.get("DOCKER_HOST"):
        raise SetupFailed(f"The Docker engine at DOCKER_HOST={host} does not answer; start it, or unset DOCKER_HOST.")
    socket = Path("/var/run/docker.sock")
    if socket.exists() and not os.access(socket, os.W_OK):
        raise SetupFailed(f"{socket} is closed to you; run `sudo usermod -aG docker $USER` and sign in again.")
    if os.geteuid() != 0:
        raise SetupFailed("No Docker engine answers; run as root, or start one (`sudo apt-get install docker.io`).")


def _forget_stale_pids() -> None:
    """Remove pid files of an engine that is gone; its numbers may be other processes' by now."""
    for path, name in _PID_FILES.items():
        try:
            alive = psutil.Process(int(path.read_text())).name() == name
        except (FileNotFoundError, ValueError, psutil.Error):
            alive = False
        if not alive:
            path.unlink(missing_ok=True)


def _wait(process: subprocess.Popen[bytes] | None, current: Step) -> str | None:
    deadline = time.monotonic() + _ANSWER_S
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        if (found := version()) is not None:
            return found
        current.note("waiting for it to answer")
        time.sleep(0.3)
    if process is not None and process.poll() is None:
        process.terminate()
        process.wait(10)
    return None


def _last_words() -> str:
    lines = LOG.read_text(errors="replace").splitlines() if LOG.exists() else []
    return lines[-1][-300:] if lines else "it said nothing"
