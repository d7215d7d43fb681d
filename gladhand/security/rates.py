"""How often a client may call: token buckets by client and rate class (pure)."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from logistics.contract.v1.method_pb2 import (
    RATE_CLASS_BULK,
    RATE_CLASS_COMMAND,
    RATE_CLASS_FINANCE,
    RATE_CLASS_READ,
    RateClass,
)

__all__ = ["USUAL", "Buckets", "Rate", "TokenBucket", "class_name", "parse_rates"]

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
_ENTRY = re.compile(r"(?P<name>[A-Z]+)=(?P<count>\d+(\.\d+)?)/(?P<unit>[smh])(:(?P<burst>\d+))?").fullmatch
_MOST_PER_S: Final = 1_000_000.0
_FORM: Final = "CLASS=number/s:burst, for example READ=200/s:400"


@dataclass(frozen=True, slots=True)
class Rate:
    """What one client may ask of one class."""

    per_s: float
    """Calls a second, in the long run; above 0."""

    burst: float
    """Calls at once after a pause, at least 1."""

    def share(self, replicas: int) -> Rate:
        """Return what one of `replicas` servers gives, so that all together give the whole."""
        return Rate(self.per_s / replicas, max(1.0, self.burst / replicas))


USUAL: Final[Mapping[int, Rate]] = {
    int(RATE_CLASS_BULK): Rate(1000.0, 2000.0),
    int(RATE_CLASS_READ): Rate(200.0, 400.0),
    int(RATE_CLASS_COMMAND): Rate(100.0, 200.0),
    int(RATE_CLASS_FINANCE): Rate(20.0, 40.0),
}
"""What a client gets where nothing is configured: above what a portal or a fleet of trackers needs."""


def class_name(rate_class: int) -> str:
    """Return the contract's name of a rate class without its prefix, for example READ."""
    known = RateClass.DESCRIPTOR.values_by_number.get(rate_class)
    return str(rate_class) if known is None else known.name.removeprefix("RATE_CLASS_")


def parse_rates(text: str) -> dict[int, Rate]:
    """Read rates such as `READ=200/s:400, FINANCE=30/m`; classes that are not named keep their usual one.

    Without a burst it is the calls of one second, at least 1. Raises ValueError naming the entry.
    """
    rates = dict(USUAL)
    numbers = {class_name(number): number for number in USUAL}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        found = _ENTRY(entry)
        if found is None:
            raise ValueError(f"{entry!r} is no rate; give {_FORM}")
        if found["name"] not in numbers:
            raise ValueError(f"{entry!r} names no rate class; classes: {', '.join(numbers)}")
        per_s = float(found["count"]) / _SECONDS[found["unit"]]
        if not 0 < per_s <= _MOST_PER_S:
            raise ValueError(f"{entry!r} is not above 0 and up to {_MOST_PER_S:.0f} calls a second")
        burst = float(found["burst"]) if found["burst"] is not None else max(1.0, per_s)
        if burst < 1:
            raise ValueError(f"{entry!r} lets nobody in: the burst is at least 1")
        rates[numbers[found["name"]]] = Rate(per_s, burst)
    return rates


class TokenBucket:
    """Fills evenly up to its burst; every call takes one token out."""

    __slots__ = ("_at", "_level", "_rate")

    def __init__(self, rate: Rate, now: float) -> None:
        """Begin full. `now` is in seconds of any clock that does not run backwards, here and below."""
        self._rate = rate
        self._level = rate.burst
        self._at = now

    def take(self, now: float) -> float:
        """Take a token and return 0, or leave the bucket as it is and return the seconds until there is one."""
        rate = self._rate
        if now > self._at:
            self._level = min(rate.burst, self._level + (now - self._at) * rate.per_s)
            self._at = now
        if self._level >= 1.0:
            self._level -= 1.0
            return 0.0
        # Never 0: that would say that the token was taken.
        return max((1.0 - self._level) / rate.per_s, 1e-6)


class Buckets:
    """The buckets of many clients. Of more than `most`, the one that was used longest ago is forgotten, that is full.

    A client is whoever proved its name, so nobody gets a new bucket without a new token.
    """

    def __init__(self, rates: Mapping[int, Rate], most: int = 20_000) -> None:
        self._rates = rates
        self._most = most
        self._buckets: OrderedDict[tuple[str, int], TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: str, rate_class: int, now: float) -> float:
        """Take a token of a client's class and return 0, or the seconds until there is one."""
        key = (client, rate_class)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rates[rate_class], now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now)
