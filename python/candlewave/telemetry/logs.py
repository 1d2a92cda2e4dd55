"""JSON logs: one object per line on standard output, for our own code and for libraries alike."""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from candlewave import __version__
from candlewave.core.printable import printable
from candlewave.core.settings import Settings
from candlewave.telemetry.redact import redact

_CHATTY = ("alembic",)
"""Libraries whose INFO messages do not help an operator."""


def configure_logging(settings: Settings, service: str, stream: TextIO | None = None) -> None:
    """Send all logs of the process to ``stream`` (standard output) as JSON lines.

    Every line has ``timestamp`` (UTC), ``level``, ``logger``, ``event``, ``service``, ``version``, and ``trace_id``
    inside a span. Exceptions are structured, without local variables. Secrets are hidden by
    :mod:`candlewave.telemetry.redact`.
    """

    def identity(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event.update(service=service, version=__version__)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        identity,
        _trace_identity,
    ]
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(
                    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
                ),
                _render,
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module; before :func:`configure_logging` structlog's readable default applies."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _trace_identity(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event


def _render(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> str:
    first: Mapping[str, Any] = {
        key: event.pop(key) for key in ("timestamp", "level", "service", "event") if key in event
    }
    # JSON escapes what is below a space; a terminal obeys more than that, and \\u says it all the same to JSON.
    return printable(redact(json.dumps({**first, **event}, default=str, ensure_ascii=False)))
