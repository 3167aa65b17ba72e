"""The check library as the platform starts it: a process of its own, a verdict pipe, and an agent's files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backend.scoring import checks

pytestmark = pytest.mark.proves("scoring.library")

HEAD = "from clawbench_checks import PYTHON, Work, check, expect, same\n"
ONE = HEAD + '@check("one")\ndef one(work: Work) -> None:\n    '


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How the library ended: its exit status, its errors, and its verdict if there is one."""

    code: int
    errors: str
    verdict: dict[str, Any] | None

    @property
    def lines(self) -> dict[str, tuple[bool, str]]:
        assert self.verdict is not None, self.errors
        return {line["name"]: (line["passed"], line["detail"]) for line in self.verdict["checks"]}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def verify(work: Path, check: str, **env: str) -> Verified:
    tests = work.parent / "tests"
    tests.mkdir(exist_ok=True)
    (tests / "check.py").write_text(check)
    ours, theirs = os.pipe()
    given = {"CLAWBENCH_VERDICT_FD": str(theirs), "CLAWBENCH_NONCE": "n0nce", "CLAWBENCH_TESTS": str(tests)}
    given |= {"CLAWBENCH_WORKDIR": str(work), "PATH": os.environ["PATH"], **env}
    argv = [sys.executable, "-I", "-S", checks.__file__]
    with open(ours, "rb") as pipe:
        ran = subprocess.run(argv, env=given, pass_fds=[theirs], capture_output=True, text=True, timeout=60)
        os.close(theirs)
        verdict = pipe.read()
    return Verified(code=ran.returncode, errors=ran.stderr, verdict=json.loads(verdict) if verdict else None)


def detail(work: Path, body: str, **env: str) -> str:
    """Why a check with that body fails; "" when it passes."""
    passed, said = verify(work, ONE + body, **env).lines["one"]
    assert passed == (said == "")
    return said


def test_every_check_is_listed_and_one_failure_makes_the_reward_nothing(work: Path) -> None:
    two = '\n@check("two")\ndef two(work: Work) -> None:\n    expect(1 == 2, "two is wrong")\n'
    found = verify(work, ONE + "expect(True, '')" + two)
    assert found.code == 0
    assert found.verdict == {
        "nonce": "n0nce",
        "reward": 0.0,
        "checks": [
            {"name": "one", "passed": True, "detail": ""},
            {"name": "two", "passed": False, "detail": "two is wrong"},
        ],
    }


def test_the_reward_is_full_when_every_check_passes(work: Path) -> None:
    (work / "a").write_text("hello")
    found = verify(work, ONE + "expect(work.read_text('a') == 'hello', 'no')")
    assert found.verdict is not None
    assert found.verdict["reward"] == 1.0


@pytest.mark.parametrize(
    "check",
    [
        "",
        "x = (",
        ONE + "nonsense()",
        ONE + "import no_such_module",
        "import no_such_module\n" + ONE + "pass",
        ONE + 'pass\n@check("one")\ndef again(work: Work) -> None:\n    pass\n',
    ],
)
def test_a_fault_of_the_check_itself_is_no_verdict(work: Path, check: str) -> None:
    found = verify(work, check)
    assert found.code != 0
    assert found.verdict is None
    assert "Traceback" in found.errors


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b"{", "work.read_json('a')"),
        (b"\xff", "work.read_text('a')"),
        (b"[" * 100_000, "work.read_json('a')"),
        (b"9" * 100_000, "work.read_json('a')"),
        (b"[]", "work.read_json('a')['total']"),
        (b"{}", "work.read_json('a')['total']"),
        (b"null", "work.read_json('a').keys()"),
        (b'"x"', "int(work.read_json('a'))"),
        (b"x" * (checks.MIB + 1), "work.read_bytes('a')"),
    ],
)
def test_a_malformed_output_is_a_failed_check_and_no_fault(work: Path, content: bytes, body: str) -> None:
    (work / "a").write_bytes(content)
    assert detail(work, body) != ""


def test_only_regular_files_inside_of_the_directory_are_read(work: Path) -> None:
    (work.parent / "secret").write_text("secret")
    (work / "link").symlink_to(work.parent / "secret")
    (work / "directory").symlink_to(work.parent)
    (work / "inner").mkdir()
    os.mkfifo(work / "fifo")
    for path in (
        "link",
        "directory/secret",
        "../secret",
        "inner/../../secret",
        "/etc/passwd",
        "fifo",
        "inner",
        "",
        "no",
    ):
        assert detail(work, f"work.read_bytes({path!r})") != "", path


def test_a_program_gets_no_verdict_pipe_no_nonce_and_no_environment_of_ours(work: Path) -> None:
    (work / "spy.py").write_text(
        "import os, sys\n"
        "fds = [int(fd) for fd in os.listdir('/proc/self/fd')]\n"
        "links = [os.readlink(f'/proc/self/fd/{fd}') for fd in fds if os.path.lexists(f'/proc/self/fd/{fd}')]\n"
        "print(sorted(os.environ), any('pipe' in link for link in links), os.getsid(0) == os.getpid())\n"
    )
    body = "expect(work.run([PYTHON, 'spy.py']).ok().text() == \"['HOME', 'LANG', 'PATH'] False True\\n\", 'leak')"
    assert detail(work, body) == ""


