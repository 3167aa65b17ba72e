"""Trees in and out of a sandbox as tar streams. What comes out is hostile: it is taken apart here, name by name."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from providers.base import MIB, ArchiveRefused, PathDenied, TransferTooLarge, TreeLimits


def relative(path: str, workdir: str) -> PurePosixPath:
    """Where a path given absolute, or relative to the working directory, is below it. Raises PathDenied elsewhere."""
    given = PurePosixPath(path)
    try:
        below = given.relative_to(workdir) if given.is_absolute() else given
    except ValueError:
        raise PathDenied(f"{path} is outside of {workdir}; only what is inside can be taken out.") from None
    if ".." in below.parts or "\0" in path:
        raise PathDenied(f"{path} may leave {workdir}; write it without `..`.")
    return below


def outermost(paths: Iterable[PurePosixPath]) -> list[PurePosixPath]:
    """The paths in their order, without those that another one contains."""
    unique = list(dict.fromkeys(paths))
    return [path for path in unique if not any(other in path.parents for other in unique)]


@contextmanager
def landing(target: Path) -> Iterator[Path]:
    """A directory that holds the whole tree at the end, or nothing when taking it out failed."""
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise PathDenied(f"{target} is not empty; trees are taken out into a directory of their own.")
    try:
        yield target
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


class _Stream(io.RawIOBase):
    """Chunks as a file; more than `limit` bytes of it are refused, whatever the archive's headers say."""

    def __init__(self, chunks: Iterable[bytes], limit: int) -> None:
        self._chunks, self._rest, self._left = iter(chunks), b"", limit

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._left -= len(chunk)
            if self._left < 0:
                raise TransferTooLarge("The archive is larger than its limits allow.")
            self._rest += chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


