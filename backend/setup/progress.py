"""Progress of slow steps on standard error: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from backend.errors import SetupFailed

console = Console(stderr=True, highlight=False)


class Step:
    """One step under way; `note` says what it is doing, `done` what came of it."""

    def __init__(self, title: str, status: Status | None) -> None:
        self.title = title
        self.outcome = ""
        self._status = status
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def note(self, text: str) -> None:
        """Show what the step is doing just now (on a terminal only the latest stays)."""
        if self._status is not None:
            self._status.update(f"{escape(self.title)} [dim]{self.elapsed:.0f} s  {escape(text[:90])}[/dim]")

    def say(self, text: str) -> None:
        """Tell of something slow that begins, also where there is no terminal."""
        if self._status is None:
            console.print(f"== {self.title}: {text} …", markup=False)
        self.note(text)

    def done(self, outcome: str) -> None:
        """Set what the closing line says."""
        self.outcome = outcome


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Run a step with its spinner, then leave one line with its outcome and its time."""
    if console.is_terminal:
        with console.status(escape(title)) as status:
            current = Step(title, status)
            yield current
    else:
        current = Step(title, None)
        yield current
    took = f" ({current.elapsed:.1f} s)" if current.elapsed >= 1 else ""
    console.print(
        f"[green]✓[/green] {escape(title)}: {escape(current.outcome or 'done')}[dim]{took}[/dim]", soft_wrap=True
    )


def run(
    current: Step, command: list[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run a command to its end, its output in `log` and its last line in the spinner. Raises SetupFailed.

    When we are interrupted, the command and everything it started is ended too.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    tail: deque[str] = deque(maxlen=8)
    with log.open("w") as kept:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=env,
            cwd=cwd,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                kept.write(line)
                if line.strip():
                    tail.append(line.strip())
                    current.note(line.strip())
            code = process.wait()
        finally:
            end_tree(process.pid, within_s=3)
            process.communicate()
    if code != 0:
        said = " | ".join(list(tail)[-3:])
        raise SetupFailed(f"{current.title}: `{command[0]}` ended with {code} (log: {log}): {said[-400:]}")


def end_tree(pid: int, *, within_s: float) -> None:
    """End a process and all it started: asked first, killed when it does not go in time. Gone already is success."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        for process in tree:
            _try(ask, process)
        _, tree = psutil.wait_procs(tree, timeout=within_s)


def _try(ask: Callable[[psutil.Process], None], process: psutil.Process) -> None:
    try:
        ask(process)
    except psutil.NoSuchProcess:
        return
