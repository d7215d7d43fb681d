"""Exceptions call somebody: when they are opened or come back, and each time that they are overdue.

The time of the next call stands on the exception itself; the timer only wakes `look`, which may be called at any
moment and does what is due by then. A timer that was lost costs the time until the watchdog looks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from gladhand import ids
from gladhand.bus.port import Bus, Delivery
from gladhand.bus.timers import due_of
from gladhand.decider import Rejected
from gladhand.enums import short_name
from gladhand.envelope import EnvelopeType
from logistics.exception.v1 import (
    Alert,
    AlertReason,
    EscalateException,
    ExceptionEvent,
    Severity,
)
from logistics.exception.v1 import Exception as LogisticsException
from services.orchestrator.deciders import exception
from services.orchestrator.exception_rules import next_call
from services.orchestrator.journal import Cause, Journal

FILTERS = tuple(f"logistics.exception.*.*.{token}" for token in ("opened", "escalated", "reopened"))

TIMER = "exception"
"""Kind of the durable timers that escalate exceptions; the key is the exception's id."""

_REASONS = {
    "opened": AlertReason.ALERT_REASON_OPENED,
    "escalated": AlertReason.ALERT_REASON_ESCALATED,
    "reopened": AlertReason.ALERT_REASON_REOPENED,
}

_BATCH = 200


class Overdue(Protocol):
    """Where the watchdog's look learns whose call is overdue."""

    async def overdue_exceptions(self, now: datetime, limit: int) -> list[str]:
        """Return exceptions about which somebody should have been called by `now`, the longest due first."""
        ...


class Escalations:
    """Calls whoever must know of an exception."""

    def __init__(self, journal: Journal, bus: Bus, overdue: Overdue) -> None:
        self._journal = journal
        self._bus = bus
        self._overdue = overdue

    async def look_all(self) -> None:
        """Do for every overdue exception what a lost timer should have done. Raises what log, bus and model raise."""
        for exception_id in await self._overdue.overdue_exceptions(self._journal.now(), _BATCH):
            await self.look(exception_id)

    async def handle(self, delivery: Delivery) -> None:
        """Tell of one event of an exception, and set the timer of the next call. Raises what log and bus raise."""
        event = EnvelopeType.of(ExceptionEvent).decode(delivery.payload)
        found = (await self._journal.find(exception.DECIDER, event.exception_id)).state.exception
        if found is None:
            return
        await self._alert(event, found)
        await self.look(event.exception_id)

    async def on_due(self, delivery: Delivery) -> None:
        """Look at the exception of a timer that fired."""
        await self.look(due_of(delivery).key)

    async def look(self, exception_id: str) -> None:
        """Escalate an exception that is overdue by now, else set the timer of its next call; nothing where it is over.

        Raises what log and bus raise.
        """
        found = (await self._journal.find(exception.DECIDER, exception_id)).state.exception
        if found is None or found.state not in exception.UNSOLVED:
            return
        due = exception.call_time(found)
        if due is None:
            return
        if due.ToDatetime(tzinfo=UTC) > self._journal.now():
            await self._bus.timers.set(TIMER, exception_id, due.ToDatetime(tzinfo=UTC))
            return
        await self._escalate(found)

    async def _escalate(self, found: LogisticsException) -> None:
        policy = await self._journal.policy_of(found.order_id, found.region)
        call = next_call(found, policy, self._journal.now())
        wish = EscalateException(owner=call.owner, level=call.level)
        if call.next_time is not None:
            wish.next_time.FromDatetime(call.next_time)
        # Reopened, the same levels are called once more: the version tells the rounds apart.
        request_id = ids.derive(found.exception_id, "escalate", str(found.version))
        try:
            await self._journal.exception(found.exception_id, wish, Cause(request_id=request_id, region=found.region))
        except Rejected:
            # Somebody moved it on between the look and the wish: its own event brings us back.
            return

    async def _alert(self, event: ExceptionEvent, found: LogisticsException) -> None:
        told = event.WhichOneof("body") or ""
        alert = Alert(
            alert_id=event.event_id,
            reason=_REASONS[told],
            exception=found,
            owner=found.owner,
            record_time=event.record_time,
            region=event.region,
        )
        severity = short_name(Severity, found.severity or Severity.SEVERITY_WARNING).lower()
        subject = f"logistics.alert.{event.region}.{severity}.{found.exception_id}"
        await self._bus.publish(subject, alert.SerializeToString(), message_id=event.event_id)
