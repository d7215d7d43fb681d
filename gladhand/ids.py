"""Identifiers: time-ordered UUIDv7 for what is new, UUIDv5 for what follows from a request and must repeat with it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid5

from gladhand.clock import Clock


def new_id(clock: Clock | None = None, entropy: Callable[[int], bytes] = os.urandom) -> str:
    """Return a new UUIDv7 (RFC 9562 section 5.7), ordered by microsecond.

    `entropy(n)` returns n random bytes; tests pass their own source. The twelve bits after the millisecond hold its
    fraction (section 6.2, method 3), so that ids made one after the other sort in that order.
    """
    micros = time.time_ns() // 1000 if clock is None else _micros(clock.now())
    millis, rest = divmod(micros, 1000)
    tail = int.from_bytes(entropy(8), "big") & ((1 << 62) - 1)
    value = (millis & ((1 << 48) - 1)) << 80 | 0x7 << 76 | (rest * 4096 // 1000) << 64 | 0b10 << 62 | tail
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def event_id(request_id: str, aggregate_id: str, index: int = 0) -> str:
    """Return the id of the event that a request causes on an aggregate: the same request, the same id.

    Never derived from (stream, version): two racing writers would share it, and a cluster tells the loser
    "duplicate", that is success. Raises ValueError where `request_id` is no UUID.
    """
    return str(uuid5(UUID(request_id), f"{aggregate_id}/{index}"))


def derive(request_id: str, *parts: str) -> str:
    """Return a UUIDv5 under `request_id` for a named follow-up, for example `derive(event_id, "post_invoice")`.

    Parts are kept apart, so that ("a/b",) and ("a", "b") differ. Raises ValueError where `request_id` is no UUID or no
    part is given.
    """
    if not parts:
        raise ValueError("derive needs at least one part that names the follow-up")
    return str(uuid5(UUID(request_id), "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)))
