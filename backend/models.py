"""The tables. The words that they hold are those of `words`, and the database checks them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from backend.words import ARROWS, KINDS, LANES, ROLES, RUN_STATES, TASK_KINDS, TRIAL_STATES, VISIBILITIES


def _words(column: str, words: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_word")


def _now() -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=False, server_default=func.now())


def _moment() -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=True)


def _json() -> Column[Any]:
    return Column(JSONB, nullable=False, server_default=text("'{}'::jsonb"))


class Account(SQLModel, table=True):
    """A person. Roles are those of the contract; sign-in by password or OIDC comes with its issue."""

    __table_args__ = (_words("role", ROLES),)
    id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    role: str = "participant"
    created_at: datetime | None = Field(default=None, sa_column=_now())


class Token(SQLModel, table=True):
    """A credential, by the SHA-256 of its value only: an API token, a browser session, or a one-time sign-in link."""

    __table_args__ = (_words("kind", ("api", "session", "link")),)
    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="account.id", index=True)
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    kind: str = "api"
    scopes: str
    created_at: datetime | None = Field(default=None, sa_column=_now())
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    revoked_at: datetime | None = Field(default=None, sa_column=_moment())


class Agent(SQLModel, table=True):
    """A public identity. `fold` is the name's look-alike skeleton, so that no two names can be mistaken."""

    id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    fold: str = Field(unique=True)
    owner_id: str | None = Field(default=None, foreign_key="account.id")
    created_at: datetime | None = Field(default=None, sa_column=_now())


class Run(SQLModel, table=True):
    """One run of one agent over some tasks of one benchmark. Only `backend.runs` moves its state."""

    __table_args__ = (
        _words("state", RUN_STATES),
        _words("visibility", VISIBILITIES),
        _words("lane", LANES),
        _words("kind", KINDS),
        CheckConstraint("kind = 'agent' OR visibility = 'dev_only'", name="only_agents_are_public"),
        CheckConstraint("score IS NULL OR (score >= 0 AND score <= 1)", name="score_range"),
        Index("run_owner_newest", "owner_id", text("number DESC")),
        Index("run_published", "benchmark", "score", postgresql_where=text("visibility = 'published'")),
        Index("run_open", "state", "touched_at", postgresql_where=text("state IN ('queued','claimed','running')")),
    )
    id: str = Field(primary_key=True)
    number: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), unique=True, nullable=False))
    owner_id: str = Field(foreign_key="account.id")
    agent_id: str = Field(foreign_key="agent.id")
    benchmark: str
    lane: str = "mcp"
    kind: str = "agent"
    state: str = "queued"
    visibility: str = "dev_only"
    persona: str | None = None
    declared: dict[str, Any] = Field(default_factory=dict, sa_column=_json())
    reported: dict[str, Any] = Field(default_factory=dict, sa_column=_json())
    limits: dict[str, Any] = Field(default_factory=dict, sa_column=_json())
    score: float | None = None
    cause: str | None = None
    priority: int = 0
    moves: int = 0
    event_seq: int = 0
    chain: str = ""
    acting_token: str | None = None
    acted_at: datetime | None = Field(default=None, sa_column=_moment())
    created_at: datetime | None = Field(default=None, sa_column=_now())
    touched_at: datetime | None = Field(default=None, sa_column=_now())
    wall_deadline: datetime | None = Field(default=None, sa_column=_moment())
    ended_at: datetime | None = Field(default=None, sa_column=_moment())


class Transition(SQLModel, table=True):
    """The history of a run's states: one row an arrow, and the database knows which arrows there are."""

    __table_args__ = (
        CheckConstraint(
            "(letter || ':' || source || '>' || target) IN ("
            + ", ".join(f"'{k}:{a}>{b}'" for k, (a, b) in ARROWS.items())
            + ")",
            name="legal_arrow",
        ),
    )
    run_id: str = Field(primary_key=True, foreign_key="run.id")
    n: int = Field(primary_key=True)
    letter: str
    source: str
    target: str
    at: datetime | None = Field(default=None, sa_column=_now())


class Trial(SQLModel, table=True):
    """One attempt of one run at one task; a second attempt exists only after an infrastructure failure."""

    __table_args__ = (
        UniqueConstraint("run_id", "task_id", "attempt"),
        _words("state", TRIAL_STATES),
        _words("kind", TASK_KINDS),
        Index(
            "trial_one_active",
            "run_id",
            unique=True,
            postgresql_where=text("state IN ('preparing', 'running')"),
        ),
    )
    id: str = Field(primary_key=True)
    run_id: str = Field(foreign_key="run.id")
    task_id: str
    ordinal: int
    attempt: int = 1
    kind: str
    title: str
    task_digest: str
    image_digest: str | None = None
    state: str = "pending"
    cause: str | None = None
    score: float | None = None
    answer: str | None = Field(default=None, sa_column=Column(Text))
    started_at: datetime | None = Field(default=None, sa_column=_moment())
    deadline: datetime | None = Field(default=None, sa_column=_moment())
    ended_at: datetime | None = Field(default=None, sa_column=_moment())


