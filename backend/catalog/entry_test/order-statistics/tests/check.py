"""Hidden checks: small inputs against a plain reference, large inputs against a fast one, with a limit of time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator

from clawbench_checks import PYTHON, Work, check, expect

LIMIT = 20.0


def plain(commands: list[str]) -> Iterator[str]:
    """The reference for small inputs: the crowd is a list in the order of adding."""
    crowd = list[int]()
    for command in commands:
        name, *arguments = command.split()
        numbers = [int(argument) for argument in arguments]
        if name == "+":
            crowd.append(numbers[0])
        elif name == "-" and numbers[0] in crowd:
            del crowd[len(crowd) - 1 - crowd[::-1].index(numbers[0])]
        elif name == "~" and len(crowd) > numbers[0]:
            crowd = crowd[len(crowd) - numbers[0] :]
        elif name in "?<#m":
            yield answer(sorted(crowd), name, numbers)


def answer(ordered: list[int], name: str, numbers: list[int]) -> str:
    if name == "?":
        return str(ordered[numbers[0] - 1]) if 1 <= numbers[0] <= len(ordered) else "none"
    if name == "<":
        return str(sum(n < numbers[0] for n in ordered))
    if name == "#":
        return str(sum(numbers[0] <= n <= numbers[1] for n in ordered))
    return median(ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]) if ordered else "none"


def median(low: int, high: int) -> str:
    total = low + high
    return str(total // 2) if total % 2 == 0 else f"{'-' if total < 0 else ''}{abs(total) // 2}.5"


def mixture(work: Work, length: int, spread: int) -> list[str]:
    random, made, added = work.random, ["+ 0"], [0]
    for _ in range(length):
        x, y = random.randint(-spread, spread), random.randint(-spread, spread)
        old = random.choice(added) if spread > 100 else y
        added.append(x)
        changes = [f"+ {x}", f"+ {x}", f"+ {old}", f"- {old}", f"- {x}", f"~ {random.randrange(12)}"]
        questions = [f"? {random.randint(-1, 12)}", f"< {x}", f"< {old}", f"# {x} {y}", f"# {old} {x}", "m", "m"]
        made += random.choices(changes[:5] if random.random() < 0.9 else changes, k=2)
        made.append(random.choice(questions))
    return made


def expect_answers(work: Work, commands: list[str], expected: list[str], what: str, timeout: float = 10) -> None:
    ran = work.run([PYTHON, "src/crowd.py"], stdin=("\n".join(commands) + "\n").encode(), timeout=timeout).ok()
    expect(ran.text() == "".join(f"{line}\n" for line in expected), f"wrong answers to {what}")


@check("small inputs of every kind are answered")
def small(work: Work) -> None:
    for length, spread in [(1, 2), (10, 2), (40, 3), (200, 4), (400, 10), (600, 10**15)] * 3:
        commands = mixture(work, length, spread)
        expect_answers(work, commands, list(plain(commands)), "a small input")


@check("an empty input gives an empty output")
def nothing(work: Work) -> None:
    expect(work.run([PYTHON, "src/crowd.py"]).ok().stdout == b"", "an empty input gives an output")


@check("a large crowd is asked quickly")
def asked(work: Work) -> None:
    size, offset = 100_000, work.random.randint(-(10**14), 10**14)
    values = work.random.sample(range(size * 7), size)
    ordered = sorted(values)
    commands, expected = [f"+ {offset + value}" for value in values], list[str]()
    for _ in range(33_000):
        k = work.random.randrange(size)
        commands += [f"? {k + 1}", f"< {offset + ordered[k]}", f"# {offset + ordered[k // 2]} {offset + ordered[k]}"]
        expected += [str(offset + ordered[k]), str(k), str(k - k // 2 + 1)]
    expect_answers(work, commands, expected, "a large input of questions", LIMIT)


@check("a large crowd moves quickly")
def moves(work: Work) -> None:
    size = 65_000
    start = work.random.randint(-(10**12), 10**12)
    commands, expected = [f"+ {start + 2 * n}" for n in range(size)], list[str]()
    for n in range(size):
        commands += [f"- {start + 2 * n}", "m"]
        low, high = n + 1 + (size - n - 2) // 2, n + 1 + (size - n - 1) // 2
        expected.append(median(start + 2 * low, start + 2 * high) if n + 1 < size else "none")
    expect_answers(work, commands, expected, "a large moving input", LIMIT)


@check("a large window slides quickly")
def slides(work: Work) -> None:
    width, window, ordered = 20_000, deque[int](), list[int]()
    commands, expected = list[str](), list[str]()
    for _ in range(66_000):
        value = work.random.randrange(-(10**15), 10**15)
        window.append(value)
        insort(ordered, value)
        if len(window) > width:
            del ordered[bisect_left(ordered, window.popleft())]
        commands += [f"+ {value}", f"~ {width}", f"< {value}"]
        expected.append(str(bisect_left(ordered, value)))
    expect_answers(work, commands, expected, "a large sliding input", LIMIT)
