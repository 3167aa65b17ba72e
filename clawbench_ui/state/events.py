"""Events of a trace as rows that can be scanned, and one of them opened up. All of it is redacted before it gets here,
and all of it may be the words of a hostile agent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clawbench_ui.state import terminal, words
from clawbench_ui.state.plain import line, visible
from clawbench_ui.state.terminal import Span

# The argument that says best what a call is about, in the order of preference.
_TELLING = ("command", "path", "text", "answer", "ref", "pattern", "signal", "job_id", "task_id")
_HIDDEN = frozenset({"run_id", "client_call_id"})
_LONGEST_JSON = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One line of the trace."""

    seq: int
    at: str
    offset: str
    tool: str
    line: str
    outcome: str
    tone: str
    duration: str
    kind: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """An opened event."""

    facts: list[tuple[str, str]]
    texts: list[tuple[str, str]]
    args: str
    data: str
    output: list[Span]
    exact: str


def row(event: Mapping[str, Any], start: str) -> EventRow:
    """The event as one line; `start` is the run's first moment."""
    outcome, tone = _outcome(event)
    return EventRow(
        seq=event["seq"],
        at=event["at"],
        offset=words.offset(event["at"], start),
        tool=line(str(event.get("tool") or event["kind"]), 40),
        line=_line(event),
        outcome=line(outcome, 40),
        tone=tone,
        duration=words.duration(event.get("duration_ms")),
        kind=event["kind"],
        task=str(event.get("task_id", "")),
    )


def detail(event: Mapping[str, Any]) -> Detail:
    """Everything of the event, in parts."""
    said = event.get("output")
    shown = terminal.screen(said) if isinstance(said, str) and said else None
    known = {"seq", "at", "kind", "tool", "args", "outcome", "duration_ms", "output", "data"}
    rest = {name: value for name, value in event.items() if name not in known}
    args = {name: value for name, value in _mapping(event.get("args")).items() if name not in _HIDDEN}
    texts = {name: value for name, value in args.items() if isinstance(value, str) and "\n" in value}
    data = event.get("data") if event.get("tool") else None
    return Detail(
        facts=[("event", f"{event['seq']} · {event['kind']}"), ("at", event["at"])]
        + [
            (line(name, 60), line(_text(value), 400))
            for name, value in rest.items()
            if not isinstance(value, dict | list)
        ],
        # A script reads as it was written; only what is short stays JSON.
        texts=[(line(name, 60), visible(value[:_LONGEST_JSON])) for name, value in texts.items()],
        args=_json({name: value for name, value in args.items() if name not in texts}),
        data=_json(_mapping(data)) or _json({n: v for n, v in rest.items() if isinstance(v, dict | list)}),
        output=shown.spans if shown else [],
        exact=shown.exact if shown else "",
    )


def _line(event: Mapping[str, Any]) -> str:
    match event["kind"]:
        case "run.state":
            return " → ".join(filter(None, (words.word(event.get("from")), words.word(event.get("to")))))
        case "trial.state" | "verdict":
            return line(str(event.get("task_id", "")))
        case _:
            return line(_argument(_mapping(event.get("args"))))


def _argument(args: Mapping[str, Any]) -> str:
    told = next((args[name] for name in _TELLING if args.get(name)), None)
    if told is None:
        rest = {name: value for name, value in args.items() if name not in _HIDDEN}
        return _text(rest) if rest else ""
    return str(told["head"]) if isinstance(told, Mapping) and "head" in told else _text(told)


def _outcome(event: Mapping[str, Any]) -> tuple[str, str]:
    """What came of it, and its tone."""
    match event["kind"]:
        case "run.state":
            return words.word(event.get("cause")), words.tone(str(event.get("to", "")))
        case "trial.state":
            state = str(event.get("state", ""))
            return words.word(state), words.tone(state)
        case "verdict":
            reward = event.get("reward")
            number = float(reward) if isinstance(reward, int | float) else None
            return words.score(number), words.score_tone(number)
        case "verifier.failed":
            return "verifier failed", "warn"
    outcome = str(event.get("outcome", ""))
    if outcome == "ok":
        return _status(_mapping(event.get("data")))
    return words.word(outcome), "fail" if outcome else "plain"


def _status(data: Mapping[str, Any]) -> tuple[str, str]:
    """How a command stands; `ok` for a call that is none."""
    status, code = data.get("status"), data.get("exit_code")
    if not isinstance(status, str):
        return "ok", "pass"
    if status == "exited":
        return f"exit {code}", "pass" if code == 0 else "fail"
    return words.word(status), "info" if status == "running" else "fail"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json(value: Mapping[str, Any]) -> str:
    if not value:
        return ""
    text = visible(json.dumps(value, ensure_ascii=False, indent=2))
    return (
        text
        if len(text) <= _LONGEST_JSON
        else f"{text[:_LONGEST_JSON]}\n[… {len(text) - _LONGEST_JSON} characters more …]"
    )
