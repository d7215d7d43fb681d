"""A resolved exception lets go on what waited for it."""

from __future__ import annotations

from gladhand.bus.port import Delivery
from gladhand.envelope import EnvelopeType
from logistics.exception.v1 import Exception as LogisticsException
from logistics.exception.v1 import ExceptionEvent, ExceptionState
from logistics.order.v1 import OpenOrderReview, OrderState
from services.orchestrator.deciders import exception, order
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.processes.fulfilment import FulfilmentDriver

FILTERS = ("logistics.exception.*.*.resolved",)


class Resolutions:
    """Hands resolutions on to the order and the process that waited."""

    def __init__(self, journal: Journal, fulfilment: FulfilmentDriver) -> None:
        self._journal = journal
        self._fulfilment = fulfilment

    async def handle(self, delivery: Delivery) -> None:
        """Do for a recorded resolution what the call that recorded it may not have come to do."""
        event = EnvelopeType.of(ExceptionEvent).decode(delivery.payload)
        settled = (await self._journal.find(exception.DECIDER, event.exception_id)).state.exception
        if settled is not None:
            await self.go_on(settled, Cause(request_id=event.event_id, event_id=event.event_id, region=event.region))

    async def go_on(self, settled: LogisticsException, cause: Cause) -> None:
        """Decide the review, resume the process and drive the order that waited for an exception, if any did."""
        if settled.state != ExceptionState.EXCEPTION_STATE_RESOLVED or not settled.order_id:
            return
        waiting = (await self._journal.find(order.DECIDER, settled.order_id)).state
        if waiting.order is None:
            return
        review = waiting.review
        if (
            waiting.order.state == OrderState.ORDER_STATE_DELIVERY_REVIEW
            and review is not None
            and review.exception_id == settled.exception_id
        ):
            wish = OpenOrderReview(reason=review.reason, exception_id=settled.exception_id, decided=True)
            await self._journal.order(settled.order_id, wish, cause.step("decide"))
        note = f"{settled.resolution_code}: {settled.resolution_note}"[:2000]
        await self._fulfilment.resume(settled.order_id, settled.exception_id, note, cause.step("resume"))
        await self._fulfilment.drive(settled.order_id, cause.event_id)
