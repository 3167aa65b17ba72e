"""NOTIFY as a hint: whoever hears it looks sooner; whoever does not, polls. Nothing is ever lost by a lost notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import asyncpg
import structlog
from sqlalchemy.engine import make_url

log = structlog.get_logger()
_AGAIN_S = 2.0
_CHECK_S = 15.0


async def listen(url: str, hear: Mapping[str, Callable[[str], None]]) -> None:
    """Call `hear[channel]` with each notice's payload, over a connection that is made again when it breaks."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            connection = await asyncpg.connect(plain, timeout=5)
            try:
                for channel, heard in hear.items():
                    await connection.add_listener(channel, lambda _c, _p, _n, payload, heard=heard: heard(str(payload)))
                while True:
                    # A dead line says nothing of itself; asking is what finds it out.
                    await asyncio.sleep(_CHECK_S)
                    await connection.execute("SELECT 1", timeout=5)
            finally:
                connection.terminate()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.info("notices.broken", error=repr(error))
            await asyncio.sleep(_AGAIN_S)
