"""The trusted check library: runs a task's hidden checks on an agent's work and writes one verdict.

The platform copies this one file (standard library only) into a fresh verifier container as
/opt/clawbench/clawbench_checks.py, the task's tests into /opt/clawbench/tests/, both owned by root, and starts it as
root by `python3 -I -S` with CLAWBENCH_VERDICT_FD (a pipe), CLAWBENCH_NONCE, CLAWBENCH_TESTS, CLAWBENCH_WORKDIR (the
task's pristine workspace/, each declared output replaced by what the agent made), CLAWBENCH_VERIFIER_SECONDS
(the task's verifier limit, 120 when unset) and CLAWBENCH_AGENT_UID (absent only where nothing is isolated).
A task's check.py imports `Work`, `check` and `expect` from `clawbench_checks` and decorates functions of a `Work`.
Exit 0 with a verdict {"nonce", "reward", "checks": [{"name", "passed", "detail"}]} means "judged"; anything else
means that the verifier itself failed. Nothing that the agent made is imported, evaluated or unpickled here.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

MIB = 1024 * 1024
PRINTED = 4 * MIB
PYTHON = sys.executable
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# no RLIMIT_NPROC: it counts a uid's processes over all containers of the machine; the pids cgroup bounds this one
LIMITS = {resource.RLIMIT_FSIZE: 64 * MIB, resource.RLIMIT_NOFILE: 256, resource.RLIMIT_AS: 1024 * MIB}
# what an ill-formed output or a full disk provokes in a check; any other exception is a fault of the check itself
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, OSError)


class Failed(Exception):
    """The agent's work does not hold what a check asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One verification: the agent's uid (None: no isolation), when its time ends, and inputs nobody can foresee."""

    uid: int | None
    deadline: float
    random: random.Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command of the agent's ended (`code` is None when its time ran out). Everything in it is data."""

    code: int | None
    stdout: bytes
    stderr: bytes

    def ok(self) -> Ran:
        """Insist that the command ended by itself with exit status 0."""
        if self.code != 0:
            last = self.stderr.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1]
            how = "did not end in its time" if self.code is None else f"ended with status {self.code}"
            raise Failed(f"the program {how} {last}")
        return self

    def text(self) -> str:
        """Give stdout, which must be UTF-8."""
        return self.stdout.decode()

    def json(self) -> object:
        """Give stdout, which must be one JSON document."""
        return parse(self.stdout, "the program's output")


CheckFunction = Callable[["Work"], None]
_checks: dict[str, CheckFunction] = {}


def check(name: str) -> Callable[[CheckFunction], CheckFunction]:
    """Register a function as the check of that name; it passes when it returns."""

    def register(function: CheckFunction) -> CheckFunction:
        if name in _checks:
            raise RuntimeError(f"two checks are named {name!r}")
        _checks[name] = function
        return function

    return register


def expect(condition: object, detail: str) -> None:
    """Fail the check with that detail unless the condition holds. Never put a hidden value into the detail."""
    if not condition:
        raise Failed(detail)


