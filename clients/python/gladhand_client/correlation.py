"""The id under which log lines, spans and events of one piece of work are found again (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

CORRELATION_KEY = "x-correlation-id"
"""The metadata key; the server sends the id back with every answer."""

_current: ContextVar[str] = ContextVar("gladhand_client_correlation", default="")


@contextmanager
def correlated(correlation_id: str) -> Iterator[None]:
    """Make every call within carry this id: 8 to 128 of letters, digits and `._:/-`. Servers ignore any other."""
    before = _current.set(correlation_id)
    try:
        yield
    finally:
        _current.reset(before)


def correlation_id() -> str:
    """Return the id in force, or a new one."""
    return _current.get() or str(uuid4())
