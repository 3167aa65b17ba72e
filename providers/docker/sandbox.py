"""One Docker container as a sandbox: its runner does commands and files, the engine does trees and the rest."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from docker import APIClient
from docker.errors import APIError

from providers.archive import Extraction, landing, outermost, pack, relative
from providers.base import ArchiveRefused, PathDenied, SandboxError, SandboxInfo, TreeLimits
from providers.channel import Channel, Served
from providers.docker.engine import ANSWER_S, Engine
from providers.docker.sealing import AGENT

GO_SYMLINK = 1 << 27


class DockerSandbox(Served):
    """A container that runs the runner; what it holds is gone with it."""

    def __init__(
        self, engine: Engine, channel: Channel, info: SandboxInfo, workdir: str, remove: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(channel, workdir)
        self.info = info
        self._engine = engine
        self._remove = remove

    async def pause(self) -> None:
        """Freeze every process, from outside; pausing what is paused is success."""

        def work(api: APIClient) -> None:
            try:
                api.pause(self.info.external_id)
            except APIError:
                if not api.inspect_container(self.info.external_id)["State"]["Paused"]:
                    raise

        await self._engine.call(work)

    async def put_tree(self, source: Path, target: str, *, owner: Literal["agent", "root"] = "agent") -> None:
        """Copy a trusted directory's content into `target`, which is made if it is not there."""
        place = PurePosixPath(self.workdir, target)
        if ".." in place.parts or "\0" in target:
            raise PathDenied(f"{target}: write the directory without `..`.")

        def work(api: APIClient) -> None:
            missing = []
            for path in [*reversed(place.parents), place]:
                found = _stat(api, self.info.external_id, path)
                if found is None:
                    missing.append(str(path).lstrip("/"))
                elif found["mode"] & GO_SYMLINK:
                    raise PathDenied(f"{path} is a link; trees are put into real directories only.")
            uid = AGENT if owner == "agent" else 0
            with pack(source, str(place).lstrip("/"), owner=uid, above=missing) as archive:
                api.put_archive(self.info.external_id, "/", archive)

        await self._engine.call(work)

    async def get_tree(self, paths: tuple[str, ...], target: Path, *, limits: TreeLimits) -> list[str]:
        """Take files and directories out of the frozen container, read by the engine and taken apart here."""
        places = {path: relative(path, self.workdir) for path in paths}

        def work(api: APIClient) -> None:
            if not api.inspect_container(self.info.external_id)["State"]["Paused"]:
                raise SandboxError("Trees are taken out of a paused sandbox only; pause it first.")
            with landing(target):
                extraction = Extraction(target, limits)
                for place in outermost(places.values()):
                    if self._is_there(api, place):
                        path = str(PurePosixPath(self.workdir, place))
                        chunks, _ = api.get_archive(self.info.external_id, path)
                        extraction.take(chunks, place)
                extraction.finish()

        await self._engine.call(work)
        return [path for path, place in places.items() if os.path.lexists(target / place)]

    def _is_there(self, api: APIClient, place: PurePosixPath) -> bool:
        """Whether a path exists, reached through real directories: the engine reads as root and would follow links."""
        for above in [*reversed(place.parents), place]:
            found = _stat(api, self.info.external_id, PurePosixPath(self.workdir, above))
            if found is None:
                return False
            if found["mode"] & GO_SYMLINK and above != place:
                raise ArchiveRefused(f"{str(above)!a} is a link, so what is said to be below it is not.")
        return True

    async def destroy(self) -> None:
        await self._remove()


def _stat(api: APIClient, container: str, path: PurePosixPath) -> dict[str, Any] | None:
    """What the engine sees at a path, without following a last link; None when nothing is there."""
    url = f"{api.base_url}/v{api.api_version}/containers/{container}/archive"
    response = api.head(url, params={"path": str(path)}, timeout=ANSWER_S)
    if response.status_code == 404:
        return None
    if response.status_code != 200:
        raise SandboxError(f"Docker cannot look at {str(path)!a}: status {response.status_code}.")
    return json.loads(base64.b64decode(response.headers["X-Docker-Container-Path-Stat"]))
