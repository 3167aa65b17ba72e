"""Files and trees: what every provider's sandbox lets in and out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from providers.base import ArchiveRefused, PathDenied, PathMissing, SandboxError, TransferTooLarge, TreeLimits
from tests.providers.conftest import Make, Run, command

pytestmark = pytest.mark.proves("sandbox.contract")

DATA = bytes(range(256)) * 4096


async def test_files_keep_every_byte_and_are_read_in_parts(box) -> None:
    await box.write("deep/er/file.bin", DATA, mode=0o640)
    assert (await box.read("deep/er/file.bin", limit=2 * len(DATA))).data == DATA
    part = await box.read(f"{box.workdir}/deep/er/file.bin", offset=len(DATA) - 3, limit=100)
    assert (part.data, part.offset, part.size) == (DATA[-3:], len(DATA) - 3, len(DATA))
    assert (await box.read("deep/er/file.bin", offset=len(DATA) + 5)).data == b""
    found = await box.stat("deep/er/file.bin")
    assert (found.kind, found.size, found.mode) == ("file", len(DATA), 0o640)
    await box.write("deep/er/file.bin", b"short")
    assert (await box.stat("deep/er/file.bin")).mode == 0o640
    assert (await box.read("deep/er/file.bin")).data == b"short"


async def test_what_is_not_a_file_is_not_read_or_written(box, run: Run) -> None:
    await run("mkdir directory; mkfifo pipe; ln -s loop loop; ln -s /dev/zero zero")
    with pytest.raises(PathMissing):
        await box.read("nothing")
    with pytest.raises(PathMissing):
        await box.listdir("nothing")
    for name in ("directory", "pipe", "loop", "zero", "a\0b"):
        async with asyncio.timeout(10):
            with pytest.raises(PathDenied):
                await box.read(name)
            with pytest.raises(PathDenied):
                await box.write(name, b"x")


async def test_a_path_kept_within_a_directory_cannot_leave_it(box, run: Run) -> None:
    await run(
        "mkdir in out; echo secret > out/f; echo ok > in/here;"
        "ln -s ../out in/up; ln -s ../out/f in/file; ln -s here in/same"
    )
    assert (await box.read("in/same", within="in")).data == b"ok\n"
    assert (await box.stat("in/file", within="in")).kind == "link"
    for path in ("in/up/f", "in/file", "in/../out/f", f"{box.workdir}/out/f", "/etc/passwd", "in/up/new"):
        with pytest.raises(PathDenied):
            await box.read(path, within="in")
        with pytest.raises(PathDenied):
            await box.write(path, b"changed", within="in")
    for path in ("in/up", "out", ".."):
        with pytest.raises(PathDenied):
            await box.listdir(path, within="in")
    with pytest.raises(PathDenied):
        await box.stat("in/up/f", within="in")
    assert (await run("cat out/f; ls out | wc -l")).output == b"secret\n1\n"


async def test_directories_are_listed_sorted_bounded_and_without_following_links(box, run: Run) -> None:
    await run(r"mkdir -p a/b/c; echo 1 > a/b/f; ln -s / root; touch z $'odd\xff'; chmod 700 a")
    shallow = await box.listdir(".")
    assert [(entry.path, entry.kind) for entry in shallow] == [
        ("a", "dir"),
        ("odd\\xff", "file"),
        ("root", "link"),
        ("z", "file"),
    ]
    deep = [entry.path for entry in await box.listdir(".", depth=3, within=".")]
    assert deep == ["a", "a/b", "a/b/c", "a/b/f", "odd\\xff", "root", "z"]
    assert [entry.path for entry in await box.listdir(".", depth=9, limit=3)] == ["a", "a/b", "a/b/c"]
    assert (await box.listdir("a"))[0].path == "b"


async def test_more_than_one_write_may_hold_is_refused(box) -> None:
    with pytest.raises(TransferTooLarge):
        await box.write("big", b"x" * (16 * 1024 * 1024 + 1))


def content(root: Path) -> dict[str, Any]:
    """A small tree by name: bytes and mode of files, destinations of links, None for directories."""
    return {
        str(path.relative_to(root)): f"-> {path.readlink()}"
        if path.is_symlink()
        else (path.read_bytes(), path.stat().st_mode & 0o7777)
        if path.is_file()
        else None
        for path in sorted(root.rglob("*"))
    }


async def test_trees_go_in_and_come_out_as_they_were(make: Make, tmp_path: Path) -> None:
    box = await make()
    source = tmp_path / "source"
    (source / "sub" / "empty").mkdir(parents=True)
    (source / "sub" / "tool").write_bytes(DATA)
    (source / "sub" / "tool").chmod(0o750)
    (source / "link").symlink_to("sub/tool")
    await box.put_tree(source, "in/tree")
    found = await box.exec(
        command("test -O in/tree/sub/tool && in/tree/link; chmod u+s in/tree/sub/tool; ln in/tree/sub/tool hard")
    )
    assert found.exit_code == 0 or found.output
    with pytest.raises(SandboxError):
        await box.get_tree(("in",), tmp_path / "early", limits=TreeLimits())
    await box.pause()
    await box.pause()
    wanted = ("in/tree", "hard", "in/tree/sub", "not/there", f"{box.workdir}/in/tree/link")
    got = await box.get_tree(wanted, tmp_path / "out", limits=TreeLimits())
    assert got == [name for name in wanted if name != "not/there"]
    assert content(tmp_path / "out" / "in" / "tree") == content(source)
    assert (tmp_path / "out" / "hard").read_bytes() == DATA
    with pytest.raises(PathDenied):
        await box.get_tree(("in",), tmp_path / "out", limits=TreeLimits())


async def test_the_whole_working_directory_comes_out_with_hard_links_as_copies(make: Make, tmp_path: Path) -> None:
    box = await make()
    await box.exec(command("mkdir d; echo one > d/a; ln d/a d/b; ln -s d/a link; ln -s ../link d/up"))
    await box.pause()
    assert await box.get_tree((".",), tmp_path / "out", limits=TreeLimits()) == ["."]
    out = tmp_path / "out"
    assert (out / "d" / "a").read_bytes() == (out / "d" / "b").read_bytes() == b"one\n"
    assert (out / "d" / "a").stat().st_nlink == 1
    assert (out / "link").readlink() == Path("d/a") and (out / "d" / "up").readlink() == Path("../link")


HOSTILE = {
    "absolute": ("ln -s /etc/passwd {}/x", ArchiveRefused),
    "outward": ("ln -s ../../x {}/x", ArchiveRefused),
    "winding": ("ln -s d/../../../x {}/x", ArchiveRefused),
    "fifo": ("mkfifo {}/x", ArchiveRefused),
    "many": ("seq 60 | sed 's,^,{}/,' | xargs touch", TransferTooLarge),
    "large": ("head -c 300000 /dev/zero > {}/x", TransferTooLarge),
    "sparse": ("truncate -s 100G {}/x", TransferTooLarge),
    "deep": ("mkdir -p {}/1/2/3/4/5/6/7/8/9", TransferTooLarge),
}


async def test_hostile_trees_are_refused_and_leave_nothing(make: Make, tmp_path: Path) -> None:
    box = await make()
    for name, (script, _) in HOSTILE.items():
        made = await box.exec(command(f"mkdir {name} && {script.format(name)}"))
        assert made.exit_code == 0, made.output
    await box.exec(
        command("mkdir real; echo hi > real/f; ln -s real alias; ln -s /etc etc; ln -s /proc/self/root alias2")
    )
    await box.pause()
    limits = TreeLimits(max_bytes=200_000, max_files=50, max_depth=8)
    for name, (_, error) in HOSTILE.items():
        with pytest.raises(error):
            await box.get_tree((name,), tmp_path / name, limits=limits)
        assert not (tmp_path / name).exists()
    for path in ("alias/f", "etc/passwd", "alias2/etc/passwd"):
        with pytest.raises(ArchiveRefused):
            await box.get_tree((path,), tmp_path / "below", limits=limits)
    for path in ("/etc", "../x", "real/../../etc", "/"):
        with pytest.raises(PathDenied):
            await box.get_tree((path,), tmp_path / "outside", limits=limits)
    assert await box.get_tree(("real", "alias"), tmp_path / "fine", limits=limits) == ["real", "alias"]


async def test_six_thousand_files_are_refused_by_count(make: Make, tmp_path: Path) -> None:
    box = await make()
    await box.exec(command("mkdir many; cd many; seq 6000 | xargs touch"))
    await box.pause()
    with pytest.raises(TransferTooLarge):
        await box.get_tree(("many",), tmp_path / "out", limits=TreeLimits())
