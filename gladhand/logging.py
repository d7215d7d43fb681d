"""Log lines: one JSON object each, or readable ones for a console, always with the correlation id in force.

A message of the contract is shown as `gladhand.masking.masked` shows it, be it an argument or a fact, inside lists and
dictionaries too. What was put into a string before it came here stands as it is. Give facts as
`extra={"facts": {...}}`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, TextIO

from google.protobuf.message import Message

from gladhand.calls import correlation_id
from gladhand.masking import masked
from gladhand.settings import LogFormat, Settings

__all__ = ["ConsoleFormatter", "JsonFormatter", "configure", "masked"]

_CHATTY = ("httpx", "httpcore")


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts = getattr(record, "facts", None)
    return {str(name): _shown(value) for name, value in facts.items()} if isinstance(facts, dict) else {}


def _shown(value: Any) -> Any:
    """The value with every message in it masked."""
    if isinstance(value, Message):
        return masked(value)
    if isinstance(value, Mapping):
        return {key: _shown(each) for key, each in value.items()}
    if isinstance(value, Sequence | AbstractSet) and not isinstance(value, str | bytes | bytearray):
        return [_shown(each) for each in value]
    return value


def _message(record: logging.LogRecord) -> str:
    """The line's text, every message among its arguments masked."""
    given = record.args
    try:
        record.args = tuple(_shown(each) for each in given) if isinstance(given, tuple) else _shown(given)
        record.msg, before = _shown(record.msg), record.msg
        try:
            return record.getMessage()
        finally:
            record.msg = before
    finally:
        record.args = given


class JsonFormatter(logging.Formatter):
    """One line, one JSON object: time, level, service, logger, message, correlation_id, facts, fault."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; values that JSON does not know are written as text."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": _message(record),
        }
        if correlation := correlation_id():
            line["correlation_id"] = correlation
        line.update(_facts(record))
        if record.exc_info:
            line["fault"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """One line for people: time, level, logger, message, then facts as key=value."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback below it where there is one."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        facts = _facts(record)
        if correlation := correlation_id():
            facts["correlation_id"] = correlation
        tail = "".join(f" {key}={value}" for key, value in facts.items())
        text = f"{time} {record.levelname:<7} {self._service} {record.name}: {_message(record)}{tail}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure(settings: Settings, service: str, stream: TextIO | None = None) -> None:
    """Send every log line of the process to `stream`, standard error by default, in the format of the settings."""
    handler = logging.StreamHandler(stream or sys.stderr)
    json_lines = settings.log_format is LogFormat.JSON
    handler.setFormatter(JsonFormatter(service) if json_lines else ConsoleFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.value)
    for chatty in _CHATTY:  # a line for each call of a client: the service's own lines tell what it was for
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
