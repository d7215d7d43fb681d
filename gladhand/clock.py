"""Where time enters: a wall clock in UTC and a monotonic clock, both passed in and never read by logic itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The time of the mesh."""

    def now(self) -> datetime:
        """Return the present moment, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards, for deadlines and durations only."""
        ...


class SystemClock:
    """The machine's own clock; the clock of production."""

    def now(self) -> datetime:
        """Return the machine's wall clock in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic clock in seconds."""
        return time.monotonic()


class WarpClock:
    """Real time plus an offset that only ever grows, so that a trip of hours takes seconds on a local mesh.

    `gladhand.bus.warp.MeshClock` shares one offset among all services of a mesh; this class holds the rule alone.
    """

    def __init__(self, base: Clock | None = None, offset: timedelta = timedelta(0)) -> None:
        self._base: Clock = base or SystemClock()
        self._offset = max(offset, timedelta(0))

    @property
    def offset(self) -> timedelta:
        """How far this clock runs ahead of real time."""
        return self._offset

    def now(self) -> datetime:
        """Return real time plus the offset."""
        return self._base.now() + self._offset

    def monotonic(self) -> float:
        """Return real monotonic seconds: waiting is never warped."""
        return self._base.monotonic()

    def grow_to(self, offset: timedelta) -> bool:
        """Raise the offset; return whether it grew. A smaller offset is ignored, since time never runs back."""
        if offset <= self._offset:
            return False
        self._offset = offset
        return True

    def offset_for(self, moment: datetime) -> timedelta:
        """Return the offset that would make `moment` the present, at least the offset in force."""
        return max(self._offset, moment - self._base.now())
