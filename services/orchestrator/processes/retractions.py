"""Facts that are taken back: the load is folded anew and its orders follow, as long as nobody outside stands on them.

Otherwise nothing changes but that an exception tells a person what would help (domain reference 3.7 rule 7).
"""

from __future__ import annotations

import logging

from gladhand import ids
from gladhand.decider import Rejected
from logistics.exception.v1 import ExceptionKind
from logistics.load.v1 import Load, LoadEvent, RetractStopFact, Stop, StopKind
from logistics.order.v1 import Order, RetractOrderDelivery, RetractOrderPickup
from services.orchestrator.deciders import load, order
from services.orchestrator.exceptions import open_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.undoing import counts, remedy, used
from services.orchestrator.riding import stop_of, tasks_by_order

log = logging.getLogger(__name__)


def edi_pod_id(delivery_event_id: str) -> str:
    """Return the id of the proof that a carrier's word about a delivery makes, where the policy takes it as one."""
    return ids.derive(delivery_event_id, "pod")


class Retractions:
    """Takes facts back."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def retract(self, found: Load, stop: Stop, evidence_ids: list[str], why: str, cause: Cause) -> None:
        """Let words about a stop no longer count, come or still to come. Raises what the log raises."""
        standing = await self._standing(stop, frozenset(evidence_ids))
        if standing is not None:
            await self.report(found, stop, f"{why} {remedy(standing)}", cause, standing.order_id)
            return
        wish = RetractStopFact(stop_id=stop.stop_id, evidence_ids=evidence_ids, reason=why[:2000])
        try:
            await self._journal.load(found.load_id, wish, cause)
        except Rejected as refusal:
            await self.report(found, stop, f"{why} {refusal.message}", cause)

    async def follow(self, found: Load, event: LoadEvent, stop_id: str) -> None:
        """Let the orders of a stop that was folded anew follow it; the caller tells them what counts instead."""
        stop = stop_of(found, stop_id)
        if stop is None:
            return
        for order_id, tasks in tasks_by_order(stop).items():
            cause = Cause(
                request_id=ids.derive(event.event_id, order_id, "retract"),
                event_id=event.event_id,
                region=event.region,
            )
            place = {"load_id": found.load_id, "stop_id": stop_id, "reason": event.stop_fact_retracted.reason}
            if stop.kind == StopKind.STOP_KIND_DELIVERY:
                if not any(task.HasField("accepted") for task in tasks):
                    await self._undeliver(found, stop, order_id, RetractOrderDelivery(**place), cause)
            elif not stop.HasField("departure"):
                await self._unload(order_id, RetractOrderPickup(**place), cause)

    async def report(self, found: Load, stop: Stop, message: str, cause: Cause, order_id: str = "") -> None:
        """Tell that a fact was taken back or replaced after something outside stood on it, with what would help."""
        await open_exception(
            self._journal,
            ExceptionKind.EXCEPTION_KIND_RETRACTED_AFTER_USE,
            message,
            cause,
            subject_id=stop.stop_id,
            detail=cause.event_id,
            order_id=order_id or next(iter(tasks_by_order(stop)), ""),
            load_id=found.load_id,
            stop_id=stop.stop_id,
            evidence=(cause.event_id,) if cause.event_id else (),
        )

    async def used_by(self, stop: Stop) -> Order | None:
        """Return an order that was billed, or may be any moment, for what was delivered at a stop; None for none."""
        for order_id in tasks_by_order(stop):
            found = (await self._journal.find(order.DECIDER, order_id)).state.order
            if found is not None and used(found):
                return found
        return None

    async def _standing(self, stop: Stop, evidence_ids: frozenset[str]) -> Order | None:
        """Return an order whose billing stands on one of these words, None where none does."""
        delivery = stop.kind == StopKind.STOP_KIND_DELIVERY
        return await self.used_by(stop) if delivery and counts(stop, evidence_ids) else None

    async def _undeliver(
        self, found: Load, stop: Stop, order_id: str, wish: RetractOrderDelivery, cause: Cause
    ) -> None:
        try:
            await self._journal.order(order_id, wish, cause)
        except Rejected as refusal:
            # The gate opened between the look and the step: what is billed is for a person.
            await self.report(found, stop, f"A delivery was taken back. {refusal.message}", cause, order_id)

    async def _unload(self, order_id: str, wish: RetractOrderPickup, cause: Cause) -> None:
        try:
            await self._journal.order(order_id, wish, cause)
        except Rejected as refusal:
            # What was delivered was loaded, whatever is known of the time.
            log.info("the pickup of order %s stands: %s", order_id, refusal.message)


async def stop_now(journal: Journal, load_id: str, stop_id: str) -> tuple[Load, Stop] | None:
    """Return a stop with its load as they are, None where there is no such stop."""
    found = (await journal.find(load.DECIDER, load_id)).state.load
    stop = stop_of(found, stop_id) if found is not None else None
    return None if found is None or stop is None else (found, stop)
