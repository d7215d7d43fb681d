"""The driver of carriers' invoices: finds their load, audits, approves or asks a person, and posts them once.

An ERP that does not answer is asked again by redelivery of the event that woke the driver, a limited number of times;
then the event is a dead letter. What the ERP refuses waits for a person.
"""

from __future__ import annotations

import logging
from typing import Protocol

from gladhand import ids
from gladhand.bus.port import Bus, Delivery
from gladhand.bus.timers import due_of
from gladhand.calls import correlated
from gladhand.clock import Clock
from gladhand.decider import Rejected
from gladhand.envelope import EnvelopeType
from gladhand.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unsupported
from gladhand.execute import Loaded
from logistics.erp.v1 import PostPayableRequest
from logistics.exception.v1 import ExceptionEvent, ExceptionKind, ExceptionState
from logistics.invoice.v1 import (
    ApprovePayable,
    AuditPayable,
    BeginPayablePosting,
    Payable,
    PayableEvent,
    PayableState,
    ReceivePayable,
    RecordPayablePosting,
    RecordPayablePostingFailure,
)
from logistics.load.v1 import Load, LoadEvent
from logistics.order.v1 import Order
from services.orchestrator.deciders import exception, load, order, payable
from services.orchestrator.erps import ErpGateways
from services.orchestrator.exceptions import exception_id_of, open_exception, settle_exception
from services.orchestrator.freight_audit import agreed_of, audit
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.payables import Approve, AskPerson, Audit, Post, Rest, Step, phase
from services.orchestrator.policies import Policies
from services.orchestrator.processes.turns import Turns

log = logging.getLogger(__name__)

TIMER = "payable"
"""Kind of the durable timers that end the waiting for what proves an invoice; the key is the payable's id."""

FILTERS = ("logistics.payable.>",)
LOAD_FILTERS = tuple(
    f"logistics.load.*.*.{token}"
    for token in ("stop_arrived", "stop_completed", "stop_departed", "stop_failed", "stop_skipped", "cancelled")
)
RESOLVED_FILTERS = ("logistics.exception.*.*.resolved",)

APPROVER = "freight audit"
"""Who approves what the audit finds right."""

_PAYABLES = "5be1a0d4-52e8-5a4e-8f5e-6f2d44a1f3a9"
"""Namespace of payable ids."""
_MAX_STEPS = 12
_REFUSALS = (AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unsupported)
_LET_GO = frozenset({ExceptionState.EXCEPTION_STATE_RESOLVED, ExceptionState.EXCEPTION_STATE_CLOSED})
_KIND = ExceptionKind


class LoadBook(Protocol):
    """Where an invoice that names no load finds it, and a load its invoices."""

    async def loads_by_reference(self, value: str) -> list[str]:
        """Return the loads that carry a reference, or carry an order that does."""
        ...

    async def payables_of_load(self, load_id: str) -> list[str]:
        """Return the carriers' invoices for a load."""
        ...

    async def payables_without_load(self, limit: int) -> list[str]:
        """Return carriers' invoices whose load is not known yet, oldest first."""
        ...


def payable_id_of(carrier_scac: str, invoice_number: str) -> str:
    """Return the id of the one payable for a carrier's invoice."""
    return ids.derive(_PAYABLES, carrier_scac, invoice_number.strip().upper())


def payable_key(payable_id: str) -> str:
    """Return the key that the ERP's document carries: the same for every attempt, short enough for any ERP."""
    return f"GP-{payable_id.replace('-', '')[:24].upper()}"


