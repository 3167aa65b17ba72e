"""Text of a hostile author made safe to look at: nothing in it hides, reorders or moves anything."""

from __future__ import annotations

import re
import unicodedata

# Controls, format characters (bidi overrides, zero widths, tags), lone surrogates, private and unassigned code points,
# and the separators that break a line where none is meant. A newline and a tab are ordinary.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Blank or invisible although their category says letter, symbol or mark.
_BLANK = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_ORDINARY = re.compile(r"[\n\t -~]*")
_LINE = 160


def visible(text: str) -> str:
    """Give the text with every character that a reader would not see replaced by a sign that they do."""
    if _ORDINARY.fullmatch(text):
        return text
    return "".join(map(_sign, text))


def line(text: str, longest: int = _LINE) -> str:
    """Give the text as one line, cut where it is too long to scan."""
    head = text[: longest + 1].replace("\r\n", "\n")
    shown = visible(head).replace("\n", " ⏎ ").replace("\t", " ")
    return f"{shown[:longest]}…" if len(shown) > longest else shown


def _sign(char: str) -> str:
    if char in "\n\t":
        return char
    if char not in _BLANK and unicodedata.category(char) not in _UNSAFE:
        return char
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"⟨U+{code:04X}⟩"