class Lease(SQLModel, table=True):
    """Who may write to a subject just now. A fence never goes back, so a late writer is always told apart."""

    subject: str = Field(primary_key=True)
    holder: str
    fence: int = Field(sa_column=Column(BigInteger, nullable=False))
    until: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class SandboxRow(SQLModel, table=True):
    """A sandbox that we asked for: written before the provider is, so that none can be forgotten."""

    __tablename__ = "sandbox"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (
        _words("state", ("intent", "live", "frozen", "gone")),
        Index("sandbox_not_gone", "trial_id", postgresql_where=text("state <> 'gone'")),
    )
    key: str = Field(primary_key=True)
    run_id: str = Field(foreign_key="run.id")
    trial_id: str = Field(foreign_key="trial.id")
    role: str
    provider: str
    external_id: str | None = None
    facts: dict[str, Any] = Field(default_factory=dict, sa_column=_json())
    state: str = "intent"
    created_at: datetime | None = Field(default=None, sa_column=_now())
    gone_at: datetime | None = Field(default=None, sa_column=_moment())


class ToolCall(SQLModel, table=True):
    """The ledger: one row an acting call, written before anything is done. `scope` is the run, or the owner."""

    __tablename__ = "tool_call"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (_words("state", ("started", "done", "unknown")),)
    scope: str = Field(primary_key=True)
    client_call_id: str = Field(primary_key=True)
    run_id: str | None = Field(default=None, sa_column=Column(Text, ForeignKey("run.id"), nullable=True))
    trial_id: str | None = None
    tool: str
    digest: str
    holder: str
    state: str = "started"
    answer: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime | None = Field(default=None, sa_column=_now())
    done_at: datetime | None = Field(default=None, sa_column=_moment())


class Event(SQLModel, table=True):
    """What happened in a run, append-only; `hash` covers the event and the hash before it."""

    run_id: str = Field(primary_key=True, foreign_key="run.id")
    seq: int = Field(primary_key=True)
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    kind: str
    trial_id: str | None = None
    body: dict[str, Any] = Field(default_factory=dict, sa_column=_json())
    hash: str


class Artifact(SQLModel, table=True):
    """Bytes of a run by reference; the bytes lie in the artifact store under their SHA-256."""

    run_id: str = Field(primary_key=True, foreign_key="run.id")
    ref: str = Field(primary_key=True)
    trial_id: str | None = None
    kind: str
    sha256: str
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime | None = Field(default=None, sa_column=_now())


class Verdict(SQLModel, table=True):
    """What the verifier said of a trial, once."""

    __table_args__ = (CheckConstraint("reward >= 0 AND reward <= 1", name="reward_range"),)
    trial_id: str = Field(primary_key=True, foreign_key="trial.id")
    run_id: str = Field(foreign_key="run.id", index=True)
    mode: str
    reward: float
    checks: list[dict[str, Any]] = Field(default_factory=list, sa_column=_json())
    nonce: str
    task_digest: str
    image_digest: str | None = None
    duration_ms: int
    created_at: datetime | None = Field(default=None, sa_column=_now())


class Job(SQLModel, table=True):
    """Work that a worker does outside of any request: verify a trial, close a run, remove sandboxes."""

    __table_args__ = (
        _words("kind", ("verify", "finalize", "cleanup")),
        _words("state", ("queued", "running", "done", "failed")),
        Index("job_queued", "not_before", "id", postgresql_where=text("state IN ('queued', 'running')")),
        Index("job_run", "run_id"),
    )
    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    kind: str
    run_id: str = Field(foreign_key="run.id")
    trial_id: str | None = Field(default=None, foreign_key="trial.id")
    state: str = "queued"
    attempts: int = 0
    error: str | None = None
    not_before: datetime | None = Field(default=None, sa_column=_now())
    created_at: datetime | None = Field(default=None, sa_column=_now())


class Audit(SQLModel, table=True):
    """Who changed what about people, tokens and the platform; append-only."""

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    at: datetime | None = Field(default=None, sa_column=_now())
    actor: str
    action: str
    subject: str
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=_json())
