"""Every shipped Entry Test task: its form, and that its reference passes where doing nothing fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.catalog.tasks import SHIPPED, Task, catalog
from backend.platform import Platform
from backend.scoring import answer, calibrate, checks

pytestmark = pytest.mark.proves("entry.tasks")

TASKS = catalog().of("entry-test")
ANSWERS = [task for task in TASKS if task.kind == "answer"]
TERMINALS = [task for task in TASKS if task.kind == "terminal"]
# their references need a compiler or git, which the sandbox has but this machine may lack
NEEDS_THE_IMAGE = {"regression-hunt", "wordfreq-repair"}
LOCAL = [task for task in TERMINALS if task.id not in NEEDS_THE_IMAGE]


def named(tasks: list[Task]) -> Any:
    return pytest.mark.parametrize("task", tasks, ids=[task.id for task in tasks])


def verify(task: Task, work: Path) -> dict[str, Any]:
    """Run the task's hidden tests here, without another account for the agent's code."""
    ours, theirs = os.pipe()
    given = {"CLAWBENCH_VERDICT_FD": str(theirs), "CLAWBENCH_NONCE": "n", "CLAWBENCH_TESTS": str(task.tests)}
    given |= {"CLAWBENCH_WORKDIR": str(work), "CLAWBENCH_VERIFIER_SECONDS": str(task.limits.verifier_s)}
    with open(ours, "rb") as pipe:
        argv = [sys.executable, "-I", "-S", checks.__file__]
        subprocess.run(argv, env=given, pass_fds=[theirs], check=True, timeout=task.limits.verifier_s)
        os.close(theirs)
        return json.loads(pipe.read())


def workspace(task: Task, place: Path) -> Path:
    return Path(shutil.copytree(task.workspace, place / "workspace"))


def solved(task: Task, place: Path) -> Path:
    """What the reference leaves: the pristine workspace with the declared outputs."""
    worked = Path(shutil.copytree(task.workspace, place / "worked"))
    subprocess.run(["bash", str(task.directory / "solution" / "solve.sh")], cwd=worked, check=True, timeout=60)
    fresh = workspace(task, place)
    for name in task.outputs:
        source, target = worked / name, fresh / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
        elif source.exists():
            shutil.copyfile(source, target)
    return fresh


def test_there_are_enough_tasks_of_every_difficulty_and_no_stray_directory() -> None:
    assert len(ANSWERS) >= 8
    assert len(TERMINALS) >= 6
    for tasks in (ANSWERS, TERMINALS):
        assert {task.difficulty for task in tasks} == {"easy", "medium", "hard"}
    assert {path.name for path in SHIPPED.iterdir()} == {task.id for task in TASKS}
    assert len({task.title for task in TASKS}) == len(TASKS)


@named(list(TASKS))
def test_a_task_is_small_plain_text(task: Task) -> None:
    for path in task.directory.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert not path.is_symlink()
            assert path.stat().st_size <= 64 * 1024
            path.read_text("utf-8")


@named(ANSWERS)
def test_an_answer_task_takes_its_own_answer_and_no_trick(task: Task) -> None:
    spec = answer.load((task.tests / "answer.toml").read_text())
    right = (task.directory / "solution" / "answer.txt").read_text()
    assert answer.judge(spec, right).reward == 1.0
    assert spec.pattern is not None
    assert spec.expected not in task.instruction
    tricks = [
        None,
        "",
        "{}",
        "0",
        "none",
        task.instruction,
        right * 2,
        f"{right} or 0",
        f"The answer is {right}",
        f"`{right}`",
    ]
    assert [answer.judge(spec, trick).reward for trick in tricks] == [0.0] * len(tricks)
    assert not task.outputs


@named(ANSWERS)
def test_an_example_of_the_form_in_an_instruction_has_the_form_but_is_wrong(task: Task) -> None:
    spec = answer.load((task.tests / "answer.toml").read_text())
    for example in re.findall(r"for example `([^`]+)`|Example of the form: `([^`]+)`", task.instruction):
        said = answer.judge(spec, "".join(example))
        assert said.detail == "the answer is wrong"


@named(TERMINALS)
def test_a_terminal_task_names_its_outputs_and_holds_all_its_parts(task: Task) -> None:
    assert task.outputs
    for name in task.outputs:
        assert name.rstrip("/") in task.instruction
        assert not name.startswith("/")
        assert ".." not in name
    assert task.image == "clawbench/entry-test"
    assert task.workspace.is_dir()
    assert (task.directory / "solution" / "solve.sh").is_file()
    assert (task.tests / "check.py").read_text().count("\n@check(") >= 3
    assert task.limits.verifier_s < task.limits.wall_s


@named(TERMINALS)
def test_doing_nothing_fails(task: Task, tmp_path: Path) -> None:
    verdict = verify(task, workspace(task, tmp_path))
    assert verdict["reward"] == 0.0
    assert not all(line["passed"] for line in verdict["checks"])


@pytest.mark.slow
@named(LOCAL)
def test_the_reference_passes_every_check(task: Task, tmp_path: Path) -> None:
    verdict = verify(task, solved(task, tmp_path))
    assert [line for line in verdict["checks"] if not line["passed"]] == []
    assert verdict["reward"] == 1.0


@pytest.mark.docker
@named([task for task in TERMINALS if task.id in NEEDS_THE_IMAGE])
async def test_the_reference_passes_every_check_in_its_image(task: Task, here: Platform) -> None:
    worth = await calibrate.check(here, task)
    assert worth.detail == ""
    assert (worth.reference, worth.noop) == (1.0, 0.0)


def test_a_report_alone_that_is_right_for_the_given_files_is_no_pass(tmp_path: Path) -> None:
    task = catalog().task("entry-test", "rotated-log-report")
    work = solved(task, tmp_path)
    (work / "src" / "report.py").write_text("print(open('/dev/stdin').read() or open('report.json').read())\n")
    lines = {line["name"]: line["passed"] for line in verify(task, work)["checks"]}
    assert lines["report.json is right for the given logs"]
    assert sum(lines.values()) == 1