class Extraction:
    """Takes archives apart below one empty directory, within one budget.

    Only regular files, directories, links that stay inside, and hard links to files taken out before; links are made
    last, so that nothing is ever written through one. Names, sizes, counts and depths are checked before any use.
    """

    def __init__(self, target: Path, limits: TreeLimits) -> None:
        self._target, self._limits = target, limits
        self._bytes = self._files = 0
        self._links: dict[PurePosixPath, str] = {}
        self._modes: dict[PurePosixPath, int] = {}

    def take(self, chunks: Iterable[bytes], at: PurePosixPath) -> None:
        """Take one archive apart, whose single topmost name becomes `at`. Raises ArchiveRefused, TransferTooLarge."""
        left = self._limits.max_bytes - self._bytes + 4096 * (self._limits.max_files + 16)
        try:
            with tarfile.open(fileobj=_Stream(chunks, left), mode="r|", bufsize=64 * 1024) as tar:
                for member in tar:
                    self._member(tar, member, at)
        except (tarfile.TarError, EOFError, UnicodeError) as error:
            raise ArchiveRefused(f"The archive cannot be read: {error}") from error
        except OSError as error:  # a name too long, a file where a directory must be, the same name twice
            raise ArchiveRefused(f"The archive cannot be laid out here: {error.strerror}") from error

    def finish(self) -> None:
        """Make the links and set the directories' modes, now that every file is in its place."""
        for place, destination in self._links.items():
            self._directory(place.parent)
            try:
                (self._target / place).symlink_to(destination)
            except OSError as error:
                raise ArchiveRefused(f"{_shown(place)} cannot be a link here: {error.strerror}") from error
        for place, mode in self._modes.items():
            (self._target / place).chmod(mode & 0o777 | 0o700)

    def _member(self, tar: tarfile.TarFile, member: tarfile.TarInfo, at: PurePosixPath) -> None:
        place = _place(member.name, at)
        if member.isdir():
            self._count(place, 0)
            self._directory(place)
            self._modes[place] = member.mode
        elif member.issym():
            self._count(place, 0)
            self._links[place] = _inner(place, member.linkname)
        elif member.islnk():
            self._copy(place, _place(member.linkname, at))
        elif member.isreg() and not member.issparse():
            self._count(place, member.size)
            self._write(place, tar.extractfile(member), member.mode)
        else:
            raise ArchiveRefused(f"{_shown(place)} is neither a plain file, nor a directory, nor an inner link.")

    def _count(self, place: PurePosixPath, size: int) -> None:
        self._files += 1
        self._bytes += size
        if self._files > self._limits.max_files:
            raise TransferTooLarge(f"The tree holds more than {self._limits.max_files} entries.")
        if self._bytes > self._limits.max_bytes:
            raise TransferTooLarge(f"The tree holds more than {self._limits.max_bytes} bytes.")
        if len(place.parts) > self._limits.max_depth:
            raise TransferTooLarge(f"The tree is deeper than {self._limits.max_depth} directories.")

    def _directory(self, place: PurePosixPath) -> None:
        """Make a directory and those above it, real ones all."""
        path = self._target
        for part in place.parts:
            path = path / part
            if not os.path.lexists(path):
                path.mkdir()
            elif not stat.S_ISDIR(path.lstat().st_mode):
                raise ArchiveRefused(f"{_shown(place)} leads through something that is not a directory.")

    def _write(self, place: PurePosixPath, data: IO[bytes] | None, mode: int) -> None:
        self._directory(place.parent)
        fd = os.open(self._target / place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            if data is not None:
                shutil.copyfileobj(data, file, 1024 * 1024)
            os.fchmod(fd, mode & 0o777 | 0o400)  # set-user-id and its like stay behind

    def _copy(self, place: PurePosixPath, source: PurePosixPath) -> None:
        """Lay a hard link out as a copy: it shares nothing, and its bytes count."""
        path = self._target / source
        self._directory(source.parent)
        if not os.path.lexists(path) or not stat.S_ISREG(path.lstat().st_mode):
            raise ArchiveRefused(f"{_shown(place)} is a hard link to something outside of the tree.")
        self._count(place, path.lstat().st_size)
        with path.open("rb") as data:
            self._write(place, data, path.lstat().st_mode)


def _shown(place: PurePosixPath) -> str:
    return ascii(str(place))[:200]


def _place(name: str, at: PurePosixPath) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise ArchiveRefused(f"{_shown(path)} is a name that could lead out of the tree.")
    return at.joinpath(*path.parts[1:])


def _inner(place: PurePosixPath, destination: str) -> str:
    """The link's destination, if it cannot lead out: relative, and never up again once it went down."""
    path = PurePosixPath(destination)
    ups = next((index for index, part in enumerate(path.parts) if part != ".."), len(path.parts))
    if not destination or path.is_absolute() or ".." in path.parts[ups:] or ups > len(place.parent.parts):
        raise ArchiveRefused(f"{_shown(place)} is a link that leads out of the tree.")
    return destination


def pack(source: Path, name: str, *, owner: int, above: Iterable[str] = ()) -> IO[bytes]:
    """Pack a trusted directory's content below `name`, owned by `owner`; `above` are directories to be made for it.

    Raises: ArchiveRefused for anything but files, directories and links.
    """

    def clean(member: tarfile.TarInfo) -> tarfile.TarInfo:
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            raise ArchiveRefused(f"{_shown(PurePosixPath(member.name))} is neither file, directory nor link.")
        member.uid = member.gid = owner
        member.uname = member.gname = ""
        member.mode &= 0o777
        return member

    def directory(path: str, uid: int) -> tarfile.TarInfo:
        member = tarfile.TarInfo(path)
        member.type, member.mode, member.uid, member.gid = tarfile.DIRTYPE, 0o755, uid, uid
        return member

    file = tempfile.SpooledTemporaryFile(max_size=16 * MIB)  # noqa: SIM115  # the caller reads and closes it
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in above:
            tar.addfile(directory(path, owner if path == name else 0))
        for entry in sorted(source.iterdir()):
            tar.add(entry, arcname=f"{name}/{entry.name}" if name else entry.name, filter=clean)
    file.seek(0)
    return file
