"""What a sandbox is: the protocols, requests and results that every provider obeys.

Read this file first. A *provider* makes sandboxes (Docker containers now, cloud sandboxes later); a *sandbox* runs
commands and holds files for one trial. Nothing above this package knows which provider serves it, and this package
imports nothing of ours. Every provider passes the same contract test (tests/providers/test_contract.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal, Protocol

KIB = 1024
MIB = 1024 * KIB
# The agent's fixed account in every sandbox; no account of a usual machine or image has this number.
AGENT_UID = 20001


class Status(StrEnum):
    """How a command stands or ended; the first four are the command's own, the last two are ours or the machine's."""

    RUNNING = "running"
    EXITED = "exited"
    SIGNALED = "signaled"
    TIMEOUT = "timeout"
    OOM = "oom"
    CANCELLED = "cancelled"
    LOST = "lost"


class Dispatched(StrEnum):
    """Whether a failed request can have had an effect in the sandbox: only `no` may be tried again blindly."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


class SandboxError(Exception):
    """The sandbox could not do that."""

    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, dispatched: Dispatched = Dispatched.NO) -> None:
        super().__init__(detail or self.__doc__)
        self.dispatched = dispatched


class ProviderUnavailable(SandboxError):
    """The sandbox provider does not answer."""

    retryable = True


class ImageUnavailable(SandboxError):
    """The image cannot be pulled or built here."""


class CapabilityMissing(SandboxError):
    """The provider cannot enforce what this sandbox asks for, so it is refused rather than weakened."""


class SandboxLost(SandboxError):
    """The sandbox is gone."""


class SandboxBusy(SandboxError):
    """Another foreground command is still running."""

    retryable = True


class PathDenied(SandboxError):
    """The path is outside of the directory it must stay in, or may not be opened."""


class PathMissing(SandboxError):
    """There is no such file or directory."""


class TransferTooLarge(SandboxError):
    """The file or tree is larger than the limit."""


class ArchiveRefused(SandboxError):
    """The archive holds something that is not a plain file, directory or inner link."""


class RequestInvalid(SandboxError):
    """No sandbox can do that as it was asked for: a command is words without NUL, and so is its environment."""


