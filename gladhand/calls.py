"""The call being served, and what travels with it into every log line, event and further call.

The values live in context variables: each gRPC call runs in a task of its own, and tasks that it starts inherit them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gladhand.policy import MethodContract
    from gladhand.security.principal import Principal

__all__ = ["CORRELATION_KEY", "Call", "correlated", "correlation_id", "current_call", "deadline", "remaining"]

CORRELATION_KEY = "x-correlation-id"
"""Metadata key (and HTTP header) of the correlation id; `x-request-id` is accepted in its place."""

_ACCEPTED = re.compile(r"[A-Za-z0-9._:/-]{8,128}").fullmatch

_correlation: ContextVar[str] = ContextVar("gladhand_correlation_id", default="")
_deadline: ContextVar[float | None] = ContextVar("gladhand_deadline", default=None)
_call: ContextVar[Call | None] = ContextVar("gladhand_call", default=None)


@dataclass(slots=True)
class Call:
    """One call on its way through the server. Admission steps may add to it; servicers read it."""

    method: MethodContract
    correlation_id: str
    metadata: tuple[tuple[str, str | bytes], ...]
    deadline: float | None
    """Event loop time at which the answer is of no more use; None for a stream without end."""

    request_id: str = ""
    """The request's own id, lower case; empty where the method has none."""

    principal: str = ""
    """Who calls, as authentication found; empty where nobody asked."""

    caller: Principal | None = None
    """The same with its rights; None where nobody asked."""

    known_until: float | None = None
    """Event loop time at which the proof of who calls ends, None where it has no end: a stream ends with it."""

    counted: bool = False
    """Whether it counts as one that its client has in hand."""

    trailing: list[tuple[str, str | bytes]] = field(default_factory=list)
    """Metadata to send with the answer, beside the correlation id."""

    def remaining(self) -> float | None:
        """Seconds left, at least 0; None without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - asyncio.get_running_loop().time())


def current_call() -> Call:
    """Return the call being served. Raises LookupError outside of one."""
    call = _call.get()
    if call is None:
        raise LookupError("no call is being served here")
    return call


def correlation_id() -> str:
    """Return the correlation id in force, or an empty string where there is none."""
    return _correlation.get()


def deadline() -> float | None:
    """Return the event loop time at which the work in hand is of no more use, None without a limit."""
    return _deadline.get()


def remaining() -> float | None:
    """Return the seconds that the work in hand has left, at least 0; None without a limit."""
    limit = _deadline.get()
    return None if limit is None else max(0.0, limit - asyncio.get_running_loop().time())


@contextmanager
def correlated(correlation: str, timeout_s: float | None = None) -> Iterator[None]:
    """Work under a correlation id, and a deadline `timeout_s` seconds from now; for consumers, tasks and HTTP edges.

    A deadline already in force is never extended.
    """
    limit = _deadline.get()
    if timeout_s is not None:
        own = asyncio.get_running_loop().time() + timeout_s
        limit = own if limit is None else min(limit, own)
    before = _correlation.set(correlation)
    until = _deadline.set(limit)
    try:
        yield
    finally:
        _deadline.reset(until)
        _correlation.reset(before)


def enter(call: Call) -> None:
    """Make `call` the one being served, for the rest of this task. For the server's interceptor only."""
    _call.set(call)
    _correlation.set(call.correlation_id)
    _deadline.set(call.deadline)


def offered_correlation(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Return the correlation id that a caller offers, or an empty string.

    An id that is no plain token of 8 to 128 characters is not taken: it ends up in log lines and headers.
    """
    found = ""
    for key, value in metadata:
        if key == CORRELATION_KEY or (key == "x-request-id" and not found):
            found = value if isinstance(value, str) else ""
    return found if found and _ACCEPTED(found) else ""
