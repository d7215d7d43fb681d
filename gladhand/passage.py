"""The way to one other system: how many calls are on it, whether it is open, and what became of the calls.

A bulkhead and a breaker in one place, because both are asked at the same moment. There is one passage for each target
in a process; `gladhand status` and the metrics show all of them.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from gladhand.breaker import Breaker, BreakerState
from gladhand.errors import ResourceFull, Unavailable
from gladhand.service_config import MOST_IN_FLIGHT

__all__ = ["Entry", "Passage", "opened", "passages"]

_log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """One call on its way."""

    token: int
    counted: bool


@dataclass(slots=True)
class Passage:
    """The way to one system."""

    name: str
    """The gRPC target, or the outside system's name."""

    most: int = MOST_IN_FLIGHT
    """Calls at once, beyond which further ones are refused."""

    breaker: Breaker = field(default_factory=lambda: Breaker(time.monotonic))
    in_flight: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    """Calls that ended, by the name of their status."""

    refused: Counter[str] = field(default_factory=Counter)
    """Calls never sent, by reason."""

    hedges: int = 0
    """Further copies sent of calls that got no answer."""

    hedges_denied: int = 0
    """Copies not sent because the budget was used up."""

    def enter(self, *, endless: bool = False) -> Entry:
        """Let a call through. One without an end of its own takes no place.

        Raises Unavailable (CIRCUIT_OPEN) while the system does not answer, ResourceFull while too many are on the way.
        """
        if not endless and self.in_flight >= self.most:
            self.refused["RESOURCE_FULL"] += 1
            raise ResourceFull(
                f"{self.in_flight} calls to {self.name} are under way, which is the most; slow down",
                retry_after_s=0.1,
                metadata={"target": self.name, "most": str(self.most)},
            )
        token = self.breaker.admit()
        if token is None:
            self.refused["CIRCUIT_OPEN"] += 1
            raise Unavailable(
                f"{self.name} did not answer the last calls, so this one was not sent; it is tried again soon",
                retry_after_s=self.breaker.opens_in_s,
                reason="CIRCUIT_OPEN",
                metadata={"target": self.name},
            )
        if not endless:
            self.in_flight += 1
        return Entry(token, not endless)

    def leave(self, entry: Entry, code: str, *, answered: bool | None) -> None:
        """A call ended with the status named `code`; `answered`: whether the system was there, None if nobody knows."""
        if entry.counted:
            self.in_flight -= 1
        self.codes[code] += 1
        if self.breaker.settle(entry.token, answered=answered):
            state = self.breaker.state
            level = logging.WARNING if state is BreakerState.OPEN else logging.INFO
            _log.log(level, "breaker %s", state.value, extra={"facts": {"target": self.name, "code": code}})

    @contextmanager
    def crossed(self, judge: Callable[[BaseException], tuple[str, bool | None]]) -> Iterator[None]:
        """Make one call within the context; `judge` returns what its exception means, as `leave` takes it.

        Raises what `enter` raises.
        """
        entry = self.enter()
        try:
            yield
        except BaseException as fault:
            code, answered = judge(fault)
            self.leave(entry, code, answered=answered)
            raise
        self.leave(entry, "OK", answered=True)


_open: dict[str, tuple[Passage, int]] = {}


def passages() -> list[Passage]:
    """Return the passages of this process, by name."""
    return [_open[name][0] for name in sorted(_open)]


@contextmanager
def opened(name: str, most: int = MOST_IN_FLIGHT) -> Iterator[Passage]:
    """Hold the passage to `name`. All who hold it at the same time share one, as its first holder made it."""
    passage, holders = _open.get(name, (None, 0))
    if passage is None:
        passage = Passage(name, most)
    _open[name] = (passage, holders + 1)
    try:
        yield passage
    finally:
        _same, holders = _open[name]
        if holders == 1:
            del _open[name]
        else:
            _open[name] = (passage, holders - 1)
