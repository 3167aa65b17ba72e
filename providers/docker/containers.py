"""Containers by the engine's own calls: made, found, described, removed. Blocking; the engine's threads run them."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from providers.base import SandboxInfo, SandboxLost, SandboxSpec
from providers.docker.sealing import INSIDE, host_config

KEY = re.compile(r"[A-Za-z0-9_-]{6,64}")
COMMAND = ["python3", "-I", "-S", f"{INSIDE}/runner.py"]
BUSY_S = 30.0


def named(key: str) -> str:
    """The container's name; a key that cannot be one names no sandbox."""
    if not KEY.fullmatch(key):
        raise SandboxLost("There is no sandbox of such a key: keys are 6 to 64 of A-Z a-z 0-9 _ -.")
    return f"clawbench-{key}"


def digest(spec: SandboxSpec) -> str:
    """What tells one kind of sandbox from another under the same key."""
    return hashlib.sha256(json.dumps(asdict(spec), sort_keys=True).encode()).hexdigest()


def describe(labels: dict[str, str], external_id: str, state: str, created_at: str) -> SandboxInfo:
    """A container of ours by its labels."""
    return SandboxInfo(
        key=labels["clawbench.sandbox"],
        external_id=external_id,
        provider="docker",
        deployment=labels["clawbench.deployment"],
        run_id=labels["clawbench.run_id"],
        state=state,
        created_at=created_at,
    )


def make(api: APIClient, spec: SandboxSpec, directory: Path) -> tuple[dict[str, Any], bool]:
    """Create the container, or find the one of that name; say what the engine made of it, and whether just now."""
    labels = {
        "clawbench.deployment": spec.deployment,
        "clawbench.run_id": spec.run_id,
        "clawbench.sandbox": spec.key,
        "clawbench.role": spec.role,
        "clawbench.workdir": spec.workdir,
        "clawbench.spec": digest(spec),
    }
    try:
        api.create_container(
            image=spec.image.reference,
            entrypoint=COMMAND,
            command=[],
            user="0:0",
            working_dir="/",
            hostname="sandbox",
            healthcheck={"test": ["NONE"]},
            labels=labels,
            name=named(spec.key),
            host_config=host_config(spec, directory),
        )
    except APIError as error:
        if error.status_code != 409:
            raise
        return _existing(api, named(spec.key)), False
    return api.inspect_container(named(spec.key)), True


def _existing(api: APIClient, name: str) -> dict[str, Any]:
    """The container whose name is taken; the engine takes a name a moment before it shows the container."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            return api.inspect_container(name)
        except NotFound:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def remove(api: APIClient, name: str, key: str) -> None:
    """Remove the container of that key, whatever its state; return when it is gone."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            if api.inspect_container(name)["Config"]["Labels"].get("clawbench.sandbox") != key:
                return  # not ours
            api.remove_container(name, force=True, v=True)
        except NotFound:
            return
        except APIError as error:  # somebody else is removing it
            if error.status_code != 409 or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