def same(left: object, right: object) -> bool:
    """Compare JSON values strictly: true is not 1, and 1.0 is not 1."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def parse(data: bytes, what: str) -> object:
    """Read bytes as one JSON document in UTF-8, or fail the check."""
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise Failed(f"{what} is not valid JSON ({str(error)[:80]})") from error


class Work:
    """A directory of the agent's: its files are read as data, its programs run as the agent and never as us."""

    def __init__(self, root: Path, session: Session) -> None:
        self.root = root
        self.random = session.random
        self._session = session

    def read_bytes(self, path: str, limit: int = MIB) -> bytes:
        """Read a regular file inside of this directory, following no link at any place, or fail the check."""
        parts = PurePosixPath(path).parts
        expect(parts and not {"/", ".."} & set(parts), f"{path} leaves the directory")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        try:
            with contextlib.ExitStack() as stack:
                here = os.open(self.root, flags | os.O_DIRECTORY)
                stack.callback(os.close, here)
                for part in parts:
                    here = os.open(part, flags, dir_fd=here)
                    stack.callback(os.close, here)
                expect(stat.S_ISREG(os.fstat(here).st_mode), f"{path} is not a regular file")
                data = os.pread(here, limit + 1, 0)
        except OSError as error:
            raise Failed(f"{path} cannot be read ({error.strerror})") from error
        expect(len(data) <= limit, f"{path} is larger than {limit} bytes")
        return data

    def read_text(self, path: str) -> str:
        """Read a file here as UTF-8, or fail the check."""
        return self.read_bytes(path).decode()

    def read_json(self, path: str) -> object:
        """Read a file here as one JSON document, or fail the check."""
        return parse(self.read_bytes(path), path)

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 10.0) -> Ran:
        """Run a command here as the agent's user, and leave no process of it behind."""
        return self.run_all([argv], stdin=stdin, timeout=timeout)[0]

    def run_all(self, commands: Sequence[Sequence[str]], *, stdin: bytes = b"", timeout: float = 10.0) -> list[Ran]:
        """Run commands at the same time, each with output of its own; when the time is up, those left are killed."""
        left = self._session.deadline - time.monotonic()
        expect(left > 0, "the time of the whole verification is used up")
        try:
            ran = _execute(self.root, commands, stdin, min(timeout, left), self._session.uid)
        except OSError as error:
            raise Failed(f"{Path(commands[0][0]).name} cannot be run ({error.strerror})") from error
        most = max(max(len(one.stdout), len(one.stderr)) for one in ran)
        expect(most <= PRINTED, f"the program printed more than {PRINTED} bytes")
        return ran

    def call(self, driver: str, payload: object, *, timeout: float = 10.0) -> object:
        """Run a trusted Python driver in the agent's place, JSON in, JSON out; what it prints is data, no verdict."""
        stdin = json.dumps(payload).encode()
        return self.run([PYTHON, "-I", "-B", "-c", driver], stdin=stdin, timeout=timeout).ok().json()

    @contextlib.contextmanager
    def scratch(self, files: Mapping[str, bytes] | None = None) -> Iterator[Work]:
        """Lend a fresh directory of the agent's that holds just these files."""
        # the parent stays ours, so that the agent's code cannot swap the directory for a link
        parent = Path(tempfile.mkdtemp(prefix="check-"))
        try:
            parent.chmod(0o711)
            (root := parent / "scratch").mkdir()
            for name, data in (files or {}).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(data)
            if self._session.uid is not None:
                for entry in (root, *root.rglob("*")):
                    os.chown(entry, self._session.uid, self._session.uid)
            yield Work(root, self._session)
        finally:
            shutil.rmtree(parent, ignore_errors=True)


def _execute(root: Path, commands: Sequence[Sequence[str]], stdin: bytes, timeout: float, uid: int | None) -> list[Ran]:
    env = {"PATH": PATH, "HOME": str(root), "LANG": "C.UTF-8"}
    # this process has one thread only, so a preexec_fn is safe
    start = partial(subprocess.Popen, cwd=root, env=env, preexec_fn=partial(_confine, uid))
    deadline, running = time.monotonic() + timeout, []
    with contextlib.ExitStack() as stack:
        try:
            for argv in commands:
                inp, out, err = (stack.enter_context(_memory(data)) for data in (stdin, b"", b""))
                running.append((start(argv, stdin=inp, stdout=out, stderr=err), out, err))
            while time.monotonic() < deadline and any(process.poll() is None for process, _, _ in running):
                time.sleep(0.01)
        finally:
            codes = [process.poll() for process, _, _ in running]
            _end([process for process, _, _ in running], uid)
        printed = [[os.pread(stream.fileno(), PRINTED + 1, 0) for stream in streams] for _, *streams in running]
    return [Ran(code=code, stdout=out, stderr=err) for code, (out, err) in zip(codes, printed, strict=True)]


