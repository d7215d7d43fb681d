"""How many calls each method answered, how and how fast: counted per call, told now and then (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["MethodTally", "Tally"]

_BUCKETS = 40
"""Powers of two of a microsecond; the last is beyond six days."""


@dataclass(slots=True)
class MethodTally:
    """The calls of one method."""

    codes: dict[str, int] = field(default_factory=dict)
    """Number of calls since the last report by the name of their status."""

    earlier: Counter[str] = field(default_factory=Counter)
    """The same from the start to the last report."""

    repeated: int = 0
    """Number of calls since the start that were repetitions, sent by the client's gRPC."""

    buckets: list[int] = field(default_factory=lambda: [0] * _BUCKETS)
    """Number of calls since the last report by the power of two above their duration in microseconds."""

    def record(self, code: str, elapsed_s: float) -> None:
        """Count one call."""
        self.codes[code] = self.codes.get(code, 0) + 1
        self.buckets[min(int(elapsed_s * 1e6).bit_length(), _BUCKETS - 1)] += 1

    @property
    def calls(self) -> int:
        """Number of calls since the last report."""
        return sum(self.codes.values())

    @property
    def since_start(self) -> Counter[str]:
        """Number of calls since the start by the name of their status."""
        return self.earlier + Counter(self.codes)

    def quantile_ms(self, share: float) -> float:
        """Return a duration in ms that `share` (0 to 1) of the calls did not exceed, up to a factor of two."""
        wanted, seen = share * self.calls, 0
        for power, count in enumerate(self.buckets):
            seen += count
            if count and seen >= wanted:
                return float(1 << power) / 1000.0
        return 0.0


class Tally:
    """The calls of every method of a server."""

    def __init__(self) -> None:
        self._methods: dict[str, MethodTally] = {}

    def of(self, path: str) -> MethodTally:
        """Return the running count of a method."""
        return self._methods.setdefault(path, MethodTally())

    def methods(self) -> dict[str, MethodTally]:
        """Return the count of every method by its name on the wire."""
        return dict(self._methods)

    def report(self, seconds: float) -> Iterator[dict[str, object]]:
        """Yield the facts of each method called during the last `seconds`, and begin anew."""
        for path, tally in self._methods.items():
            if tally.calls:
                yield {
                    "method": path,
                    "calls": tally.calls,
                    "per_s": round(tally.calls / max(seconds, 1e-9), 2),
                    "p50_ms": tally.quantile_ms(0.5),
                    "p99_ms": tally.quantile_ms(0.99),
                    "codes": dict(tally.codes),
                }
                tally.earlier.update(tally.codes)
                tally.codes = {}
                tally.buckets = [0] * _BUCKETS
