"""The watch over milestones: what is missed opens its exception once, what is met late settles it where it may.

One timer for each load and order, set to its nearest deadline, and moved whenever the plan or the facts change. `look`
may be called at any time: it does what is due by then, so that the watchdog finds what a lost timer would have told.
A broken promise stays for a person; what only waited to happen is settled when it does.
"""

from __future__ import annotations

from collections.abc import Iterable

from gladhand import ids
from gladhand.bus.port import Bus, Delivery
from gladhand.bus.timers import due_of
from gladhand.envelope import EnvelopeType
from logistics.exception.v1 import ExceptionKind
from logistics.invoice.v1 import InvoiceEvent
from logistics.load.v1 import Load, LoadEvent, LoadState, StopKind
from logistics.order.v1 import OrderEvent
from services.orchestrator.billing import invoice_id_of
from services.orchestrator.deciders import exception, invoice, load, order
from services.orchestrator.exceptions import exception_id_of, open_exception, reopen_exception, settle_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.milestones import Milestone, milestones, next_due, order_milestones
from services.orchestrator.riding import stop_of, tasks_by_order

LOAD_FILTERS = tuple(
    f"logistics.load.*.*.{token}"
    for token in (
        "planned", "replanned", "dispatched", "resumed", "stop_arrived", "stop_completed", "stop_departed",
        "stop_skipped", "stop_failed", "stop_cancelled", "stop_fact_retracted", "cancel_requested", "cancelled",
    )
)  # fmt: skip
ORDER_FILTERS = tuple(f"logistics.order.*.*.{token}" for token in ("review_opened", "billing_released", "closed"))
INVOICE_FILTERS = tuple(f"logistics.invoice.*.*.{token}" for token in ("review_requested", "drafted", "approved"))

TIMER = "milestone"
"""Kind of the durable timers; the key is `load_<id>` or `order_<id>`."""

_RECOVERED, _REPLANNED, _CANCELLED = "RECOVERED", "REPLANNED", "CANCELLED"
_OURS = frozenset({_RECOVERED, _REPLANNED})
"""What only a rule resolves an exception with; when it is missed again, it comes back."""

_MESSAGES = {
    ExceptionKind.EXCEPTION_KIND_DISPATCH_OVERDUE: "The load should be on its way by now: see what holds its dispatch.",
    ExceptionKind.EXCEPTION_KIND_LATE_PICKUP: "The pickup begins later than promised: agree on another time.",
    ExceptionKind.EXCEPTION_KIND_LATE_DELIVERY: "The delivery begins later than promised: tell the customer.",
    ExceptionKind.EXCEPTION_KIND_LATE_DEPARTURE: "The vehicle should have left by now: ask the driver what holds it.",
    ExceptionKind.EXCEPTION_KIND_POD_MISSING: (
        "The vehicle has left and no proof of delivery is there: ask the driver to hand it in, or have it waived."
    ),
    ExceptionKind.EXCEPTION_KIND_REVIEW_OVERDUE: "A review waits for a decision longer than the policy allows.",
}