def _memory(data: bytes) -> BinaryIO:
    """Make a nameless file for one stream: unlike a pipe it never blocks, and a child left behind cannot hold it."""
    file = os.fdopen(os.memfd_create("stream"), "w+b")
    file.write(data)
    file.seek(0)
    return file


def _confine(uid: int | None) -> None:
    """In the new process: bound what it may use, then become the agent's account for good."""
    os.setsid()
    os.umask(0o022)
    for kind, value in LIMITS.items():
        allowed = min(value, resource.getrlimit(kind)[1] % 2**63)  # "unlimited" reads as -1
        resource.setrlimit(kind, (allowed, allowed))
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # when memory runs out the agent's process goes, not the verifier
    if uid is not None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)


def _end(processes: list[subprocess.Popen[Any]], uid: int | None) -> None:
    """Kill the commands' groups and, where the agent has an account of its own, everything of that account."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if uid is not None:
        # one call for all of them, which no fork can outrun (attack 08)
        everything = ["/bin/sh", "-c", "kill -s KILL -- -1"]
        subprocess.run(everything, env={}, preexec_fn=partial(_confine, uid), check=False)


def judge(name: str, function: CheckFunction, work: Work) -> dict[str, object]:
    """Run one check; it fails for what the agent's work holds, and raises for what is wrong with the check."""
    detail, passed = "", False
    try:
        function(work)
        passed = True
    except Failed as error:
        detail = str(error)
    except MALFORMED as error:
        detail = f"not of the form asked for ({type(error).__name__})"
    return {"name": name, "passed": passed, "detail": "".join(c if c.isprintable() else " " for c in detail)[:300]}


def _load(tests: Path) -> None:
    """Run the task's check.py, which registers its checks."""
    sys.dont_write_bytecode = True
    sys.modules["clawbench_checks"] = sys.modules[__name__]
    sys.path.insert(0, str(tests))
    importlib.import_module("check")
    if not _checks:
        raise RuntimeError(f"{tests / 'check.py'} has no check")


def _seal(tests: Path, uid: int) -> None:
    """Keep this file and the tests from the agent's account, and be sure that there is such an account."""
    ours = uid > 0 and os.geteuid() == 0 == tests.lstat().st_uid == Path(__file__).lstat().st_uid
    if not ours:
        raise RuntimeError("with CLAWBENCH_AGENT_UID this file, the tests and the process are root's, and uid above 0")
    tests.chmod(0o700)
    Path(__file__).chmod(0o600)


def main() -> int:
    """Judge the work and write the verdict; 0 when there is one."""
    fd = int(os.environ["CLAWBENCH_VERDICT_FD"])
    os.set_inheritable(fd, False)  # first of all: no child of ours ever holds it (attack 09)
    nonce, tests = os.environ["CLAWBENCH_NONCE"], Path(os.environ["CLAWBENCH_TESTS"])
    uid = int(os.environ["CLAWBENCH_AGENT_UID"]) if "CLAWBENCH_AGENT_UID" in os.environ else None
    if uid is not None:
        _seal(tests, uid)
    # a fifth is kept back, so that slow work ends as failed checks and not as a verifier without a verdict
    seconds = float(os.environ.get("CLAWBENCH_VERIFIER_SECONDS", "120")) * 0.8
    session = Session(uid=uid, deadline=time.monotonic() + seconds, random=random.Random(nonce))  # noqa: S311
    _load(tests)
    work = Work(Path(os.environ["CLAWBENCH_WORKDIR"]).resolve(strict=True), session)
    results = [judge(name, function, work) for name, function in _checks.items()]
    with open(fd, "w", encoding="utf-8") as pipe:
        json.dump({"nonce": nonce, "reward": float(all(one["passed"] for one in results)), "checks": results}, pipe)
    return 0


if __name__ == "__main__":
    sys.exit(main())
