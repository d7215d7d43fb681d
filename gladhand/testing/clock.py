"""A clock that moves only when told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class VirtualClock:
    """Stands still until `advance`. Whoever waits for a moment registers with `on_advance`."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)) -> None:
        self._now = start.astimezone(UTC)
        self._elapsed = 0.0
        self._listeners: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """Return the moment at which the clock stands."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._elapsed

    def advance(self, span: timedelta) -> datetime:
        """Move forward and tell the listeners; return the new moment. Raises ValueError on a negative span."""
        if span < timedelta(0):
            raise ValueError("time never runs back")
        self._now += span
        self._elapsed += span.total_seconds()
        for listener in list(self._listeners):
            listener()
        return self._now

    def advance_to(self, moment: datetime) -> datetime:
        """Move forward to a moment; a past one leaves the clock where it stands."""
        return self.advance(max(moment - self._now, timedelta(0)))

    def on_advance(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every move."""
        self._listeners.append(listener)
