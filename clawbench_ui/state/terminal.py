"""Output as a terminal shows it, from bytes that the agent's machine wrote: colours and overwritten lines, no tricks.

Colours become classes of ours (never a background, never concealed text), a carriage return and backspaces overwrite
within their line, any other sequence is left out. Whoever doubts it reads `exact`, where every character is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from clawbench_ui.state.plain import visible

LONGEST = 64 * 1024
_COLUMNS = 1024
# Cursor moves can make a few bytes fill a screen: this bounds what is drawn.
_CELLS = 2 * LONGEST
_SPANS = 1500
_TOKEN = re.compile(
    r"\x1b\[(?P<args>[0-?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|(?P<plain>[^\x1b\r\n\b\t]+)"
    r"|(?P<move>[\r\n\b\t])"
)
_DEVICE = re.compile(r"\x1b|\x08|\r(?!\n)")
_SWITCHES = {1: "t-bold", 2: "t-dim", 3: "t-italic", 4: "t-under", 9: "t-struck"}
_ENDS = {22: ("t-bold", "t-dim"), 23: ("t-italic",), 24: ("t-under",), 29: ("t-struck",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of output in one style; `style` is made of class names of ours."""

    text: str
    style: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What a terminal shows, and the exact characters (empty when the two are the same)."""

    spans: list[Span]
    exact: str


@dataclass
class _Line:
    """One line as it is being written: a character and its style at each column."""

    cells: list[tuple[str, str]] = field(default_factory=list)
    column: int = 0

    def put(self, char: str, style: str) -> None:
        if self.column >= _COLUMNS:
            return
        if self.column < len(self.cells):
            self.cells[self.column] = (char, style)
        else:
            self.cells += [(" ", "")] * (self.column - len(self.cells))
            self.cells.append((char, style))
        self.column += 1

    def erase(self, how: int) -> None:
        if how == 0:
            del self.cells[self.column :]
        else:
            end = len(self.cells) if how == 2 else min(self.column + 1, len(self.cells))
            self.cells[:end] = [(" ", "")] * end


def screen(text: str) -> Screen:
    """Give what a terminal would show of the text. Takes any text and never fails."""
    kept = text[:LONGEST]
    if len(text) > LONGEST:
        kept += f"\n[… {len(text) - LONGEST} characters more; the API gives the whole …]"
    if not _DEVICE.search(kept):
        return Screen(spans=[Span(text=visible(kept.replace("\r\n", "\n")), style="")], exact="")
    return Screen(spans=_join(_cells(kept)), exact=visible(kept))


def _cells(text: str) -> list[tuple[str, str]]:
    written: list[tuple[str, str]] = []
    line, style = _Line(), _Style()
    for token in _TOKEN.finditer(text):
        if token["plain"]:
            name = style.name()
            for char in token["plain"]:
                line.put(char, name)
        elif token["move"] == "\n":
            written += [*line.cells, ("\n", "")]
            line = _Line()
            if len(written) > _CELLS:
                return written + [(char, "") for char in "[… more is below, under “Every character” …]"]
        elif token["move"]:
            line.column = {"\r": 0, "\b": max(0, line.column - 1), "\t": (line.column // 8 + 1) * 8}[token["move"]]
        elif token["final"] == "m":
            style.take(token["args"])
        elif token["final"] in ("K", "C", "D", "G"):
            _move(line, token["final"], token["args"])
    return written + line.cells


def _move(line: _Line, final: str, args: str) -> None:
    count = min(int(args), _COLUMNS) if args.isascii() and args.isdigit() else None
    if final == "K":
        line.erase(count or 0)
    elif final == "G":
        line.column = max(0, (count or 1) - 1)
    else:
        line.column = max(0, line.column + (count or 1) * (1 if final == "C" else -1))


class _Style:
    """The colours and switches in force."""

    def __init__(self) -> None:
        self.on: set[str] = set()
        self.colour = ""

    def name(self) -> str:
        return " ".join([*sorted(self.on), *([self.colour] if self.colour else [])])

    def take(self, args: str) -> None:
        codes = [int(part) if part.isascii() and part.isdigit() and len(part) < 4 else 0 for part in args.split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.on, self.colour = set(), ""
            elif code in _SWITCHES:
                self.on.add(_SWITCHES[code])
            elif code in _ENDS:
                self.on.difference_update(_ENDS[code])
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.colour = f"t-{code % 10}"
            elif code == 39:
                self.colour = ""
            elif code in (38, 48):
                indexed = codes[:1] == [5]
                if code == 38:
                    self.colour = f"t-{codes[1] % 8}" if indexed and codes[1:] and codes[1] < 16 else ""
                del codes[: 2 if indexed else 4]


def _join(cells: list[tuple[str, str]]) -> list[Span]:
    """Neighbours of one style become one span; past a limit the rest is plain, so that no output can choke a page."""
    spans: list[Span] = []
    piece: list[str] = []
    current = ""
    for char, style in cells:
        wanted = style if len(spans) < _SPANS else ""
        if wanted != current and piece:
            spans.append(Span(text=visible("".join(piece)), style=current))
            piece = []
        current = wanted
        piece.append(char)
    return [*spans, Span(text=visible("".join(piece)), style=current)]
