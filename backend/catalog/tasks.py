"""Task directories: what a task is, its digest, and the catalog of all that are installed.

The layout is Harbor's (`task.toml` schema 1.4, `instruction.md`, `tests/`, `solution/`) with a `workspace/` of initial
files; `metadata.kind` says which tools the task gives.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend.catalog.families import BY_ID
from backend.errors import SetupFailed, UnknownBenchmark, UnknownTask

SHIPPED = Path(__file__).resolve().parent / "entry_test"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{5,39}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Named(_Part):
    name: str
    description: str = ""


class _Metadata(_Part):
    title: str
    difficulty: Literal["easy", "medium", "hard"]
    kind: Literal["answer", "terminal"]
    category: str = ""
    tags: list[str] = []


class _Timeout(_Part):
    timeout_sec: Annotated[float, Field(gt=0, le=24 * 3600)]


class _Environment(_Part):
    docker_image: str
    cpus: float = 1
    memory_mb: int = 1024
    workdir: str = "/workspace"
    network_mode: Literal["no-network"] = "no-network"


class _File(_Part):
    """`task.toml` of a shipped task; an unknown key is refused, so that no limit is ignored in silence."""

    schema_version: Literal["1.4"]
    artifacts: list[str] = []
    task: _Named
    metadata: _Metadata
    agent: _Timeout
    verifier: _Timeout = _Timeout(timeout_sec=60)
    environment: _Environment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLimits:
    """What one trial of a task may use; the same for everyone."""

    wall_s: int
    verifier_s: int
    memory_mb: int = 0
    cpus: float = 0
    pids: int = 256

    def public(self) -> dict[str, Any]:
        """The limits as an agent is told them."""
        shown: dict[str, Any] = {"wall_s": self.wall_s}
        if self.memory_mb:
            shown |= {"memory_mb": self.memory_mb, "cpus": self.cpus, "pids": self.pids}
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One installed task. `directory` also holds its hidden tests and its reference: neither reaches an agent."""

    id: str
    benchmark: str
    kind: str
    title: str
    difficulty: str
    instruction: str
    digest: str
    directory: Path
    limits: TaskLimits
    runnable: bool = True
    image: str | None = None
    workdir: str = "/workspace"
    outputs: tuple[str, ...] = ()

    @property
    def mode(self) -> str:
        """How it is verified, a fact of its digest: only declared outputs count."""
        return "outputs"

    @property
    def workspace(self) -> Path:
        return self.directory / "workspace"

    @property
    def tests(self) -> Path:
        return self.directory / "tests"


def digest(directory: Path) -> str:
    """The task's content address: SHA-256 over every file's path, executable bit and content, in path order."""
    total = hashlib.sha256(b"clawbench.task.v1")
    for path in sorted(_files(directory), key=lambda p: p.relative_to(directory).as_posix()):
        name = path.relative_to(directory).as_posix().encode()
        runs = b"x" if os.access(path, os.X_OK) else b"-"
        total.update(len(name).to_bytes(4, "big") + name + runs + hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{total.hexdigest()}"


def _files(directory: Path) -> Iterable[Path]:
    for path in directory.rglob("*"):
        if "__pycache__" in path.parts:
            continue
        if path.is_symlink():
            raise SetupFailed(f"{path} is a symbolic link; a task directory holds plain files only.")
        if path.is_file():
            yield path


def load(directory: Path, benchmark: str) -> Task:
    """Read one task directory. Raises SetupFailed naming the file and what is wrong with it."""
    path = directory / "task.toml"
    if not _ID.fullmatch(directory.name):
        raise SetupFailed(f"{directory.name} is not a task id (6 to 40 of a-z, 0-9 and -).")
    try:
        file = _File.model_validate(tomllib.loads(path.read_text()))
        instruction = (directory / "instruction.md").read_text()
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise SetupFailed(f"{path} cannot be used: {error}") from error
    environment = file.environment
    if (file.metadata.kind == "terminal") != (environment is not None):
        raise SetupFailed(f"{path}: a terminal task has an [environment], and no other kind does.")
    return Task(
        id=directory.name,
        benchmark=benchmark,
        kind=file.metadata.kind,
        title=file.metadata.title,
        difficulty=file.metadata.difficulty,
        instruction=instruction,
        digest=digest(directory),
        directory=directory,
        limits=TaskLimits(
            wall_s=int(file.agent.timeout_sec),
            verifier_s=int(file.verifier.timeout_sec),
            memory_mb=environment.memory_mb if environment else 0,
            cpus=environment.cpus if environment else 0,
        ),
        image=environment.docker_image if environment else None,
        workdir=environment.workdir if environment else "/workspace",
        outputs=tuple(file.artifacts),
    )


@dataclass(frozen=True)
class Catalog:
    """Every installed task, by family. Read once at the start: a task does not change under a run."""

    tasks: Mapping[str, tuple[Task, ...]] = field(default_factory=dict)

    @cached_property
    def _by_id(self) -> dict[tuple[str, str], Task]:
        return {(task.benchmark, task.id): task for tasks in self.tasks.values() for task in tasks}

    def of(self, benchmark: str) -> tuple[Task, ...]:
        """The family's tasks in their listed order. Raises UnknownBenchmark."""
        if benchmark not in BY_ID:
            raise UnknownBenchmark()
        return self.tasks.get(benchmark, ())

    def task(self, benchmark: str, task_id: str) -> Task:
        """One task. Raises UnknownBenchmark, UnknownTask."""
        self.of(benchmark)
        if (found := self._by_id.get((benchmark, task_id))) is None:
            raise UnknownTask()
        return found


_RANK = {"easy": 0, "medium": 1, "hard": 2}


def catalog(shipped: Path = SHIPPED) -> Catalog:
    """Load all installed tasks: easy before hard, answers before terminals."""
    directories = [path for path in shipped.iterdir() if (path / "task.toml").is_file()] if shipped.is_dir() else []
    tasks = [load(path, "entry-test") for path in directories]
    tasks.sort(key=lambda task: (task.kind, _RANK[task.difficulty], task.id))
    return Catalog({"entry-test": tuple(tasks)})
