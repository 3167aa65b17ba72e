"""How migrations reach the database: one async connection, one transaction, one migrator at a time."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

import backend.models  # noqa: F401  (fills SQLModel.metadata)
from backend import postgres, settings

MIGRATION_LOCK = 0x636C6177


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=SQLModel.metadata, compare_type=True)
    with context.begin_transaction():
        # Replicas may start at once: the second one waits here and then finds nothing left to do.
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.run_migrations()


async def _online(url: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=SQLModel.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with ExitStack() as stack:
        given = context.config.attributes.get("url")
        asyncio.run(_online(given or stack.enter_context(postgres.database(settings.load()))))
