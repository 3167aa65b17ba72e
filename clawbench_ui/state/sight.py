"""One look at a run: who asks is checked again, then what is new for them is read, in one short transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend import platform, reading, runs, traces, verdicts
from clawbench_ui.state import events, session, words
from clawbench_ui.state.events import EventRow
from clawbench_ui.state.plain import line

PAGE = traces.PAGE
_CLOSED = ("finished", "failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One check of a verdict."""

    name: str
    mark: str
    detail: str
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task of a run, and why its score is what it is."""

    id: str
    title: str
    kind: str
    state: str
    tone: str
    score: str
    score_tone: str
    cause: str
    again: str
    checks: list[CheckRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The run's first lines."""

    id: str
    agent: str
    family_id: str
    family: str
    state: str
    state_tone: str
    visibility: str
    visibility_tone: str
    lane: str
    kind: str
    score: str
    cause: str
    created_at: str
    ended_at: str
    metadata: list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was seen: the header and tasks (None: as before), events asked for, and how many there are by now."""

    header: Header | None
    tasks: list[TaskRow]
    rows: list[EventRow]
    total: int
    live: bool


async def look(cookies: str, run_id: str, *, known: int, after: int | None, limit: int = PAGE) -> Sight:
    """Look at the run; `known` is the number of events at the last look, `after` asks for the events from there on.

    A negative `after` counts from the end. Raises: RunNotFound for what this reader may not see, Unavailable.
    """
    here = platform.current()
    async with here.database.transaction() as tx:
        run = await reading.visible(tx, run_id, await session.reader(tx, cookies))
        live = run.state not in _CLOSED
        if run.event_seq == known and after in (None, known):
            return Sight(header=None, tasks=[], rows=[], total=known, live=live)
        view = await runs.view(tx, run)
        checks = await verdicts.of_run(tx, run, here.redactor)
        start = max(0, run.event_seq + after) if after is not None and after < 0 else after
        found = [] if start is None else (await traces.page(tx, run, here.redactor, after=start, limit=limit))[0]
    view = here.redactor.value(view)
    return Sight(
        header=_header(view),
        tasks=[_task(task, checks.get(task["task_id"], [])) for task in view["tasks"]],
        rows=[events.row(event, view["created_at"]) for event in found],
        # What came after the row was read is for the next look.
        total=max(run.event_seq, found[-1]["seq"] if found else 0),
        live=live,
    )


async def event(cookies: str, run_id: str, seq: int) -> events.Detail | None:
    """Give everything of one event. Raises RunNotFound, Unavailable."""
    here = platform.current()
    async with here.database.transaction() as tx:
        run = await reading.visible(tx, run_id, await session.reader(tx, cookies))
        found, _ = await traces.page(tx, run, here.redactor, after=seq - 1, limit=1)
    return events.detail(found[0]) if found and found[0]["seq"] == seq else None


def _header(view: Mapping[str, Any]) -> Header:
    return Header(
        id=view["run_id"],
        agent=view["agent_name"],
        family_id=view["benchmark"],
        family=words.family(view["benchmark"]),
        state=words.word(view["state"]),
        state_tone=words.tone(view["state"]),
        visibility=words.word(view["visibility"]),
        visibility_tone=words.tone(view["visibility"]),
        lane=view["lane"],
        kind=view["kind"],
        score=words.score(view["score"]),
        cause=words.word(view["cause"]),
        created_at=view["created_at"] or "",
        ended_at=view["ended_at"] or "",
        metadata=[(line(str(name), 40), line(str(value), 80)) for name, value in list(view["metadata"].items())[:20]],
    )


def _task(task: Mapping[str, Any], checks: list[dict[str, Any]]) -> TaskRow:
    return TaskRow(
        id=task["task_id"],
        title=task["title"],
        kind=task["kind"],
        state=words.word(task["state"]),
        tone=words.tone(task["state"]),
        score=words.score(task["score"]),
        score_tone=words.score_tone(task["score"]),
        cause=words.word(task["cause"]),
        again=f"attempt {task['attempt']}" if task["attempt"] > 1 else "",
        checks=[_check(check) for check in checks],
    )


def _check(check: Mapping[str, Any]) -> CheckRow:
    passed = check.get("passed") is True
    tone = "pass" if passed else "fail"
    detail = line(str(check.get("detail") or ""), 400)
    return CheckRow(
        name=line(str(check.get("name")), 80), mark="passed" if passed else "failed", detail=detail, tone=tone
    )
