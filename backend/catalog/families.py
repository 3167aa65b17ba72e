"""The public catalog: exactly four families, listed here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A benchmark family as the public sees it."""

    id: str
    title: str
    summary: str
    notice: str | None = None


FAMILIES = (
    Family(
        id="terminal-bench",
        title="Terminal Bench",
        summary="Tasks done in a terminal: build, repair, configure, recover.",
        notice="No tasks are installed here yet; an operator imports them from their published directories.",
    ),
    Family(
        id="swe-bench-verified",
        title="SWE-Bench Verified",
        summary="Real issues of real Python repositories, decided by the repositories' own tests.",
        notice=(
            "Public and likely known to models: the fixes are on the web, git history has leaked them, audits found "
            "flawed tests, and a major lab stopped reporting it in February 2026. Read a high score with that in mind. "
            "No tasks are installed here yet."
        ),
    ),
    Family(
        id="entry-test",
        title="ClawBench Entry Test",
        summary="A first measure of an agent: short questions with one answer, and small tasks in a terminal.",
        notice="Practice tasks: their answers are in ClawBench's public repository.",
    ),
    Family(
        id="web-tasks",
        title="Web Tasks Benchmark",
        summary="Tasks done in a browser.",
        notice="No tasks are installed here yet.",
    ),
)
BY_ID = {family.id: family for family in FAMILIES}
