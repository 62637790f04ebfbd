"""Structured logs: JSON lines for machines, readable lines on a terminal. The only importer of structlog."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TextIO

import structlog
from structlog.stdlib import BoundLogger
from structlog.typing import EventDict, WrappedLogger

from engine.clock import wall_ms

Logger = BoundLogger

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What libraries say below this is theirs alone; an operator reads about Lockstep.
_FOREIGN_LEVEL = logging.WARNING


def _stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Every line carries the wall clock in UTC, to the millisecond, so that lines of two machines sort together."""
    at = _EPOCH + timedelta(milliseconds=wall_ms())
    event["at"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _time_alone(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Who watches a terminal knows the day."""
    event["at"] = event["at"].partition("T")[2]
    return event


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """When, how bad, who, what; then the details: a line is read by people too, on its left end."""
    head = {name: event.pop(name) for name in ("at", "level", "logger", "event") if name in event}
    return {**head, **event}


def _renderers(stream: TextIO) -> list[structlog.typing.Processor]:
    if stream.isatty():
        colored = not os.environ.get("NO_COLOR")
        plain = structlog.dev.plain_traceback
        return [
            _time_alone,
            structlog.dev.ConsoleRenderer(
                colors=colored, exception_formatter=plain, timestamp_key="at", pad_event_to=28, sort_keys=False
            ),
        ]
    return [structlog.processors.format_exc_info, _in_order, structlog.processors.JSONRenderer(ensure_ascii=False)]


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs of this process, the libraries' included, to ``stream`` (default: stderr).

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        stream: a terminal gets readable lines, anything else one JSON object a line.
    """
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _stamp,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(out)],
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_FOREIGN_LEVEL)
    logging.getLogger("lockstep").setLevel(level.upper())
    # A log line that cannot be written (a closed terminal, a full disk) must not stop the daemon.
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=False,
    )


def logger(part: str) -> Logger:
    """The logger of one part of the program, e.g. ``lease``; its lines carry ``logger=lockstep.lease``."""
    made: Logger = structlog.stdlib.get_logger(f"lockstep.{part}")
    return made
