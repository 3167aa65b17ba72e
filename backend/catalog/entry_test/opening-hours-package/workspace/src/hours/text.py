"""Opening hours as text."""

from .schedule import WEEK, tidy

DAYS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"]
DAY = 24 * 60


def clock(text):
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def days(text):
    found = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        last = last or first
        found += range(DAYS.index(first), DAYS.index(last) + 1)
    return found


def parse(text, schedule=[]):
    for rule in text.split(";"):
        names, times = rule.split()
        for day in days(names):
            schedule = [span for span in schedule if not day * DAY <= span[0] < (day + 1) * DAY]
            if times == "off":
                continue
            for part in times.split(","):
                start, end = map(clock, part.split("-"))
                if end < start:
                    end += DAY
                schedule.append((day * DAY + start, day * DAY + end))
    return tidy(schedule)


def render(a):
    lines = []
    for day, name in enumerate(DAYS):
        parts = []
        for start, end in a:
            if start // DAY == day:
                parts.append("%02d:%02d-%02d:%02d" % (start % DAY // 60, start % 60, end % DAY // 60, end % 60))
        if parts:
            lines.append(name + " " + ",".join(parts))
    return "; ".join(lines)
