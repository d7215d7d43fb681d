"""Durable timers on JetStream message schedules: one subject per timer, set again is moved, purged is cancelled.

All timing is the server's clock: never early, up to a quarter of a second late when idle, overdue ones at once after a
restart. The server keeps one schedule per subject, so a newer one replaces the older.
"""

from __future__ import annotations

import json
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

from nats.aio.client import Client

from gladhand.bus.port import BusUnavailable, Delivery, Due, StreamFull, StreamMissing
from gladhand.bus.request import FULL, Patience, Refused, Unanswered, ask_patiently, traced
from gladhand.clock import Clock, WarpClock
from gladhand.envelope import subject_token
from gladhand.errors import Internal
from gladhand.log.replay import replay

STREAM = "TIMERS"
DUE_HEADER = "Gladhand-Due"
_FIRED_TTL = "720h"
_WRONG_LAST = 10071


def timer_subject(kind: str, key: str) -> str:
    """Return where a timer is set. Raises BadToken."""
    return f"logistics.timer.{subject_token(kind, 'kind')}.{subject_token(key, 'key')}"


def due_subject(kind: str, key: str) -> str:
    """Return where a timer arrives when it fires. Raises BadToken."""
    return f"logistics.due.{subject_token(kind, 'kind')}.{subject_token(key, 'key')}"


def due_of(delivery: Delivery) -> Due:
    """Return the timer that a delivery on `logistics.due.>` brings. Raises ValueError on any other subject."""
    parts = delivery.subject.split(".")
    if len(parts) != 4 or parts[:2] != ["logistics", "due"]:
        raise ValueError(f"{delivery.subject!r} is no timer that fired")
    due = delivery.headers.get(DUE_HEADER)
    return Due(parts[2], parts[3], datetime.fromisoformat(due) if due else delivery.stored_time, delivery.payload)


class JetStreamTimers:
    """`Timers` on the stream TIMERS. Due times are the mesh's; a warped clock's offset is taken off for the server."""

    def __init__(self, connection: Client, clock: Clock, patience: Patience) -> None:
        self._connection = connection
        self._clock = clock
        self._patience = patience

    async def set(self, kind: str, key: str, due: datetime, payload: bytes = b"") -> None:
        """Set or move a timer; see `Timers.set`."""
        await self._schedule(kind, key, due, payload, None)

    async def cancel(self, kind: str, key: str) -> None:
        """Cancel a timer; see `Timers.cancel`."""
        order = {"filter": timer_subject(kind, key)}
        await self._api(f"$JS.API.STREAM.PURGE.{STREAM}", json.dumps(order).encode(), {})

    async def realign(self) -> int:
        """Set every pending timer anew for the clock's present offset; see `Timers.realign`."""
        pending = replay(
            self._connection, STREAM, start=1, filters=("logistics.timer.>",), follow=False, patience=self._patience
        )
        count = 0
        async with aclosing(pending) as messages:
            async for message in messages:
                _, _, kind, key = message.subject.split(".")
                due = datetime.fromisoformat(message.headers[DUE_HEADER])
                count += await self._schedule(kind, key, due, message.payload, message.sequence)
        return count

    async def _schedule(self, kind: str, key: str, due: datetime, payload: bytes, only_over: int | None) -> bool:
        """Publish a schedule; with `only_over` only while that message is still the timer. Return whether it stands."""
        headers = {
            "Nats-Schedule": f"@at {_stamp(due - self._offset())}",
            "Nats-Schedule-Target": due_subject(kind, key),
            "Nats-Schedule-TTL": _FIRED_TTL,
            DUE_HEADER: due.astimezone(UTC).isoformat(),
        }
        if only_over is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(only_over)
        try:
            await self._api(timer_subject(kind, key), payload, traced(headers))
        except _Moved:
            return False
        return True

    def _offset(self) -> timedelta:
        return self._clock.offset if isinstance(self._clock, WarpClock) else timedelta(0)

    async def _api(self, subject: str, payload: bytes, headers: dict[str, str]) -> dict[str, Any]:
        try:
            return (await ask_patiently(self._connection, subject, payload, headers, self._patience))[0]
        except Unanswered as error:
            raise BusUnavailable(f"timers: {error}") from error
        except Refused as refused:
            if refused.error_code == _WRONG_LAST:
                raise _Moved from refused
            if refused.error_code in FULL:
                raise StreamFull(f"timers: {refused}") from refused
            if refused.code == 404:
                raise StreamMissing(f"timers: {refused}") from refused
            raise Internal(f"timers: {refused}") from refused


class _Moved(Exception):
    """The timer is no longer the one that was looked at: moved, cancelled or fired."""


def _stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, rounded up to the millisecond: never early."""
    whole = moment.astimezone(UTC)
    rest = -whole.microsecond % 1000
    return (whole + timedelta(microseconds=rest)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