class PayableDriver:
    """Drives carriers' invoices. `drive` may be called any number of times, at any moment: it does what is due."""

    def __init__(
        self, journal: Journal, erps: ErpGateways, book: LoadBook, bus: Bus, clock: Clock, policies: Policies
    ) -> None:
        self._journal = journal
        self._erps = erps
        self._book = book
        self._bus = bus
        self._clock = clock
        self._policies = policies
        self._turns = Turns()

    async def record(self, told: Payable, cause: Cause) -> Loaded[payable.State]:
        """Record a carrier's invoice and do what is due; return it. The same invoice again changes nothing.

        Raises Rejected (CONTRACT_VIOLATION) where it does not add up, (MESSAGE_CONFLICT) where its number came before
        with other content: that is told of by a DUPLICATE_INVOICE exception, and the first stands.
        """
        payable_id = payable_id_of(told.carrier_scac, told.invoice_number)
        born = Cause(request_id=cause.request_id, correlation_id=payable_id, region=told.region, actor=cause.actor)
        try:
            await self._journal.payable(payable_id, ReceivePayable(payable=told), born)
        except Rejected as refusal:
            if refusal.reason == "MESSAGE_CONFLICT":
                await open_exception(
                    self._journal, _KIND.EXCEPTION_KIND_DUPLICATE_INVOICE, refusal.message, born,
                    subject_id=payable_id, detail=cause.request_id, invoice_id=payable_id,
                )  # fmt: skip
            raise
        await self.drive(payable_id)
        return await self._journal.find(payable.DECIDER, payable_id)

    async def handle(self, delivery: Delivery) -> None:
        """Wake the invoice of an event."""
        event = EnvelopeType.of(PayableEvent).decode(delivery.payload)
        await self.drive(event.payable_id, event.event_id)

    async def on_load(self, delivery: Delivery) -> None:
        """Wake the invoices for a load that changed, and those that may have waited for it."""
        event = EnvelopeType.of(LoadEvent).decode(delivery.payload)
        known = await self._book.payables_of_load(event.load_id)
        for payable_id in [*known, *await self._book.payables_without_load(50)]:
            await self.drive(payable_id, event.event_id)

    async def on_resolved(self, delivery: Delivery) -> None:
        """Wake the invoice whose exception a person resolved."""
        event = EnvelopeType.of(ExceptionEvent).decode(delivery.payload)
        settled = (await self._journal.find(exception.DECIDER, event.exception_id)).state.exception
        if settled is not None and settled.invoice_id:
            await self.drive(settled.invoice_id, event.event_id)

    async def on_due(self, delivery: Delivery) -> None:
        """Wake the invoice of a timer that fired."""
        await self.drive(due_of(delivery).key)

    async def drive(self, payable_id: str, cause_event_id: str = "") -> Rest | None:
        """Do everything that is due; return what it then waits for, None where there is no such invoice.

        Raises what the log and the ERP raise, refusals excepted.
        """
        async with self._turns.of(payable_id):
            audited = False
            for _ in range(_MAX_STEPS):
                loaded = await self._journal.find(payable.DECIDER, payable_id)
                found = loaded.state.payable
                if found is None:
                    return None
                policy = self._policies.in_region(found.region)
                step = phase(
                    found,
                    self._clock.now(),
                    policy,
                    audited=audited,
                    told=await self._is_told(found),
                    let_go=await self._is_let_go(loaded.state),
                )
                if isinstance(step, Rest):
                    if step.until is not None:
                        await self._bus.timers.set(TIMER, payable_id, step.until)
                    return step
                cause = Cause(
                    request_id=ids.derive(payable_id, "payable", type(step).__name__, str(loaded.version)),
                    event_id=cause_event_id or loaded.last_event_id,
                    correlation_id=payable_id,
                    region=found.region,
                )
                audited = audited or isinstance(step, Audit)
                with correlated(payable_id):
                    await self._take(step, loaded.state, found, cause)
        return None

    async def _take(self, step: Step, state: payable.State, found: Payable, cause: Cause) -> None:
        match step:
            case Audit():
                await self._audit(found, cause)
            case Approve():
                wish = ApprovePayable(reason="it says what was agreed and what happened", approved_by=APPROVER)
                await self._journal.payable(found.payable_id, wish, cause)
            case AskPerson():
                await self._ask(step, found, cause)
            case Post():
                await self._post(state, found, cause)
            case Rest():
                pass

    async def _audit(self, found: Payable, cause: Cause) -> None:
        carried = await self._load_of(found)
        policy = self._policies.in_region(found.region)
        agreed = agreed_of(carried, policy) if carried is not None else None
        others = [] if carried is None else await self._others(carried.load_id)
        wish = AuditPayable(audit=audit(found, carried, agreed, others, policy))
        if carried is not None:
            wish.load_id = carried.load_id
            paying = await self._paying_order(carried)
            if paying is not None:
                wish.erp_instance, wish.cost_center = paying.erp_instance, paying.cost_center
        outcome = await self._journal.payable(found.payable_id, wish, cause)
        after = outcome.state.payable
        if after is not None and after.state == PayableState.PAYABLE_STATE_MATCHED:
            for kind in (_KIND.EXCEPTION_KIND_RATE_VARIANCE, _KIND.EXCEPTION_KIND_UNMATCHED_EVENT):
                missed = exception_id_of(kind, found.payable_id)
                await settle_exception(self._journal, missed, "MATCHED", "the events now prove the invoice", cause)

    async def _load_of(self, found: Payable) -> Load | None:
        """Return the load that an invoice is for: the one it names, or the only one that its references lead to."""
        if found.load_id:
            return (await self._journal.find(load.DECIDER, found.load_id)).state.load
        candidates: dict[str, Load] = {}
        for reference in found.references:
            for load_id in await self._book.loads_by_reference(reference.value):
                carried = (await self._journal.find(load.DECIDER, load_id)).state.load
                if carried is not None and carried.carrier_scac == found.carrier_scac:
                    candidates[load_id] = carried
        return next(iter(candidates.values())) if len(candidates) == 1 else None

    async def _others(self, load_id: str) -> list[Payable]:
        known = await self._book.payables_of_load(load_id)
        states = [(await self._journal.find(payable.DECIDER, payable_id)).state.payable for payable_id in known]
        return [other for other in states if other is not None]

    async def _paying_order(self, carried: Load) -> Order | None:
        for order_id in sorted(carried.order_ids):
            found = (await self._journal.find(order.DECIDER, order_id)).state.order
            if found is not None:
                return found
        return None

    async def _ask(self, step: AskPerson, found: Payable, cause: Cause) -> None:
        name = f"invoice {found.invoice_number} of {found.carrier_scac}"
        if step.overdue:
            message = f"{name} still waits for {found.audit.waits_for}: match it to its load, or reject it"
        elif found.state == PayableState.PAYABLE_STATE_DISPUTED:
            reasons = "; ".join(f"charge {c.charge_no}: {c.dispute_reason}" for c in found.charges if c.dispute_reason)
            message = f"{name} is disputed: {reasons}. Settle every charge, then it is posted with the agreed amounts."
        else:
            off = "; ".join(f.message for f in found.audit.findings if f.result == found.audit.result)
            message = f"{name} is not what was agreed: {off}. Approve it, dispute a charge, or reject it."
        kind = _exception_kind(found)
        await open_exception(
            self._journal, kind, message, cause, subject_id=found.payable_id, load_id=found.load_id,
            invoice_id=found.payable_id,
            evidence=tuple(dict.fromkeys(e for f in found.audit.findings for e in f.evidence_ids))[:20],
        )  # fmt: skip

    async def _post(self, state: payable.State, found: Payable, cause: Cause) -> None:
        key = state.posting_key or payable_key(found.payable_id)
        begun = await self._journal.payable(found.payable_id, BeginPayablePosting(posting_key=key), cause.step("begin"))
        request = PostPayableRequest(
            request_id=ids.derive(found.payable_id, "post", str(begun.state.attempt)), payable=found, posting_key=key
        )
        try:
            answer = await self._erps.of(found.erp_instance, field="payable.erp_instance").post_payable(request)
        except _REFUSALS as refusal:
            wish = RecordPayablePostingFailure(reason=refusal.reason, message=refusal.message[:2000])
            await self._journal.payable(found.payable_id, wish, cause.step("refused"))
            await open_exception(
                self._journal, _KIND.EXCEPTION_KIND_ERP_POSTING_FAILED,
                f"The ERP refused invoice {found.invoice_number} of {found.carrier_scac}: {refusal.message} "
                "Resolve this exception to have it posted again under the same key.",
                cause, subject_id=found.payable_id, detail=str(begun.state.attempt), invoice_id=found.payable_id,
                load_id=found.load_id,
            )  # fmt: skip
            return
        posted = RecordPayablePosting(erp_document=answer.erp_document)
        await self._journal.payable(found.payable_id, posted, cause.step("posted"))
        for kind in (_KIND.EXCEPTION_KIND_RATE_VARIANCE, _KIND.EXCEPTION_KIND_CHARGE_DISPUTED):
            told = exception_id_of(kind, found.payable_id)
            await settle_exception(self._journal, told, "POSTED", f"posted as {answer.erp_document.value}", cause)

    async def _is_told(self, found: Payable) -> bool:
        told = exception_id_of(_exception_kind(found), found.payable_id)
        return bool((await self._journal.find(exception.DECIDER, told)).version)

    async def _is_let_go(self, state: payable.State) -> bool:
        if state.payable is None or state.payable.state != PayableState.PAYABLE_STATE_POST_FAILED:
            return False
        kind = _KIND.EXCEPTION_KIND_ERP_POSTING_FAILED
        told = exception_id_of(kind, state.payable.payable_id, str(state.attempt))
        found = (await self._journal.find(exception.DECIDER, told)).state.exception
        return found is not None and found.state in _LET_GO


def _exception_kind(found: Payable) -> ExceptionKind.ValueType:
    """Return the kind of the exception that tells people about the present state of an invoice."""
    if found.state == PayableState.PAYABLE_STATE_DISPUTED:
        return _KIND.EXCEPTION_KIND_CHARGE_DISPUTED
    if found.state == PayableState.PAYABLE_STATE_RECEIVED:
        return _KIND.EXCEPTION_KIND_UNMATCHED_EVENT
    return _KIND.EXCEPTION_KIND_RATE_VARIANCE
