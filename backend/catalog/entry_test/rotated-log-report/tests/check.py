"""Hidden checks: the program is run on generated log directories and compared with a count of our own."""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timedelta

from clawbench_checks import PYTHON, Work, check, expect, same

LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")
LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (DEBUG|INFO|WARN|ERROR) ([a-z0-9-]+): (.+)", re.DOTALL)
STAMP = "%Y-%m-%dT%H:%M:%SZ"
GIVEN = {
    "lines": 41,
    "damaged": 7,
    "repeats": 5,
    "levels": {"DEBUG": 5, "INFO": 24, "WARN": 5, "ERROR": 7},
    "errors": {"billing": 3, "gate-2": 2, "mailer": 2},
    "first": "2024-02-28T23:57:24Z",
    "last": "2024-03-01T00:41:09Z",
    "silence": 45674,
}


def time_of(stamp: bytes) -> datetime | None:
    try:
        return datetime.strptime(stamp.decode(), STAMP) if stamp[17:19] < b"60" else None
    except ValueError:
        return None


def read(line: bytes) -> tuple[datetime, str, str] | None:
    found = LINE.fullmatch(line)
    if found is None or (time := time_of(found[1])) is None:
        return None
    try:
        found[4].decode("utf-8")
    except UnicodeDecodeError:
        return None
    return time, found[2].decode(), found[3].decode()


def report(files: dict[str, bytes]) -> dict[str, object]:
    ages = {name: int(name[8:] or 0) for name in files if re.fullmatch(r"app\.log(\.[1-9][0-9]*)?", name)}
    levels, errors, times = dict.fromkeys(LEVELS, 0), dict[str, int](), list[datetime]()
    damaged, repeats, last = 0, 0, b""
    for name in sorted(ages, key=lambda name: -ages[name]):
        for line in files[name].split(b"\n"):
            if (found := read(line)) is None:
                damaged += line != b""
            elif line == last:
                repeats += 1
            else:
                last = line
                times.append(found[0])
                levels[found[1]] += 1
                if found[1] == "ERROR":
                    errors[found[2]] = errors.get(found[2], 0) + 1
    times.sort()
    gaps = [int((b - a).total_seconds()) for a, b in itertools.pairwise(times)]
    ends = (times[0].strftime(STAMP), times[-1].strftime(STAMP)) if times else (None, None)
    counts = {"lines": len(times), "damaged": damaged, "repeats": repeats, "levels": levels, "errors": errors}
    return {**counts, "first": ends[0], "last": ends[1], "silence": max(gaps, default=0)}


def spoil(good: bytes) -> list[bytes]:
    """Lines near to a valid one; most of them are damaged."""
    cut = [b"", good[:-1], good[:15], good[:22]]
    blanks = [good.replace(b": ", b":"), good.replace(b" ", b"  ", 1), good + b"\r"]
    return [*cut, *blanks, good + b"\xff", b"2023-02-29" + good[10:], good[:17] + b"60" + good[19:]]


def logs(work: Work, files: int, lines: int) -> dict[str, bytes]:
    """A random log directory that holds every trap of the instruction."""
    random, made = work.random, {"app.log.bak": b"2030-01-01T00:00:00Z ERROR trap: ignored\n", "app.log.07": b"x\n"}
    names = ["app.log", *(f"app.log.{n}" for n in random.sample(range(1, 30), files - 1))]
    now, last = datetime(2024, 2, 28, 22) + timedelta(seconds=random.randrange(9999)), b""
    for name in names:
        body = []
        for _ in range(random.randrange(lines)):
            now += timedelta(seconds=random.choice((0, 1, 7, 600, -45, random.randrange(4000))))
            stamp, level = now.strftime(STAMP), random.choice(LEVELS)
            good = f"{stamp} {level} {random.choice(('api', 'db-1', '7'))}: took {random.randrange(50)} ms ü".encode()
            line = random.choice((good, good, good, last, random.choice(spoil(good))))
            last = line if read(line) else last
            body.append(line)
        made[name] = b"\n".join(body) + random.choice((b"", b"\n"))
    return made


@check("report.json is right for the given logs")
def given(work: Work) -> None:
    expect(same(work.read_json("report.json"), GIVEN), "report.json is not what the given logs demand")


@check("the program is right for other logs")
def other(work: Work) -> None:
    program = f"{work.root}/src/report.py"
    for number, (files, lines) in enumerate([(1, 4), (2, 9), (4, 30), (12, 40), (20, 60)] * 3, 1):
        made = logs(work, files, lines)
        with work.scratch({f"in/{name}": data for name, data in made.items()}) as scratch:
            answer = scratch.run([PYTHON, program, "in"]).ok().json()
        expect(same(answer, report(made)), f"the report on hidden directory {number} is wrong")


@check("a directory without logs gives an empty report")
def empty(work: Work) -> None:
    with work.scratch({"in/notes.txt": b"nothing\n"}) as scratch:
        answer = scratch.run([PYTHON, f"{work.root}/src/report.py", "in"]).ok().json()
    expect(same(answer, report({})), "the report on a directory without logs is wrong")
