"""The image that all sandbox images build on: there already, pulled, or built from Debian's own archive."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound

from backend.errors import SetupFailed
from backend.settings import Settings
from backend.setup import apt
from backend.setup.progress import Step, run, step

REPOSITORY, TAG, SUITE = "debian", "bookworm-slim", "bookworm"
NAME = f"{REPOSITORY}:{TAG}"
# What the published slim image leaves out as well.
_LEFT_OUT = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "var/cache/apt",
    "var/lib/apt/lists",
)
_PULL_S = 60


def ensure(settings: Settings) -> None:
    """Have the base image in the engine. Raises SetupFailed."""
    with step("Base image") as current:
        try:
            client = docker.from_env(timeout=_PULL_S)
        except DockerException as error:
            raise SetupFailed("The Docker engine does not answer; run `clawbench setup`.") from error
        try:
            if present(client):
                current.done(f"{NAME} is there")
                return
            if _pulled(client, settings.image_aliases.get(NAME, NAME), current):
                current.done(f"{NAME} pulled")
                return
            _build(client, current, log=settings.data / "logs" / "debootstrap.log")
            current.done(f"{NAME} built with debootstrap")
        except (DockerException, OSError) as error:
            raise SetupFailed(f"The base image cannot be made: {' '.join(str(error).split())[:300]}") from error
        finally:
            client.close()


def present(client: DockerClient) -> bool:
    """Whether the engine has the base image."""
    try:
        client.images.get(NAME)
    except ImageNotFound:
        return False
    return True


def _pulled(client: DockerClient, source: str, current: Step) -> bool:
    current.say(f"pulling {source}")
    try:
        if not _known(client, source):
            for line in client.api.pull(source, stream=True, decode=True):
                if "error" in line:
                    return False
                current.note(f"{line.get('status', '')} {line.get('progress', '')}")
        return client.images.get(source).tag(REPOSITORY, TAG)
    except (APIError, ImageNotFound, OSError):
        # No registry in reach: then Debian's archive has to do.
        return False


def _known(client: DockerClient, source: str) -> bool:
    return any(source in (image.tags or []) for image in client.images.list())


def _build(client: DockerClient, current: Step, *, log: Path) -> None:
    if os.geteuid() != 0:
        raise SetupFailed(
            f"No image registry answers and building {NAME} needs root; `docker pull` or `docker load` it."
        )
    if shutil.which("debootstrap") is None:
        apt.install(current, "debootstrap", "debian-archive-keyring")
    with tempfile.TemporaryDirectory(prefix="clawbench-base-", dir="/var/tmp") as work:
        target = Path(work) / "root"
        current.say("no image registry answers; building it with debootstrap")
        run(current, [*_own_mounts(), "debootstrap", "--variant=minbase", SUITE, str(target)], log=log)
        _trim(target)
        current.say("importing it")
        with _tar(target) as stream:
            client.api.import_image_from_stream(stream, repository=REPOSITORY, tag=TAG, changes=['CMD ["bash"]'])


def _own_mounts() -> list[str]:
    """Give debootstrap mounts of its own where we may, so that they end with it and nothing here is touched."""
    command = ["unshare", "--mount", "--propagation", "private"]
    if shutil.which("unshare") and subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0:
        return command
    return []


def _trim(target: Path) -> None:
    for name in _LEFT_OUT:
        directory = target / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True, exist_ok=True)
    (target / "var/lib/apt/lists/partial").mkdir()
    (target / "var/cache/apt/archives/partial").mkdir(parents=True)


@contextmanager
def _tar(directory: Path) -> Iterator[object]:
    command = [
        "tar",
        "--numeric-owner",
        "--one-file-system",
        "--exclude=./proc/*",
        "--exclude=./sys/*",
        "-C",
        str(directory),
        "-c",
        ".",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        yield process.stdout
    finally:
        if process.stdout is not None:
            process.stdout.close()
        process.kill()
        process.wait()
