"""The values that lower and upper bounds let through, so that bounds of different forms can be compared (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

Number = int | float
_NANOS = 10**9


class Span(NamedTuple):
    """All numbers between two ends; an end that is open does not belong to it."""

    low: Number = float("-inf")
    high: Number = float("inf")
    low_open: bool = False
    high_open: bool = False

    def holds(self, other: Span) -> bool:
        """Return whether the other lies within this one."""
        below = (self.low, self.low_open) <= (other.low, other.low_open)
        return below and (other.high, not other.high_open) <= (self.high, not self.high_open)


class Bounds(NamedTuple):
    """Names of the rules that bound one measure of a value: the value itself, or for example its length."""

    over: str = ""
    at_least: str = ""
    under: str = ""
    at_most: str = ""
    exactly: str = ""

    def names(self) -> list[str]:
        """Return the names that are in use."""
        return [name for name in self if name]


def spans(rules: Message, bounds: Bounds) -> tuple[Span, ...]:
    """Return what the rules let through: one span, or two where the bounds cut a piece out of the middle.

    protovalidate reads an upper bound below the lower one as "outside of"; between whole numbers that follow each other
    nothing is cut out.
    """
    exact = _value(rules, bounds.exactly)
    if exact is not None:
        return (Span(exact, exact),)
    over, at_least = _value(rules, bounds.over), _value(rules, bounds.at_least)
    under, at_most = _value(rules, bounds.under), _value(rules, bounds.at_most)
    low = over if over is not None else at_least
    high = under if under is not None else at_most
    beneath, above = Span(), Span()
    if low is not None:
        above = Span(low=low + 1) if over is not None and isinstance(low, int) else Span(low, low_open=over is not None)
    if high is not None:
        whole = under is not None and isinstance(high, int)
        beneath = Span(high=high - 1) if whole else Span(high=high, high_open=under is not None)
    if low is not None and high is not None and high < low:
        touching = isinstance(beneath.high, int) and isinstance(above.low, int) and above.low - beneath.high == 1
        return (Span(),) if touching else (beneath, above)
    return (Span(above.low, beneath.high, above.low_open, beneath.high_open),)


def cover(wider: Iterable[Span], narrower: Iterable[Span]) -> bool:
    """Return whether everything in the narrower spans lies in the wider ones."""
    outer = tuple(wider)
    return all(any(span.holds(inner) for span in outer) for inner in narrower)


def _value(rules: Message, name: str) -> Number | None:
    if not name or name not in rules.DESCRIPTOR.fields_by_name or not rules.HasField(name):
        return None
    value = getattr(rules, name)
    if isinstance(value, Duration | Timestamp):
        return value.seconds * _NANOS + value.nanos
    return value if isinstance(value, int | float) else None