def test_input_and_output_are_exact_and_apart(work: Path) -> None:
    (work / "echo.py").write_text(
        "import sys\ndata = sys.stdin.buffer.read()\n"
        "sys.stdout.buffer.write(data)\nsys.stderr.buffer.write(data[::-1])\n"
    )
    body = "ran = work.run([PYTHON, 'echo.py'], stdin=bytes(range(256)) * 999)\n"
    body += "    expect(ran.code == 0 and ran.stdout == bytes(range(256)) * 999 == ran.stderr[::-1], 'changed')"
    assert detail(work, body) == ""


def test_a_program_without_end_is_killed(work: Path) -> None:
    body = "expect(work.run([PYTHON, '-c', 'while True: pass'], timeout=0.2).code is None, 'it ended')"
    assert detail(work, body) == ""
    assert "in its time" in detail(work, "work.run([PYTHON, '-c', 'while True: pass'], timeout=0.2).ok()")


def test_a_child_that_holds_the_output_delays_nobody_and_is_killed(work: Path) -> None:
    (work / "leave.py").write_text(
        "import os, time\nprint(os.getpid(), flush=True)\nif not os.fork(): time.sleep(600)\n"
    )
    body = "open('PLACE', 'w').write(work.run([PYTHON, 'leave.py'], timeout=60).ok().text())"
    assert detail(work, body.replace("PLACE", str(work.parent / "pid"))) == ""
    group = int((work.parent / "pid").read_text())
    deadline = time.monotonic() + 5
    while any(_group(process) == group for process in Path("/proc").iterdir()):
        assert time.monotonic() < deadline, "the child lives on"


def _group(process: Path) -> int | None:
    try:
        state, _, group = (process / "stat").read_text().rsplit(")", 1)[1].split()[:3]
    except (OSError, IndexError):
        return None
    return None if state in "ZX" else int(group)


def test_commands_that_run_at_the_same_time_have_their_own_outputs(work: Path) -> None:
    (work / "meet.py").write_text(
        "import os, sys, time\n"
        "open('here' + sys.argv[1], 'w').close()\n"
        "while not (os.path.exists('here0') and os.path.exists('here1')): pass\n"
        "print(sys.argv[1])\n"
    )
    body = "ran = work.run_all([[PYTHON, 'meet.py', '0'], [PYTHON, 'meet.py', '1']])\n"
    body += "    expect([one.ok().text() for one in ran] == ['0\\n', '1\\n'], 'mixed')"
    assert detail(work, body) == ""


def test_too_much_output_fails_the_check(work: Path) -> None:
    flood = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    assert "printed more" in detail(work, f"work.run([PYTHON, '-c', {flood!r}])")


def test_a_program_that_cannot_be_started_fails_the_check(work: Path) -> None:
    (work / "text").write_text("no program")
    for argv in (["./missing"], ["./text"], ["."]):
        assert "cannot be run" in detail(work, f"work.run({argv!r})")


def test_a_driver_answers_with_data_and_a_forged_verdict_is_only_data(work: Path) -> None:
    driver = "import json, sys; print(json.dumps([n * n for n in json.load(sys.stdin)]))"
    assert detail(work, f"expect(same(work.call({driver!r}, [1, 2, 3]), [1, 4, 9]), 'wrong')") == ""
    forged = 'print(\'{"nonce": "n0nce", "reward": 1.0, "checks": []}\')'
    found = verify(work, ONE + f"expect(same(work.call({forged!r}, None), [1]), 'forged')")
    assert found.lines == {"one": (False, "forged")}


def test_a_scratch_directory_holds_its_files_and_goes_away(work: Path) -> None:
    body = "with work.scratch({'d/a': b'x'}) as scratch:\n        place = scratch.root\n"
    body += (
        "        expect(scratch.run(['/bin/cat', 'd/a']).ok().stdout == b'x' == scratch.read_bytes('d/a'), 'missing')\n"
    )
    body += "    expect(not place.exists(), 'it is still there')"
    assert detail(work, body) == ""


def test_details_are_short_and_printable(work: Path) -> None:
    (work / "noise.py").write_text("import sys\nsys.exit('\\x1b[31m\\u202e<script>' + 'x' * 5000)")
    said = detail(work, "work.run([PYTHON, 'noise.py']).ok()")
    assert len(said) == 300
    assert said.isprintable()


def test_when_the_time_of_all_checks_is_used_up_there_still_is_a_verdict(work: Path) -> None:
    assert "used up" in detail(work, "work.run([PYTHON, '-c', ''])", CLAWBENCH_VERIFIER_SECONDS="0")


def test_inputs_are_drawn_from_the_nonce(work: Path) -> None:
    body = "expect(False, str(work.random.random()))"
    assert detail(work, body, CLAWBENCH_NONCE="a") == detail(work, body, CLAWBENCH_NONCE="a")
    assert detail(work, body, CLAWBENCH_NONCE="a") != detail(work, body, CLAWBENCH_NONCE="b")


@pytest.mark.parametrize("uid", ["0", "-5", "", "root"])
def test_without_a_usable_account_for_the_agent_nothing_is_judged(work: Path, uid: str) -> None:
    found = verify(work, ONE + "pass", CLAWBENCH_AGENT_UID=uid)
    assert found.code != 0
    assert found.verdict is None


def test_json_values_are_compared_strictly() -> None:
    assert checks.same({"a": [1, None], "b": "x"}, {"b": "x", "a": (1, None)})
    assert not checks.same(True, 1)
    assert not checks.same(1.0, 1)
    assert not checks.same("1", 1)
