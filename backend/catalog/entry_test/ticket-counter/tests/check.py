"""Hidden checks: calls that run at the same time, calls that are killed, and files that are no counters."""

from __future__ import annotations

from collections.abc import Sequence

from clawbench_checks import Ran, Work, check, expect


def command(work: Work, *arguments: str) -> list[str]:
    return ["/bin/bash", f"{work.root}/src/next.sh", *arguments]


def numbers(ran: Ran) -> list[int]:
    lines = ran.ok().text().splitlines()
    expect(all(line.isascii() and line.isdigit() and str(int(line)) == line for line in lines), "a line is no number")
    return [int(line) for line in lines]


def counter(directory: Work, name: str) -> int:
    held = directory.read_text(name)
    expect(held.endswith("\n") and held[:-1].isascii() and held[:-1].isdigit(), "the file does not hold a number")
    expect(held[:-1] == str(int(held)), "the file holds a number with leading zeros")
    return int(held)


def left(directory: Work, expected: Sequence[str]) -> None:
    listed = directory.run(["/usr/bin/find", ".", "-mindepth", "1", "-print0"]).ok().text().split("\0")
    extra = {name.removeprefix("./") for name in listed if name} - set(expected) - {f"{name}.lock" for name in expected}
    expect(not extra, "files are left behind")


@check("numbers follow one another")
def sequence(work: Work) -> None:
    for start in (None, 0, 1, 99, 2**31 - 2, 10**17 + work.random.randrange(10**9)):
        files = {} if start is None else {"count": f"{start}\n".encode()}
        with work.scratch(files) as directory:
            last = start or 0
            for count in (1, 3, 1, work.random.randint(4, 50), 1000):
                arguments = ["count"] if count == 1 else ["count", str(count)]
                found = numbers(directory.run(command(work, *arguments)))
                expect(found == list(range(last + 1, last + count + 1)), "wrong numbers are handed out")
                last += count
                expect(counter(directory, "count") == last, "the file does not hold the last number")
            left(directory, ["count"])


@check("any name of a file will do")
def names(work: Work) -> None:
    for name in (
        "two words",
        "-n",
        "--",
        "a*b?",
        "$(touch oops)",
        'it\'s "so"',
        "back\\slash",
        "ümlaut",
        "new\nline",
        "d/e f",
    ):
        with work.scratch({name: b"41\n", "aXb": b"7\n", "other/x": b""}) as directory:
            expect(numbers(directory.run(command(work, name))) == [42], f"the name {name!r} does not work")
            expect(counter(directory, name) == 42 and counter(directory, "aXb") == 7, "the wrong file was written")
            left(directory, [name, "aXb", "other", "other/x", *(["d"] if "/" in name else [])])
    with work.scratch({}) as directory, work.scratch({}) as elsewhere:
        expect(
            numbers(elsewhere.run(command(work, f"{directory.root}/deep count"))) == [1], "absolute paths do not work"
        )
        expect(counter(directory, "deep count") == 1, "absolute paths do not work")


@check("calls at the same time share out the numbers")
def together(work: Work) -> None:
    for files in ({}, {"count": b"1000\n"}, {"count": b"9\n"}):
        with work.scratch(files) as directory:
            before = int(files.get("count", b"0"))
            counts = [work.random.choice((1, 1, 2, 17)) for _ in range(30)]
            calls = [command(work, "count", str(count)) for count in counts]
            found = [numbers(ran) for ran in directory.run_all(calls, timeout=10)]
            for count, mine in zip(counts, found, strict=True):
                expect(
                    len(mine) == count and mine == list(range(mine[0], mine[0] + count)), "one call's numbers have gaps"
                )
            every = sorted(number for mine in found for number in mine)
            expect(every == list(range(before + 1, before + sum(counts) + 1)), "numbers are repeated or skipped")
            expect(counter(directory, "count") == before + sum(counts), "the file does not hold the last number")
            left(directory, ["count"])


@check("a killed call harms nobody")
def killed(work: Work) -> None:
    with work.scratch({"count": b"500\n"}) as directory:
        seen, highest = set[int](), 500
        for _ in range(25):
            wait = work.random.choice((0.0, 0.01, 0.02, 0.03, 0.05))
            calls = [command(work, "count", "20") for _ in range(3)]
            for ran in directory.run_all(calls, timeout=wait):
                whole = ran.stdout[: ran.stdout.rfind(b"\n") + 1].split()
                printed = [int(line) for line in whole]
                expect(not seen & set(printed), "a number was handed out twice after a kill")
                seen |= set(printed)
            held = counter(directory, "count")
            expect(held >= max(seen, default=highest) and held >= highest, "the file fell behind after a kill")
            found = numbers(directory.run(command(work, "count"), timeout=2))
            expect(found == [held + 1] and held + 1 not in seen, "a call after a kill does not go on rightly")
            seen.add(highest := held + 1)


@check("the file is replaced, not rewritten")
def replaced(work: Work) -> None:
    with work.scratch({"count": b"5\n"}) as directory:
        directory.run(["/bin/ln", "count", "before"]).ok()
        expect(numbers(directory.run(command(work, "count"))) == [6], "wrong numbers are handed out")
        expect(directory.read_bytes("before") == b"5\n", "the file was rewritten in place")


@check("what is no counter is left alone")
def refused(work: Work) -> None:
    bad = [
        b"",
        b"\n",
        b"7",
        b"x\n",
        b"007\n",
        b"00\n",
        b"1\n2\n",
        b"1 \n",
        b" 1\n",
        b"-1\n",
        b"1.5\n",
        b"1\n\n",
        b"1\0\n",
    ]
    bad += [b"1\r\n", b"0x10\n", b"9" * 19 + b"\n", b"+1\n", b"1\n\0", "١\n".encode(), b"9" * 18 + b"\n"]
    for held in bad:
        with work.scratch({"count": held}) as directory:
            ran = directory.run(command(work, "count"))
            expect(ran.code == 3 and ran.stdout == b"" and ran.stderr != b"", f"a file with {held!r} is not refused")
            expect(directory.read_bytes("count") == held, "a file that is no counter was changed")
            left(directory, ["count"])


@check("wrong arguments are refused")
def misuse(work: Work) -> None:
    wrong = [
        [],
        ["count", "0"],
        ["count", "1001"],
        ["count", "-1"],
        ["count", "x"],
        ["count", "01"],
        ["count", "1 "],
        ["count", ""],
    ]
    for arguments in [
        *wrong,
        ["count", "1", "2"],
        ["count", "2+2"],
        ["count", "a[$(touch oops)]"],
        ["count", "9" * 30],
        [""],
    ]:
        with work.scratch({"count": b"3\n"}) as directory:
            ran = directory.run(command(work, *arguments))
            expect(
                ran.code == 3 and ran.stdout == b"" and ran.stderr != b"", f"the arguments {arguments} are not refused"
            )
            expect(directory.read_bytes("count") == b"3\n", "the file was changed by a refused call")
            left(directory, ["count"])
