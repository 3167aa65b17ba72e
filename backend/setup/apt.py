"""Debian packages, installed when we may."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from backend.errors import SetupFailed
from backend.setup.progress import Step, run


def install(current: Step, *packages: str) -> None:
    """Install Debian packages. Raises SetupFailed naming the command when this machine or user cannot."""
    wanted = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise SetupFailed(f"{current.title}: install {wanted} (Debian's names) with this system's package manager.")
    if os.geteuid() != 0:
        raise SetupFailed(f"{current.title}: {wanted} is missing; run `sudo apt-get install {wanted}`.")
    log = Path(tempfile.gettempdir()) / f"clawbench-apt-{os.getpid()}.log"
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "-y", "--no-install-recommends", "install", *packages]
    current.say(f"apt-get install {wanted}")
    try:
        run(current, command, log=log, env=env)
    except SetupFailed:
        # The usual cause on a fresh machine: no package lists yet.
        run(current, ["apt-get", "-o", "DPkg::Lock::Timeout=120", "update"], log=log, env=env)
        run(current, command, log=log, env=env)
