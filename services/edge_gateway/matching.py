"""Which vehicle carried a device at a time: dated pairings, remembered for as long as their source allows (pure).

A device that moves to another vehicle must not rewrite history, so a pairing is looked up at the time of the sample,
never "now" (domain reference 2.4 and 3.7 rule 4).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Pairing", "PairingBook"]


@dataclass(frozen=True, slots=True)
class Pairing:
    """A device sat in a vehicle from one time to another."""

    vehicle_id: str
    start: datetime | None
    """Included; None means always so far."""
    end: datetime | None
    """Excluded; None means that it still does."""
    fresh_until: float
    """Monotonic seconds until which the answer counts as new."""

    def holds(self, moment: datetime) -> bool:
        """Return whether the pairing held at a moment."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)


class PairingBook:
    """Pairings that were told lately, by provider and device. Bounded."""

    def __init__(self, most_devices: int = 50_000, most_pairings: int = 8) -> None:
        self._most_devices = most_devices
        self._most_pairings = most_pairings
        self._book: OrderedDict[tuple[str, str], list[Pairing]] = OrderedDict()

    def find(
        self, provider: str, device_id: str, moment: datetime, now: float, *, stale: bool = False
    ) -> Pairing | None:
        """Return the pairing that held at `moment`, or None where none is known that is fresh at `now`.

        With `stale` an answer that is no longer fresh is taken too: for the time in which its source cannot be asked.
        """
        for pairing in self._book.get((provider, device_id), ()):
            if pairing.holds(moment) and (stale or now < pairing.fresh_until):
                return pairing
        return None

    def remember(self, provider: str, device_id: str, pairing: Pairing) -> None:
        """Keep a pairing; it takes the place of those that begin with it."""
        known = self._book.pop((provider, device_id), [])
        kept = [other for other in known if other.start != pairing.start]
        self._book[provider, device_id] = [pairing, *kept][: self._most_pairings]
        while len(self._book) > self._most_devices:
            self._book.popitem(last=False)
