"""Chromium for the browser tests: Debian's own, driven by Playwright."""

from __future__ import annotations

import shutil

from backend.setup import apt
from backend.setup.progress import step


def ensure() -> str:
    """Have a Chromium and say where it is. Raises SetupFailed."""
    with step("Chromium") as current:
        if (found := path()) is None:
            apt.install(current, "chromium", "fonts-dejavu-core")
            found = path() or "/usr/bin/chromium"
        current.done(found)
        return found


def path() -> str | None:
    """Where Chromium is, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")