class UnknownProcess(SandboxError):
    """The sandbox knows no process of that id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a sandbox may use; every one is enforced from outside of it."""

    memory_mb: int = 1024
    cpus: float = 1.0
    pids: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """An image by name, or one to be built from a directory that holds a Dockerfile (then `name` is its repository)."""

    name: str
    context: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """A prepared image: what to start it by, and the digest that pins its content."""

    reference: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """What one sandbox is to be. `key` is ours, unique, and makes creating it idempotent."""

    key: str
    deployment: str
    run_id: str
    image: ImageRef
    role: Literal["agent", "verifier"] = "agent"
    limits: Limits = field(default_factory=Limits)
    network: Literal["none"] = "none"
    workdir: str = "/workspace"
    env: Mapping[str, str] = field(default_factory=dict)
    lease_s: int = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxInfo:
    """One sandbox as the provider lists it; `state` is the provider's own word (running, paused, created, exited)."""

    key: str
    external_id: str
    provider: str
    deployment: str
    run_id: str
    state: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecRequest:
    """One command. `call_id` makes it idempotent: the same id again is the same process, never a second one.

    `foreground` commands exclude one another (`SandboxBusy`). `user` is the agent's own fixed account or, for the
    trusted verifier alone, root. With `verdict` the process gets a pipe of its own, named by the environment variable
    CLAWBENCH_VERDICT_FD, whose bytes come back as `ExecResult.verdict` and which no child inherits.
    """

    call_id: str
    argv: tuple[str, ...]
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    user: Literal["agent", "root"] = "agent"
    timeout_s: float = 60.0
    pty: bool = False
    stdin: bytes | None = None
    foreground: bool = False
    verdict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Bytes of a process's output (stdout and stderr in the order they came) from `offset`, and how it stands.

    `total` counts all bytes ever written, also those that were not kept; `offset` is where `data` really begins,
    which is later than what was asked for when the bytes between were dropped.
    """

    data: bytes
    offset: int
    total: int
    status: Status
    exit_code: int | None
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """A finished command: exact bytes of its output (head and tail when it was longer than what is kept)."""

    status: Status
    exit_code: int | None
    output: bytes
    total: int
    duration_ms: int
    verdict: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChunk:
    """Part of a file, exact bytes, with the size of the whole."""

    data: bytes
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """One directory entry; `path` is relative to the directory listed."""

    path: str
    kind: Literal["file", "dir", "link", "other"]
    size: int
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLimits:
    """How much may come out of a sandbox in one transfer."""

    max_bytes: int = 64 * MIB
    max_files: int = 5_000
    max_depth: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider enforces, word for word; a spec that asks for more is refused before anything is created."""

    isolation: Literal["none", "container", "gvisor", "microvm"]
    networks: frozenset[str]
    limits: frozenset[str]
    pty: bool
    pause: bool
    kill_tree: bool
    verified: Literal["live", "fake", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of a preflight report."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


class Process(Protocol):
    """A command that was started in a sandbox; it lives there, not here, and is found again by its id."""

    id: str

    async def read(self, offset: int | None = None, *, limit: int = 1 * MIB, wait_s: float = 0.0) -> Chunk:
        """Give output from `offset` (None: what no `read` returned yet).

        Waits up to `wait_s` seconds for the command's end or for `limit` bytes; with `limit` 0 for the end alone.
        """
        ...

    async def write_stdin(self, data: bytes) -> None:
        """Type `data` into the process."""
        ...

    async def signal(self, name: str) -> None:
        """Send TERM, KILL, INT, … to the process's whole group; KILL takes its whole tree."""
        ...

    async def wait(self) -> ExecResult:
        """Wait for the end, which the request's own timeout bounds."""
        ...


class Sandbox(Protocol):
    """One isolated machine. Paths are absolute, or relative to the working directory.

    Raises (all methods): SandboxLost, ProviderUnavailable.
    """

    info: SandboxInfo
    workdir: str

    async def exec(self, request: ExecRequest) -> ExecResult:
        """Run a command to its end. Never raises for what the command does: the status says it."""
        ...

    async def spawn(self, request: ExecRequest) -> Process:
        """Start a command and return at once. Raises SandboxBusy when `foreground` is taken."""
        ...

    async def process(self, call_id: str) -> Process:
        """Find a command again, after a restart too. Raises UnknownProcess."""
        ...

    async def processes(self) -> list[str]:
        """Name the call ids of every command that was started here, in order."""
        ...

    async def read(self, path: str, *, offset: int = 0, limit: int = 1 * MIB, within: str | None = None) -> FileChunk:
        """Read part of a file as the agent's user. With `within`, a path that leaves that directory is PathDenied."""
        ...

    async def write(self, path: str, data: bytes, *, mode: int | None = None, within: str | None = None) -> None:
        """Replace a file as the agent's user, making its parent directories."""
        ...

    async def stat(self, path: str, *, within: str | None = None) -> FileStat: ...

    async def listdir(
        self, path: str, *, depth: int = 1, limit: int = 2_000, within: str | None = None
    ) -> list[FileStat]:
        """List a directory to `depth`, sorted by path, never following links, at most `limit` entries."""
        ...

    async def put_tree(self, source: Path, target: str, *, owner: Literal["agent", "root"] = "agent") -> None:
        """Copy a trusted local directory into the sandbox."""
        ...

    async def get_tree(self, paths: tuple[str, ...], target: Path, *, limits: TreeLimits) -> list[str]:
        """Copy files and directories out of a paused sandbox, read from outside; nothing in it takes part.

        Each lands below `target` under its path relative to the working directory. A path that is not there is left
        out of the list returned. Raises ArchiveRefused (device, FIFO, link that leaves the tree), TransferTooLarge.
        """
        ...

    async def pause(self) -> None:
        """Stop every process of the sandbox where it stands, from outside."""
        ...

    async def renew(self, lease_s: int) -> None:
        """Let the sandbox live for `lease_s` more seconds; unrenewed it ends by itself."""
        ...

    async def destroy(self) -> None:
        """Remove the sandbox and all it held. Removing what is gone is success."""
        ...


class SandboxProvider(Protocol):
    """Makes and finds sandboxes. Holds no state that a restart would lose."""

    name: ClassVar[str]

    def capabilities(self) -> Capabilities: ...

    async def preflight(self) -> list[Check]:
        """Say what works and what is missing here, with a remedy. Never raises."""
        ...

    async def prepare_image(self, image: ImageSpec) -> ImageRef:
        """Pull or build the image once per content. Raises ImageUnavailable."""
        ...

    async def create(self, spec: SandboxSpec) -> Sandbox:
        """Make a sandbox, ready for commands. The same key again gives the same sandbox. Raises CapabilityMissing."""
        ...

    async def attach(self, key: str) -> Sandbox:
        """Find a live sandbox again by its key, after a restart of ours. Raises SandboxLost."""
        ...

    def list(self, *, deployment: str, run_id: str | None = None) -> AsyncIterator[SandboxInfo]:
        """Every sandbox of the deployment in any state, live or not."""
        ...

    async def destroy(self, key: str) -> None:
        """Remove by key whatever there is of it; nothing is success."""
        ...

    async def aclose(self) -> None:
        """Let go of connections; sandboxes live on."""
        ...
