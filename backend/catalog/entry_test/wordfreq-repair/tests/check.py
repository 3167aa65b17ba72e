"""Hidden checks: build afresh, count generated texts, and compare with a count of our own."""

from __future__ import annotations

import re
from collections import Counter

from clawbench_checks import Work, check, expect

SEPARATORS = [b" ", b"\n", b"\t", b"\0", b"-", b"'", b"\xc3\xa9", b"\xff", b"7", b"[", b"`", b"{", b"@", b"..."]


def frequencies(text: bytes, limit: int) -> bytes:
    counts = Counter(re.findall(rb"[a-z]+", text.lower()))
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return b"".join(b"%d %s\n" % (count, word) for word, count in order)


def letters(work: Work, most: int) -> bytes:
    return "".join(work.random.choices("abcdeXYZ", k=work.random.randint(1, most))).encode()


def text(work: Work, words: int, vocabulary: int) -> bytes:
    known = [letters(work, 6) for _ in range(vocabulary)]
    parts = [part for _ in range(words) for part in (work.random.choice(known), work.random.choice(SEPARATORS))]
    return b"".join(parts[:-1] if work.random.random() < 0.5 else parts)


def expect_count(work: Work, given: bytes, limit: int, what: str, *, timeout: float = 10.0) -> None:
    argv = ["./wordfreq"] if limit == 10 else ["./wordfreq", "-n", str(limit)]
    expect(
        work.run(argv, stdin=given, timeout=timeout).ok().stdout == frequencies(given, limit), f"wrong count of {what}"
    )


@check("make builds the program, and only when something changed")
def builds(work: Work) -> None:
    work.run(["make", "clean"]).ok()
    work.run(["make"], timeout=60).ok()
    expect(work.run(["make", "-q"]).code == 0, "a second make still finds something to do")
    for source in ("src/words.h", "src/main.c"):
        work.read_bytes(source)
        work.run(["touch", "-d", "now + 5 seconds", source]).ok()
        expect(work.run(["make", "-q"]).code == 1, f"make takes no notice of a newer {source}")
        work.run(["touch", "-d", "2020-01-01", source]).ok()
        work.run(["make"], timeout=60).ok()


@check("make clean removes what was built and nothing else")
def cleans(work: Work) -> None:
    for _ in range(2):
        work.run(["make", "clean"]).ok()
    left = work.run(["find", ".", "-name", "*.o", "-o", "-name", "wordfreq"]).ok().text()
    expect(left == "", "make clean leaves built files behind")
    work.run(["make"], timeout=60).ok()
    expect(work.read_bytes("wordfreq")[:4] == b"\x7fELF", "wordfreq is not a program built from C")


@check("small texts are counted rightly")
def small(work: Work) -> None:
    fixed = [b"", b"\n", b"word", b"Apple apple APPLE pear Pear fig", b"\0a\0b\0a", b"\xffend\xff", b"z y x z y z"]
    for given in [*fixed, *(text(work, work.random.randint(1, 200), 30) for _ in range(12))]:
        expect_count(work, given, 10, "a small text")


@check("-n limits the lines")
def limits(work: Work) -> None:
    given = text(work, 400, 60)
    for limit in (0, 1, 2, 59, 1000, 1000000):
        expect_count(work, given, limit, f"a text with -n {limit}")


@check("long words and many words are counted rightly and quickly")
def large(work: Work) -> None:
    longest = letters(work, 2) * 500_000
    expect_count(work, longest + b" a " + longest + b" " + longest[:-1], 3, "very long words")
    many = b" ".join(b"%s" % letters(work, 9) for _ in range(250_000))
    expect_count(work, many, 100_000, "many different words", timeout=8)
    expect_count(work, b"tick tock\n" * 1_000_000, 10, "a text of 10 MB", timeout=8)


@check("wrong use ends with status 2 and prints nothing to standard output")
def misuse(work: Work) -> None:
    for wrong in (
        ["-n"],
        ["-n", "-1"],
        ["-n", "3x"],
        ["-n", ""],
        ["-n", "1000001"],
        ["-x"],
        ["7"],
        ["-n", "3", "more"],
    ):
        ran = work.run(["./wordfreq", *wrong], stdin=b"a b c")
        expect(ran.code == 2 and ran.stdout == b"" and ran.stderr != b"", f"wrong answer to the arguments {wrong}")
