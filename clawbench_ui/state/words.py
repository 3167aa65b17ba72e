"""How stored words and numbers are said to readers."""

from __future__ import annotations

from datetime import datetime

from backend.catalog.families import BY_ID

_STATES = {
    "queued": "plain",
    "claimed": "plain",
    "running": "info",
    "finalizing": "info",
    "finished": "pass",
    "failed": "fail",
    "expired": "warn",
    "cancelled": "warn",
    "pending": "plain",
    "preparing": "info",
    "verifying": "info",
    "scored": "plain",
}
_VISIBILITIES = {"dev_only": "plain", "publishable": "info", "published": "pass", "withdrawn": "warn"}
_MARKS = {"pass": "✓", "fail": "✕", "warn": "!", "info": "●", "plain": ""}


def word(stored: str | None) -> str:
    """The word without its underscore."""
    return (stored or "").replace("_", " ")


def tone(stored: str) -> str:
    """The tone of a state or visibility."""
    return _STATES.get(stored) or _VISIBILITIES.get(stored, "plain")


def mark(tone: str) -> str:
    """The sign that stands beside a tone's colour."""
    return _MARKS[tone]


def score(value: float | None) -> str:
    """A score out of 100, with one digit after the point; a dash where there is none."""
    return "—" if value is None else f"{100 * value:.1f}"


def score_tone(value: float | None) -> str:
    """Full is a pass, none is a fail, between them is neither."""
    if value is None:
        return "plain"
    return "pass" if value >= 1 else "fail" if value <= 0 else "warn"


def duration(ms: object) -> str:
    """A duration as short as it can be said."""
    if not isinstance(ms, int | float):
        return ""
    if ms < 1000:
        return f"{int(ms)} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(int(ms / 1000), 60)
    return f"{minutes} m {seconds:02d} s"


def offset(at: str, start: str) -> str:
    """How long after the start, as minutes, seconds and tenths."""
    passed = max(0.0, (datetime.fromisoformat(at) - datetime.fromisoformat(start)).total_seconds())
    hours, rest = divmod(passed, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{f'{int(hours)}:' if hours else ''}{int(minutes):02d}:{int(seconds):02d}.{int(10 * (seconds % 1))}"


def family(benchmark: str) -> str:
    """The family's title."""
    known = BY_ID.get(benchmark)
    return known.title if known else benchmark
