"""Structured logs: one JSON object a line (or readable lines on a console), with request and tenant and no secrets."""

import logging
import re
import sys
from typing import Any

import orjson
import structlog

_SECRET = re.compile(r"(?i)(authorization|secret|password|token|api_?key|hmac|cookie|license_key)")
_BEARER = re.compile(r"(?i)\b(bearer|license|basic)\s+[A-Za-z0-9._~+/=-]{8,}")


def configure(log_format: str = "json", *, level: int = logging.INFO) -> None:
    """Set up logging for this process, on standard error; ``json`` or ``console``."""
    renderer: Any = (
        structlog.processors.JSONRenderer(serializer=lambda value, **_: orjson.dumps(value, default=str).decode())
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s", force=True)


def redact(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Hide whatever is named like a secret, and credentials inside texts."""
    for name, value in event.items():
        if _SECRET.search(name):
            event[name] = "[redacted]"
        elif isinstance(value, str):
            event[name] = _BEARER.sub(r"\1 [redacted]", value)
    return event
