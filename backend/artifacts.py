"""Bytes by their SHA-256. A directory now; an object store can take its place behind the same protocol."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class ArtifactStore(Protocol):
    """Keeps bytes under their own hash; putting the same bytes twice keeps them once."""

    async def put(self, data: bytes) -> str:
        """Keep the bytes durably; gives their SHA-256 in hex."""
        ...

    async def get(self, sha256: str, *, offset: int = 0, limit: int | None = None) -> bytes:
        """Give the bytes from `offset`. Raises FileNotFoundError."""
        ...


@dataclass(frozen=True, slots=True)
class DirectoryStore:
    """An artifact store in a private directory, two levels deep."""

    root: Path

    async def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        await asyncio.to_thread(self._write, self._path(digest), data)
        return digest

    async def get(self, sha256: str, *, offset: int = 0, limit: int | None = None) -> bytes:
        return await asyncio.to_thread(self._read, self._path(sha256), offset, limit)

    def _path(self, digest: str) -> Path:
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise FileNotFoundError(digest)
        return self.root / digest[:2] / digest[2:4] / digest

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    @staticmethod
    def _read(path: Path, offset: int, limit: int | None) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(-1 if limit is None else limit)
