"""Postgres: one pool a process, one transaction a use case, and the database's clock for everything that is decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast

import asyncpg
from sqlalchemy import ColumnElement, CursorResult, Row, func, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.ext.asyncio import AsyncSession as PlainSession
from sqlmodel.ext.asyncio.session import AsyncSession

from backend.errors import Unavailable

Tx = AsyncSession
# A transaction is short by rule; these end one that is not, so that no lock outlives its process for long.
_SERVER_SETTINGS = {
    "application_name": "clawbench",
    "statement_timeout": "15000",
    "lock_timeout": "10000",
    "idle_in_transaction_session_timeout": "30000",
}
_LOST = (
    OSError,
    TimeoutError,
    PoolTimeout,
    InterfaceError,
    OperationalError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ConnectionDoesNotExistError,
)


class Database:
    """The process's pool. Services take the transaction; only `transaction` commits."""

    def __init__(self, url: str, *, pool: int = 10) -> None:
        self.url = url
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool,
            max_overflow=pool,
            pool_timeout=10,
            pool_pre_ping=True,
            connect_args={"server_settings": _SERVER_SETTINGS, "timeout": 5, "command_timeout": 20},
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Commit what happens inside at the end, all or nothing. Raises Unavailable when Postgres is out of reach."""
        try:
            async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except _LOST as error:
            raise Unavailable("The database does not answer.") from error
        except DBAPIError as error:
            if error.connection_invalidated or _passing(error):
                raise Unavailable("The database cannot do that just now.") from error
            raise

    async def answers(self, within_s: float = 3.0) -> bool:
        """Whether Postgres answers a query in time."""
        try:
            async with asyncio.timeout(within_s), self.transaction() as tx:
                return (await _execute(tx, "SELECT 1")).scalar_one() == 1
        except (Unavailable, TimeoutError):
            return False

    async def close(self) -> None:
        await self.engine.dispose()


def _passing(error: DBAPIError) -> bool:
    """Whether the same may go well in a moment: no connection, no room, read-only, shut down, or a lock in the way."""
    state = str(getattr(error.orig, "sqlstate", "") or getattr(error.orig, "pgcode", "") or "")
    return state[:2] in ("08", "53", "57") or state in ("40001", "40P01", "55P03", "25006")


async def _execute(tx: Tx, sql: str, values: Mapping[str, Any] | None = None) -> CursorResult[Any]:
    # SQLModel deprecates `execute` in favour of `exec`, which takes no hand-written SQL.
    return cast(CursorResult[Any], await PlainSession.execute(tx, text(sql), values or {}))


async def one(tx: Tx, sql: str, values: Mapping[str, Any] | None = None) -> Row[Any] | None:
    """Run hand-written SQL that gives at most one row."""
    return (await _execute(tx, sql, values)).one_or_none()


async def rows(tx: Tx, sql: str, values: Mapping[str, Any] | None = None) -> list[Row[Any]]:
    """Run hand-written SQL and give all its rows."""
    return list((await _execute(tx, sql, values)).all())


async def run(tx: Tx, sql: str, values: Mapping[str, Any] | None = None) -> int:
    """Run hand-written SQL for its effect; the number of rows it changed."""
    return (await _execute(tx, sql, values)).rowcount


def now() -> ColumnElement[datetime]:
    """The database's clock, for use in queries."""
    return func.clock_timestamp()
