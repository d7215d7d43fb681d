"""When to stop asking a system that does not answer, and when to try again (pure).

Closed: calls pass. After so many failures in a row it opens: no call passes for a pause. Then it is half open: one call
at a time passes. One that succeeds closes it; one that fails opens it again, for twice as long.

Who asks says what a failure is: that a system refuses something is none, since a system that refuses is there.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

__all__ = ["Breaker", "BreakerState"]

_FAILURES = 5
_FIRST_S, _LONGEST_S = 2.0, 30.0


class BreakerState(Enum):
    """Whether calls pass."""

    CLOSED = "closed"
    HALF_OPEN = "half open"
    OPEN = "open"


class Breaker:
    """The breaker of one system."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        failures: int = _FAILURES,
        first_s: float = _FIRST_S,
        longest_s: float = _LONGEST_S,
    ) -> None:
        """`now` returns seconds of a clock that only runs forward; `failures` in a row open the breaker.

        `first_s` is the first pause, doubled up to `longest_s`.
        """
        self._now = now
        self._limit = failures
        self._first_s, self._longest_s = first_s, longest_s
        self._failures = 0
        self._pause_s = first_s
        self._until = 0.0
        self._closed = True
        self._trying = False
        self._era = 0
        self.opened = 0
        """How often it opened."""

    @property
    def state(self) -> BreakerState:
        """Whether calls pass now."""
        if self._closed:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._now() < self._until else BreakerState.HALF_OPEN

    @property
    def opens_in_s(self) -> float:
        """Seconds after which a refused call may pass: until the next trial, or a moment where one is under way."""
        return max(self._until - self._now(), 0.1)

    def admit(self) -> int | None:
        """Return a token for a call that may pass, which `settle` takes when it ended; None for one that may not."""
        if not self._closed:
            if self._trying or self._now() < self._until:
                return None
            self._trying = True
        return self._era

    def settle(self, token: int, *, answered: bool | None) -> bool:
        """Tell how an admitted call ended, `answered` None says nothing of the system; whether it opened or closed.

        Calls that were let through before it last opened or closed say nothing of how things stand now.
        """
        if token != self._era:
            return False
        self._trying = False
        if answered is None:
            return False
        if answered:
            self._failures = 0
            return not self._closed and self._turn(closed=True)
        self._failures += 1
        if self._closed and self._failures < self._limit:
            return False
        self._pause_s = self._first_s if self._closed else min(2 * self._pause_s, self._longest_s)
        self._until = self._now() + self._pause_s
        self.opened += 1
        return self._turn(closed=False)

    def _turn(self, *, closed: bool) -> bool:
        self._closed = closed
        self._era += 1
        self._failures = 0
        return True
