"""What the process says of itself: one line an event on standard error, without known secrets and without locals."""

from __future__ import annotations

import json
import logging
import secrets
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from backend.redaction import Redactor
from backend.settings import Settings

_LONGEST = 16_384
# Escape sequences of hostile text would move a terminal's cursor; line ends and tabs are a traceback's own.
_CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def configure(settings: Settings | None = None) -> None:
    """Send every log, ours and the libraries', to standard error: for people on a terminal, as JSON elsewhere.

    Tokens are never written; nor are the platform's own secrets, when its settings are given.
    """
    redactor = Redactor(settings.known_secrets, settings.secret_key) if settings else Redactor({}, secrets.token_hex())
    before: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _Clean(redactor),
    ]
    # Its own tracebacks would show locals; those it gets are text already.
    shown = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*before, shown],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, shown]
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


class _Clean:
    """Makes an event plain data, takes known secrets out of it, and bounds its texts."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        ours = {name: event.pop(name) for name in ("_record", "_from_structlog") if name in event}
        safe = self._redactor.value(json.loads(json.dumps(event, default=repr)))
        return {**{name: _bounded(value) for name, value in safe.items()}, **ours}


def _bounded(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.translate(_CONTROLS)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
