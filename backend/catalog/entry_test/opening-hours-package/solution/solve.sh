set -euo pipefail
cat > src/hours/schedule.py <<'PY'
"""Arithmetic with spans of the week."""

WEEK = 7 * 24 * 60


def tidy(spans):
    result = []
    for start, end in sorted(_checked(span) for span in spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def _checked(span):
    start, end = span
    if not 0 <= start < end <= WEEK:
        raise ValueError(f"{span!r} is not a span of the week")
    return start, end


def union(a, b):
    return tidy([*a, *b])


def invert(a):
    result, at = [], 0
    for start, end in tidy(a):
        if at < start:
            result.append((at, start))
        at = end
    if at < WEEK:
        result.append((at, WEEK))
    return result


def intersect(a, b):
    return tidy([(max(s, t), min(e, f)) for s, e in tidy(a) for t, f in tidy(b) if max(s, t) < min(e, f)])


def subtract(a, b):
    return intersect(a, invert(b))


def is_open(a, minute):
    minute %= WEEK
    return any(start <= minute < end for start, end in a)


def next_change(a, minute):
    now = is_open(a, minute)
    edges = [edge for span in tidy(a) for edge in span]
    distances = sorted({(edge - minute) % WEEK or WEEK for edge in edges})
    return next((d for d in distances if d < WEEK and is_open(a, minute + d) != now), None)
PY
cat > src/hours/text.py <<'PY'
"""Opening hours as text."""

import re

from .schedule import WEEK, tidy

DAYS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"]
DAY = 24 * 60
TIMES = re.compile("([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")


def _days(text):
    found = []
    for part in text.split(","):
        names = part.split("-")
        if len(names) > 2 or any(name not in DAYS for name in names):
            raise ValueError(f"{part!r} names no days")
        first, last = DAYS.index(names[0]), DAYS.index(names[-1])
        found += [(first + n) % 7 for n in range((last - first) % 7 + 1)]
    return found


def _times(text):
    if text == "off":
        return []
    found = []
    for part in text.split(","):
        match = TIMES.fullmatch(part)
        if not match:
            raise ValueError(f"{part!r} is no range of times")
        h, m, i, n = map(int, match.groups())
        start, end = h * 60 + m, i * 60 + n
        if max(m, n) > 59 or start >= DAY or end > DAY:
            raise ValueError(f"{part!r} holds a time that does not exist")
        found.append((start, end if end > start else end + DAY))
    return found


def parse(text):
    own = {}
    for rule in text.split(";"):
        rule = rule.strip(" ")
        if rule:
            names, blank, times = rule.partition(" ")
            own.update(dict.fromkeys(_days(names), _times(times)))
    spans = []
    for day, times in own.items():
        for start, end in times:
            start, end = start + day * DAY, end + day * DAY
            spans.append((start, min(end, WEEK)))
            if end > WEEK:
                spans.append((0, end - WEEK))
    return tidy(spans)


def _clock(minute):
    return f"{minute // 60:02}:{minute % 60:02}"


def render(a):
    lines = []
    for day, name in enumerate(DAYS):
        cut = [(max(s - day * DAY, 0), min(e - day * DAY, DAY)) for s, e in tidy(a)]
        parts = [f"{_clock(s)}-{_clock(e)}" for s, e in cut if s < e]
        if parts:
            lines.append(f"{name} {','.join(parts)}")
    return "; ".join(lines)
PY
python3 tests/visible.py
