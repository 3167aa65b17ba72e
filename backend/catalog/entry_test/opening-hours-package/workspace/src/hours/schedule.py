"""Arithmetic with spans of the week."""

WEEK = 7 * 24 * 60


def tidy(spans):
    spans.sort()
    result = []
    for start, end in spans:
        if result and start < result[-1][1]:
            result[-1] = (result[-1][0], end)
        else:
            result.append((start, end))
    return result


def union(a, b):
    a += b
    return tidy(a)


def invert(a):
    result = []
    at = 0
    for start, end in a:
        result.append((at, start))
        at = end
    result.append((at, WEEK))
    return result


def intersect(a, b):
    return [(max(s, t), min(e, f)) for s, e in a for t, f in b if max(s, t) <= min(e, f)]


def subtract(a, b):
    return intersect(a, invert(b))


def is_open(a, minute):
    return any(start <= minute <= end for start, end in a)


def next_change(a, minute):
    for start, end in tidy(a):
        if start > minute:
            return start - minute
        if end > minute:
            return end - minute
    return None
