"""A trial's declared outputs as one archive: how they are kept, and how they are laid out for the verifier."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath

from providers import base
from providers.archive import Extraction, pack

_TOP = "outputs"


async def collect(sandbox: base.Sandbox, paths: tuple[str, ...]) -> bytes:
    """Take the paths out of a paused sandbox and give them as an archive. Raises ArchiveRefused, TransferTooLarge."""
    with tempfile.TemporaryDirectory(prefix="clawbench-outputs-") as place:
        target = Path(place) / "tree"
        await sandbox.get_tree(paths, target, limits=base.TreeLimits())
        target.mkdir(exist_ok=True)
        with pack(target, _TOP, owner=0, above=[_TOP]) as archive:
            return archive.read()


def lay_out(archive: bytes, target: Path) -> None:
    """Write a kept archive's files below `target`, as carefully as they were taken out."""
    extraction = Extraction(target, base.TreeLimits())
    extraction.take([archive], PurePosixPath("."))
    extraction.finish()
