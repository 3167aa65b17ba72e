"""Images: found by name, pulled, or built once per content."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections import defaultdict
from pathlib import Path

from docker import APIClient
from docker.errors import APIError, BuildError, ImageNotFound

from providers.base import ImageRef, ImageSpec, ImageUnavailable
from providers.docker.engine import Engine, explanation

LOG_TAIL = 4_000
FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE | re.MULTILINE)


class Images:
    """The engine's images; building the same content twice at a time happens once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._building: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def prepare(self, image: ImageSpec) -> ImageRef:
        """Find, pull or build an image and pin it by its id. Raises ImageUnavailable."""
        if image.context is None:
            return _ref(await self._named(image.name))
        context = image.context
        try:
            recipe = (context / "Dockerfile").read_text()
            content = await asyncio.to_thread(digest, context)
        except OSError as error:
            raise ImageUnavailable(f"{context} cannot be built: {error.strerror} ({error.filename}).") from error
        parents = [await self._named(name) for name in bases(recipe)]
        key = hashlib.sha256("\n".join([content, *parents]).encode()).hexdigest()[:16]
        tag = f"{image.name}:{key}"
        async with self._building[tag]:
            found = await self._engine.call(lambda api: _local(api, tag), missing=ImageUnavailable)
            return _ref(
                found or await self._engine.call(lambda api: _build(api, context, tag), missing=ImageUnavailable)
            )

    async def _named(self, name: str) -> str:
        def work(api: APIClient) -> str:
            if found := _local(api, name):
                return found
            try:
                api.pull(name, tag=None if "@" in name or ":" in name.rpartition("/")[2] else "latest")
            except APIError as error:
                remedy = (
                    f"Pull or build it on the machine first, or set CLAWBENCH_IMAGE_ALIASES={name}=<image you have>."
                )
                raise ImageUnavailable(
                    f"{name} is not here and cannot be pulled: {explanation(error)} {remedy}"
                ) from error
            return api.inspect_image(name)["Id"]

        async with self._building[name]:
            return await self._engine.call(work, missing=ImageUnavailable)


def _ref(image_id: str) -> ImageRef:
    return ImageRef(reference=image_id, digest=image_id)


def _local(api: APIClient, name: str) -> str | None:
    try:
        return api.inspect_image(name)["Id"]
    except ImageNotFound:
        return None


def _build(api: APIClient, context: Path, tag: str) -> str:
    log = ""
    try:
        lines = api.build(
            path=str(context), tag=tag, rm=True, forcerm=True, decode=True, network_mode="host", timeout=1800
        )
        for line in lines:
            log = (log + line.get("stream", "") + line.get("error", ""))[-LOG_TAIL:]
            if "error" in line:
                raise ImageUnavailable(f"Building {tag} failed; its log ends with:\n{log}")
    except (BuildError, TypeError) as error:
        raise ImageUnavailable(f"{context} cannot be built: {error}") from error
    return api.inspect_image(tag)["Id"]


def bases(recipe: str) -> list[str]:
    """The images that a Dockerfile starts from, without its own stages and `scratch`."""
    found = FROM.findall(recipe)
    stages = {stage.lower() for _, stage in found}
    return [name for name, _ in found if name.lower() not in stages | {"scratch"}]


def digest(context: Path) -> str:
    """A hash of a directory's names, contents and modes that no clock or order changes."""
    total = hashlib.sha256()
    for path in sorted(context.rglob("*")):
        kind = "link" if path.is_symlink() else "file" if path.is_file() else "dir"
        content = os.readlink(path).encode() if kind == "link" else path.read_bytes() if kind == "file" else b""
        runnable = kind == "file" and bool(path.stat().st_mode & 0o100)
        head = f"{path.relative_to(context)}\0{kind}\0{runnable}\0{hashlib.sha256(content).hexdigest()}\n"
        total.update(head.encode("utf-8", "surrogateescape"))
    return total.hexdigest()
