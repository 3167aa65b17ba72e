"""A word in a box: what state something is in, with a shape beside the colour."""

from __future__ import annotations

import reflex as rx

_TONES = {"plain": "", "pass": "badge-pass", "fail": "badge-fail", "warn": "badge-warn", "info": "badge-info"}


def badge(word: rx.Var[str] | str, tone: rx.Var[str] | str = "plain") -> rx.Component:
    """Show the word in its tone (plain, pass, fail, warn, info); each but the plain one has a sign of its own."""
    if isinstance(tone, str):
        return rx.el.span(word, class_name=f"badge {_TONES[tone]}")
    cases = [(name, f"badge {style}") for name, style in _TONES.items()]
    return rx.el.span(word, class_name=rx.match(tone, *cases, "badge"))