class MilestoneWatch:
    """Watches loads and orders against their deadlines."""

    def __init__(self, journal: Journal, bus: Bus) -> None:
        self._journal = journal
        self._bus = bus

    async def on_load(self, delivery: Delivery) -> None:
        """Settle what an event of a load has met or made void, then look at the load."""
        event = EnvelopeType.of(LoadEvent).decode(delivery.payload)
        found = (await self._journal.find(load.DECIDER, event.load_id)).state.load
        if found is None:
            return
        cause = Cause(request_id=event.event_id, event_id=event.event_id, region=event.region)
        await self._settle_load(found, event, cause)
        await self.look_at_load(event.load_id, cause)

    async def on_order(self, delivery: Delivery) -> None:
        """Look at the reviews of an order after one of its events."""
        event = EnvelopeType.of(OrderEvent).decode(delivery.payload)
        cause = Cause(request_id=event.event_id, event_id=event.event_id, region=event.region)
        await self.look_at_order(event.order_id, cause, settle=True)

    async def on_invoice(self, delivery: Delivery) -> None:
        """Look at the reviews of an order after an event of its invoice."""
        event = EnvelopeType.of(InvoiceEvent).decode(delivery.payload)
        billed = (await self._journal.find(invoice.DECIDER, event.invoice_id)).state.invoice
        if billed is not None:
            cause = Cause(request_id=event.event_id, event_id=event.event_id, region=event.region)
            await self.look_at_order(billed.order_id, cause, settle=True)

    async def on_due(self, delivery: Delivery) -> None:
        """Look at the load or order of a timer that fired."""
        noun, _, name = due_of(delivery).key.partition("_")
        await (self.look_at_load(name) if noun == "load" else self.look_at_order(name))

    async def look_at_load(self, load_id: str, cause: Cause | None = None) -> None:
        """Tell of every deadline that a load has missed by now and set the timer of the next; idempotent.

        Raises what log and bus raise.
        """
        loaded = await self._journal.find(load.DECIDER, load_id)
        found = loaded.state.load
        if found is None:
            return
        told = cause or self._cause(load_id, loaded.version, loaded.last_event_id, found.region)
        policy = await self._journal.policy_of("", found.region)
        known = milestones(found, policy, self._journal.now())
        for one in known:
            if one.missed:
                await self._raise_load(found, one, told)
        await self._arm(f"load_{load_id}", known)

    async def look_at_order(self, order_id: str, cause: Cause | None = None, *, settle: bool = False) -> None:
        """Tell of every review of an order that waits too long and set the timer of the next; idempotent.

        With `settle`, what is decided is settled. Raises what log and bus raise.
        """
        loaded = await self._journal.find(order.DECIDER, order_id)
        found, review = loaded.state.order, loaded.state.review
        if found is None:
            return
        told = cause or self._cause(order_id, loaded.version, loaded.last_event_id, found.region)
        since = review.opened_time if review is not None and not review.decided else None
        billed = (await self._journal.find(invoice.DECIDER, invoice_id_of(order_id))).state.invoice
        policy = await self._journal.policy_of(order_id, found.region)
        known = order_milestones(found, since, billed, policy, self._journal.now())
        for one in known:
            if one.missed:
                await self._raise(one, order_id, told, order_id)
        if settle:
            waiting = {one.detail for one in known}
            for what in {"delivery", "invoice"} - waiting:
                await self._settle(ExceptionKind.EXCEPTION_KIND_REVIEW_OVERDUE, order_id, told, _RECOVERED, what)
        await self._arm(f"order_{order_id}", known)

    async def _arm(self, key: str, known: Iterable[Milestone]) -> None:
        due = next_due(known)
        # A timer that is no longer needed is left alone: it fires, and nothing is missed.
        if due is not None:
            await self._bus.timers.set(TIMER, key, due)

    async def _raise_load(self, found: Load, one: Milestone, cause: Cause) -> None:
        stop = stop_of(found, one.stop_id)
        order_id = next(iter(tasks_by_order(stop)), "") if stop is not None else ""
        await self._raise(one, one.stop_id or found.load_id, cause, order_id, found.load_id)

    async def _raise(
        self, one: Milestone, subject_id: str, cause: Cause, order_id: str = "", load_id: str = ""
    ) -> None:
        name = ExceptionKind.Name(one.kind)
        why = cause.step("missed", name, subject_id, one.detail)
        message = f"{_MESSAGES[one.kind]} It was due at {one.due.isoformat(timespec='seconds')}."
        exception_id = await open_exception(
            self._journal,
            one.kind,
            message,
            why,
            subject_id=subject_id,
            detail=one.detail,
            order_id=order_id,
            load_id=load_id,
            stop_id=one.stop_id,
            evidence=(cause.event_id,) if cause.event_id else (),
        )
        settled = (await self._journal.find(exception.DECIDER, exception_id)).state.exception
        if settled is not None and settled.resolution_code in _OURS:
            await reopen_exception(self._journal, exception_id, message, why)

    async def _settle_load(self, found: Load, event: LoadEvent, cause: Cause) -> None:
        """Settle what an event has met, or what a new plan or the end of the load has made void."""
        late = ExceptionKind.EXCEPTION_KIND_LATE_DEPARTURE
        match event.WhichOneof("body"):
            case "dispatched":
                overdue = ExceptionKind.EXCEPTION_KIND_DISPATCH_OVERDUE
                await self._settle(overdue, found.load_id, cause, _RECOVERED)
            case "stop_departed":
                await self._settle(late, event.stop_departed.stop_id, cause, _RECOVERED)
            case "stop_skipped":
                await self._settle(late, event.stop_skipped.stop_id, cause, _RECOVERED)
            case "replanned":
                await self._settle_void(found, cause, _REPLANNED)
            case "cancel_requested" | "cancelled":
                await self._settle_void(found, cause, _CANCELLED)
            case _:
                return

    async def _settle_void(self, found: Load, cause: Cause, code: str) -> None:
        """Settle what is no longer missed: by the new plan, or since nothing will be driven any more."""
        policy = await self._journal.policy_of("", found.region)
        known = milestones(found, policy, self._journal.now())
        missed = {(one.kind, one.stop_id) for one in known if one.missed}
        overdue = ExceptionKind.EXCEPTION_KIND_DISPATCH_OVERDUE
        candidates = [(overdue, "")]
        for stop in found.stops:
            promise = ExceptionKind.EXCEPTION_KIND_LATE_DELIVERY
            if stop.kind == StopKind.STOP_KIND_PICKUP:
                promise = ExceptionKind.EXCEPTION_KIND_LATE_PICKUP
            candidates += [(promise, stop.stop_id), (ExceptionKind.EXCEPTION_KIND_LATE_DEPARTURE, stop.stop_id)]
        ended = found.state == LoadState.LOAD_STATE_CANCELLED
        for kind, stop_id in candidates:
            if ended or (kind, stop_id) not in missed:
                await self._settle(kind, stop_id or found.load_id, cause, code)

    async def _settle(
        self, kind: ExceptionKind.ValueType, subject_id: str, cause: Cause, code: str, detail: str = ""
    ) -> None:
        note = {
            _RECOVERED: "it happened after all",
            _REPLANNED: "the new plan keeps the time",
            _CANCELLED: "nothing will be driven any more",
        }[code]
        step = cause.step("met", ExceptionKind.Name(kind), subject_id, detail)
        await settle_exception(self._journal, exception_id_of(kind, subject_id, detail), code, note, step)

    def _cause(self, subject_id: str, version: int, event_id: str, region: str) -> Cause:
        """Name a look that no event asked for by what it looks at, so that a repeat is the same request."""
        return Cause(request_id=ids.derive(subject_id, "milestones", str(version)), event_id=event_id, region=region)
