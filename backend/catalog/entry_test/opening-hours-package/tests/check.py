"""Hidden checks: a driver calls the package in the agent's place; its answers are compared with sets of minutes."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from clawbench_checks import Work, check, expect, same

WEEK, DAY = 10080, 1440
DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
Span = tuple[int, int]
Minutes = frozenset[int]
DRIVER = """
import copy, json, sys
sys.path.insert(0, "src")
import hours
def spans(value):
    return [tuple(span) for span in value] if isinstance(value, list) else value
answers = []
for name, arguments in json.load(sys.stdin):
    given = [spans(value) for value in arguments]
    before = copy.deepcopy(given)
    try:
        answer = getattr(hours, name)(*given)
        shape = all(type(span) is tuple for span in answer) if isinstance(answer, list) else True
        answers.append(["ok" if shape and given == before else "spoilt", answer])
    except ValueError:
        answers.append(["ValueError", None])
print(json.dumps(answers))
"""


def call(work: Work, calls: list[tuple[str, list[object]]]) -> list[object]:
    answers = work.call(DRIVER, calls, timeout=15)
    expect(isinstance(answers, list) and len(answers) == len(calls), "the package did not answer every call")
    return list(answers) if isinstance(answers, list) else []


def compare(work: Work, cases: list[tuple[str, list[object], object]]) -> None:
    answers = call(work, [(name, arguments) for name, arguments, _ in cases])
    for (name, _, expected), answer in zip(cases, answers, strict=True):
        expect(same(answer, expected), f"{name} gives a wrong answer, or changes its arguments")


def minutes(spans: list[Span]) -> Minutes:
    return frozenset(itertools.chain.from_iterable(range(*span) for span in spans))


def spans_of(found: Minutes) -> list[Span]:
    edges = sorted({m for m in found if m - 1 not in found} | {m + 1 for m in found if m + 1 not in found})
    return list(zip(edges[::2], edges[1::2], strict=True))


def ok(value: object) -> list[object]:
    return ["ok", value]


def schedule(work: Work) -> list[Span]:
    starts = [work.random.choice((0, 1, 10079, work.random.randrange(WEEK))) for _ in range(work.random.randrange(8))]
    made = [(start, work.random.choice((start + 1, WEEK, work.random.randint(start + 1, WEEK)))) for start in starts]
    made += [(end, min(WEEK, end + 60)) for _, end in made if end < WEEK and work.random.random() < 0.4]
    work.random.shuffle(made)
    return made


def change(found: Minutes, minute: int) -> int | None:
    now = minute % WEEK in found
    return next((d for d in range(1, WEEK) if ((minute + d) % WEEK in found) != now), None)


def text_of(found: Minutes) -> str:
    lines = []
    for day, name in enumerate(DAYS):
        inside = frozenset(m - day * DAY for m in found if m // DAY == day)
        parts = [f"{s // 60:02}:{s % 60:02}-{e // 60:02}:{e % 60:02}" for s, e in spans_of(inside)]
        lines += [f"{name} {','.join(parts)}"] if parts else []
    return "; ".join(lines)


@check("the sets of minutes are right")
def sets(work: Work) -> None:
    operations: dict[str, Callable[[Minutes, Minutes], Minutes]] = {
        "union": lambda a, b: a | b,
        "intersect": lambda a, b: a & b,
        "subtract": lambda a, b: a - b,
    }
    cases: list[tuple[str, list[object], object]] = []
    for _ in range(60):
        a, b = schedule(work), schedule(work)
        for name, function in operations.items():
            cases.append((name, [a, b], ok(spans_of(function(minutes(a), minutes(b))))))
        cases.append(("tidy", [a], ok(spans_of(minutes(a)))))
        cases.append(("invert", [a], ok(spans_of(minutes([(0, WEEK)]) - minutes(a)))))
    compare(work, cases)


@check("pairs that are no spans are refused")
def refused(work: Work) -> None:
    wrong = [(5, 5), (9, 3), (-1, 4), (10000, 10081)]
    compare(work, [("tidy", [[(1, 2), pair]], ["ValueError", None]) for pair in wrong])


@check("open minutes and changes are right")
def moments(work: Work) -> None:
    cases: list[tuple[str, list[object], object]] = []
    for a in (
        [],
        [(0, WEEK)],
        [(0, 1)],
        [(10079, WEEK)],
        [(0, 5), (10000, WEEK)],
        *(schedule(work) for _ in range(30)),
    ):
        found = minutes(a)
        for at in (0, 10079, 10080, -1, 25000, work.random.randrange(WEEK), *(edge for span in a[:3] for edge in span)):
            cases.append(("is_open", [a, at], ok(at % WEEK in found)))
            cases.append(("next_change", [a, at], ok(change(found, at))))
    compare(work, cases)


@check("schedules are written rightly")
def written(work: Work) -> None:
    schedules = [[], [(0, WEEK)], [(1320, 1560), (1980, 2190)], *(schedule(work) for _ in range(30))]
    compare(work, [("render", [a], ok(text_of(minutes(a)))) for a in schedules])


def rule(work: Work) -> tuple[str, list[int], list[Span]]:
    """A random rule: its text, its days, and its spans relative to the day."""
    days, names = list[int](), list[str]()
    for _ in range(work.random.randint(1, 3)):
        first, length = work.random.randrange(7), work.random.choice((0, 0, 1, 3, 5))
        days += [(first + n) % 7 for n in range(length + 1)]
        names.append(DAYS[first] + (f"-{DAYS[(first + length) % 7]}" if length or work.random.random() < 0.2 else ""))
    if work.random.random() < 0.2:
        return f"{','.join(names)} off", days, []
    spans, parts = list[Span](), list[str]()
    for _ in range(work.random.randint(1, 3)):
        start, end = work.random.randrange(DAY), work.random.choice((0, DAY, 360, work.random.randint(0, DAY)))
        parts.append(f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}")
        spans.append((start, end if end > start else end + DAY))
    return f"{','.join(names)} {','.join(parts)}", days, spans


@check("texts are read rightly")
def texts(work: Work) -> None:
    cases: list[tuple[str, list[object], object]] = [("parse", [blank], ok([])) for blank in ("", " ; ;", "Mo off")]
    cases.append(("parse", ["Mo 10:00-10:00"], ok([(600, 2040)])))
    cases.append(("parse", ["Su 22:00-02:00;Mo 01:00-03:00"], ok([(0, 180), (9960, 10080)])))
    for _ in range(80):
        own, written = dict[int, list[Span]](), list[str]()
        for _ in range(work.random.randint(1, 4)):
            text, days, spans = rule(work)
            own |= dict.fromkeys(days, spans)
            written.append(" " * work.random.randrange(2) + text + " " * work.random.randrange(2))
        found = {(day * DAY + m) % WEEK for day, spans in own.items() for m in minutes(spans)}
        cases.append(("parse", [";".join(written)], ok(spans_of(frozenset(found)))))
    compare(work, cases)


@check("what is no opening hours is refused")
def misuse(work: Work) -> None:
    wrong = [
        "Mo",
        "09:00-12:00",
        "mo 09:00-12:00",
        "Mo 9:00-12:00",
        "Mo 09:00-25:00",
        "Mo 24:00-24:00",
        "Mo 09:60-10:00",
    ]
    wrong += ["Mo  09:00-12:00", "Mo 09:00-12:00,", "Mo, 09:00-12:00", "Mo-We-Fr 09:00-12:00", "Mo 09:00", "Mo Off"]
    wrong += [
        "Mo 09:00-12:00 13:00-14:00",
        "Mo 09:00-24:01",
        "Mo,Tu- off",
        "Mo +9:00-12:00",
        "Mo 09:00 -12:00",
        "Xx off",
    ]
    wrong += ["Mo off,09:00-10:00", "Mo 09:00-12:00\n", "Mo\t09:00-12:00", "Mo 0９:00-12:00"]
    compare(work, [("parse", [text], ["ValueError", None]) for text in wrong])
