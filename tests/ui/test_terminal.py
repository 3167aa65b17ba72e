"""Output as a terminal shows it: what is drawn, what is refused, and that no output can choke a page."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawbench_ui.state.plain import line, visible
from clawbench_ui.state.terminal import LONGEST, Span, screen


def drawn(text: str) -> str:
    return "".join(span.text for span in screen(text).spans)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\n", "a\nb\n"),
        ("10%\r100%\n", "100%\n"),
        ("abc\b\bX\n", "aXc\n"),
        ("abcdef\r\x1b[Kx", "x"),
        ("\x1b[1mbold\x1b[0m", "bold"),
        ("\x1b]0;title\x07text", "text"),
        ("a\x1b[2J\x1b[Hb", "ab"),
        ("a\tb\x1b[0m", "a       b"),
        ("tail\x1b", "tail"),
        ("tail\x1b[", "tail"),
    ],
)
@pytest.mark.proves("pages.inert")
def test_a_line_is_drawn_as_a_terminal_draws_it(text: str, shown: str) -> None:
    assert drawn(text) == shown


@pytest.mark.proves("pages.inert")
def test_colours_become_classes_of_ours_and_nothing_conceals() -> None:
    assert screen("\x1b[1;31mred\x1b[0m\x1b[8;47;37mwhite").spans == [
        Span(text="red", style="t-bold t-1"),
        Span(text="white", style="t-7"),
    ]


@pytest.mark.proves("pages.inert")
def test_what_a_terminal_would_overwrite_is_kept_beside_it() -> None:
    assert screen("rm -rf /\rls\x1b[K").exact == "rm -rf /␍ls␛[K"
    assert screen("plain\r\n").exact == ""


@pytest.mark.proves("pages.inert")
def test_invisible_characters_are_shown_by_signs() -> None:
    assert visible("a\u202eb\u200bc\x00\x9b\u2028\U000e0041") == ("a⟨U+202E⟩b⟨U+200B⟩c␀⟨U+009B⟩⟨U+2028⟩⟨U+E0041⟩")
    assert visible("naïve 漢字 ✓\n\t") == "naïve 漢字 ✓\n\t"
    assert line("one\ntwo\u2066" + "x" * 500).startswith("one ⏎ two⟨U+2066⟩xxx")
    assert len(line("x" * 500)) == 161


@given(st.text(alphabet=st.characters() | st.sampled_from("\x1b[]m;0123456789KCDGJ\r\n\b\t\x07\\"), max_size=400))
@pytest.mark.proves("pages.inert")
def test_any_text_is_drawn_without_a_character_that_does_something(text: str) -> None:
    shown = screen(text)
    whole = "".join(span.text for span in shown.spans) + shown.exact
    assert visible(whole) == whole


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[1000Gx\n" * 20_000,
        "\x1b[999999999C" * 10_000 + "x",
        "".join(f"\x1b[{30 + n % 8}m{n % 10}" for n in range(20_000)),
        "\x1b]" * 50_000,
        "\x1b[" + "0;" * 50_000 + "m",
        "a" * 1000 + "\x1b[2K" * 20_000,
    ],
    ids=["columns", "far", "colours", "strings", "arguments", "erase"],
)
@pytest.mark.proves("pages.inert")
def test_no_output_can_choke_a_page(text: str) -> None:
    began = time.process_time()
    shown = screen(text)
    assert time.process_time() - began < 2
    assert len(shown.spans) <= 1502
    assert sum(len(span.text) for span in shown.spans) <= 4 * LONGEST
