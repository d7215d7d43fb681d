"""The driver of fulfilment: asks `phase`, performs what it answers, records the outcome, and asks again.

Normal work, retries and recovery after a crash are this one path.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from gladhand import ids
from gladhand.bus.port import Bus
from gladhand.calls import correlated
from gladhand.clock import Clock
from gladhand.errors import (
    AlreadyExists,
    FailedPrecondition,
    GladhandError,
    Internal,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceFull,
    Unauthenticated,
    Unsupported,
)
from gladhand.execute import Loaded
from logistics.exception.v1 import ExceptionKind, Gate
from logistics.invoice.v1 import Invoice, RecordPostingFailure
from logistics.load.v1 import Load, StopKind
from logistics.order.v1 import AwaitOrderValidation, ClaimState, Order, OrderState
from services.orchestrator.billing import credit_id_of, invoice_id_of
from services.orchestrator.deciders import fulfilment, invoice, load, order
from services.orchestrator.deciders.order.state import held_at
from services.orchestrator.exceptions import open_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.fulfilment import phase
from services.orchestrator.phases.steps import (
    CancelSale,
    Outside,
    PostCredit,
    PostDelivery,
    PostInvoice,
    ReceiveReturn,
    Situation,
    Step,
    Validate,
    Wait,
)
from services.orchestrator.policies import Policies, label_of
from services.orchestrator.processes.holds import Blocks
from services.orchestrator.processes.inside import Duplicate, GateShut, InsideSteps
from services.orchestrator.processes.outside import OutsideActions
from services.orchestrator.processes.turns import Turns

log = logging.getLogger(__name__)

TIMER = "fulfilment"
"""Kind of the durable timers that wake an order's process."""

_MAX_STEPS = 64
_ATTEMPTS = 12
_LONGEST_S = 300.0
_CROWDED_S = 1.0
_REFUSALS = (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unsupported,
)
"""Answers that the same call would get again: a person must look."""

_BILLED = frozenset(
    {
        OrderState.ORDER_STATE_DELIVERED,
        OrderState.ORDER_STATE_DELIVERY_REVIEW,
        OrderState.ORDER_STATE_BILLABLE,
        OrderState.ORDER_STATE_PARTIALLY_INVOICED,
        OrderState.ORDER_STATE_INVOICED,
        OrderState.ORDER_STATE_CLOSED,
    }
)


_MEMOS = frozenset({ClaimState.CLAIM_STATE_APPROVED, ClaimState.CLAIM_STATE_CREDITED})
"""States of claims that may have a credit memo."""


@dataclass(frozen=True, slots=True)
class _View:
    """A situation with what the driver needs beside it."""

    s: Situation
    order: Loaded[order.State]
    process: Loaded[fulfilment.State]
    pod_ids: tuple[str, ...]


class FulfilmentDriver:
    """Drives orders. `drive` may be called any number of times, by anybody, at any moment: it does what is due."""

    def __init__(
        self,
        journal: Journal,
        outside: OutsideActions,
        inside: InsideSteps,
        bus: Bus,
        clock: Clock,
        policies: Policies,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._journal = journal
        self._blocks = Blocks(journal)
        self._outside = outside
        self._inside = inside
        self._bus = bus
        self._clock = clock
        self._policies = policies
        self._chance = chance
        self._turns = Turns()

    async def drive(self, order_id: str, cause_event_id: str = "") -> Wait | None:
        """Do everything that is due for an order; return what it then waits for, None where there is no such order.

        `cause_event_id` names the event or timer that woke it. Raises what the log raises; a failing outside system
        is recorded and tried again by timer instead. Raises Internal where steps follow each other without end.
        """
        async with self._turns.of(order_id):
            for _ in range(_MAX_STEPS):
                view = await self._view(order_id)
                if view is None:
                    return None
                step = phase(view.s)
                if isinstance(step, Wait):
                    if step.until is not None:
                        await self._bus.timers.set(TIMER, order_id, step.until)
                    return step
                with correlated(order_id):
                    waiting = await self._take(step, view, cause_event_id)
                if waiting is not None:
                    return waiting
            raise Internal(f"order {order_id} found no rest after {_MAX_STEPS} steps")

    async def situation(self, order_id: str) -> Situation | None:
        """Return everything that an order's next step depends on, None where there is no such order."""
        view = await self._view(order_id)
        return None if view is None else view.s

    async def resume(self, order_id: str, exception_id: str, note: str, cause: Cause) -> None:
        """Let a process go on that was parked under an exception; nothing happens where it waits for another one."""
        process = (await self._journal.find(fulfilment.DECIDER, order_id)).state
        if process.parked and process.parked_exception_id == exception_id:
            await self._journal.fulfilment(order_id, fulfilment.Resume(note), cause)

    async def _view(self, order_id: str) -> _View | None:
        loaded = await self._journal.find(order.DECIDER, order_id)
        shown = loaded.state.order
        if shown is None:
            return None
        process = await self._journal.find(fulfilment.DECIDER, order_id)
        loads = [(await self._journal.find(load.DECIDER, load_id)).state.load for load_id in shown.load_ids]
        present = tuple(found for found in loads if found is not None)
        billed = None
        if shown.state in _BILLED:
            billed = (await self._journal.find(invoice.DECIDER, invoice_id_of(order_id))).state.invoice
        held_loads = tuple(await self._blocks.of_loads(order_id, Gate.GATE_BILLING))
        situation = Situation(
            order=shown,
            now=self._clock.now(),
            policy=self._policies.of(shown),
            begun=process.version > 0,
            finished=process.state.finished,
            parked=process.state.parked,
            parked_action=process.state.parked_action,
            done=process.state.done,
            retry_times=process.state.retry_times,
            gate_checks=loaded.state.gate_checks,
            invoice=billed,
            loads=present,
            waived=frozenset(loaded.state.waivers),
            held_loads=held_loads,
            billing_holds=tuple(sorted({*held_at(loaded.state, Gate.GATE_BILLING), *held_loads})),
            completion_time=_completion_time(shown, present),
            known=loaded.state,
            credits=await self._credit_memos(shown),
        )
        pods = tuple(dict.fromkeys(d.pod_id for d in loaded.state.deliveries.values() if d.pod_id))
        return _View(situation, loaded, process, pods)

    async def _credit_memos(self, shown: Order) -> dict[str, Invoice]:
        """Return the credit memos that were begun for claims of an order, by claim."""
        memos = {}
        for claim in shown.claims:
            if claim.state in _MEMOS:
                memo = (await self._journal.find(invoice.DECIDER, credit_id_of(claim.claim_id))).state.invoice
                if memo is not None:
                    memos[claim.claim_id] = memo
        return memos

    async def _take(self, step: Step, view: _View, cause_event_id: str) -> Wait | None:
        """Take one step; return what to wait for where it cannot go on now."""
        cause = self._cause(step, view, cause_event_id)
        if isinstance(step, Wait):
            return step
        if isinstance(step, Outside):
            return await self._outside_step(step, view, cause)
        try:
            await self._inside.perform(step, view.s, cause, view.pod_ids)
        except GateShut as shut:
            return Wait(str(shut))
        except Duplicate as duplicate:
            return await self._park(
                "begin_posting",
                ExceptionKind.EXCEPTION_KIND_DUPLICATE_INVOICE,
                "REFERENCE_CONFLICT",
                str(duplicate),
                view,
                cause,
            )
        except FailedPrecondition as refusal:
            return await self._park(
                type(step).__name__,
                ExceptionKind.EXCEPTION_KIND_PROCESS_STUCK,
                refusal.reason,
                refusal.message,
                view,
                cause,
            )
        return None

    async def _outside_step(self, step: Outside, view: _View, cause: Cause) -> Wait | None:
        try:
            done = await self._outside.perform(step, view.s, cause, view.pod_ids)
        except _REFUSALS as refusal:
            return await self._refused(step, refusal, view, cause)
        except ResourceFull as full:
            return await self._crowded(step, full, view.s.order.order_id)
        except GladhandError as failure:
            return await self._failed(step, failure, view, cause)
        if not done.recorded:
            wish = fulfilment.Succeed(step.key, done.references, "")
            await self._journal.fulfilment(view.s.order.order_id, wish, cause.step("succeeded"))
        return None

    async def _crowded(self, step: Outside, full: ResourceFull, order_id: str) -> Wait:
        """Come again soon: too many calls are on the way to that system, so this one was not taken up.

        That is no attempt, and nothing to record: an order in a long queue must not end before a person.
        """
        soon = timedelta(seconds=max(full.retry_after_s or 0.0, _CROWDED_S) * (1.0 + self._chance()))
        retry_time = self._clock.now() + soon
        await self._bus.timers.set(TIMER, order_id, retry_time)
        return Wait(f"{step.key} waits for its turn: {full.message}", retry_time)

    async def _failed(self, step: Outside, failure: GladhandError, view: _View, cause: Cause) -> Wait | None:
        """Record a failure that may pass, and when to try again; after the last attempt, park."""
        attempt = view.process.state.attempts.get(step.key, 0) + 1
        order_id = view.s.order.order_id
        if attempt >= _ATTEMPTS:
            message = f"{step.key} failed {attempt} times, at last: {failure.message}"
            kind = ExceptionKind.EXCEPTION_KIND_PROCESS_STUCK
            return await self._park(step.key, kind, failure.reason, message, view, cause)
        if isinstance(step, Validate) and view.s.order.state == OrderState.ORDER_STATE_RECEIVED:
            await self._journal.order(
                order_id, AwaitOrderValidation(reason=failure.message[:2000]), cause.step("await")
            )
        delay = min(_LONGEST_S, 2.0 ** (attempt - 1)) * (1.0 - 0.3 * self._chance())
        retry_time = self._clock.now() + timedelta(seconds=max(delay, failure.retry_after_s or 0.0))
        wish = fulfilment.Fail(step.key, failure.reason, failure.message[:2000], retry_time)
        await self._journal.fulfilment(order_id, wish, cause.step("failed"))
        await self._bus.timers.set(TIMER, order_id, retry_time)
        log.warning("order %s: %s failed (%s), tried again at %s", order_id, step.key, failure.reason, retry_time)
        return Wait(f"{step.key} is tried again: {failure.message}", retry_time)

    async def _refused(self, step: Outside, refusal: GladhandError, view: _View, cause: Cause) -> Wait | None:
        kind = ExceptionKind.EXCEPTION_KIND_PROCESS_STUCK
        if isinstance(step, PostDelivery | PostInvoice | PostCredit | ReceiveReturn | CancelSale):
            kind = ExceptionKind.EXCEPTION_KIND_ERP_POSTING_FAILED
        if isinstance(step, PostInvoice | PostCredit):
            wish = RecordPostingFailure(reason=refusal.reason, message=refusal.message[:2000])
            order_id = view.s.order.order_id
            asked = credit_id_of(step.claim_id) if isinstance(step, PostCredit) else invoice_id_of(order_id)
            await self._journal.invoice(asked, wish, cause.step("refused"))
        return await self._park(step.key, kind, refusal.reason, refusal.message, view, cause)

    async def _park(
        self, action: str, kind: ExceptionKind.ValueType, reason: str, message: str, view: _View, cause: Cause
    ) -> Wait:
        order_id = view.s.order.order_id
        exception_id = await open_exception(
            self._journal,
            kind,
            f"{action}: {message} Resolve this exception to let the process go on.",
            cause,
            subject_id=order_id,
            # A process that was let go and is stuck again tells it anew.
            detail=f"{action}@{view.process.version}",
            order_id=order_id,
        )
        await self._journal.fulfilment(
            order_id, fulfilment.Park(action, reason, message[:2000], exception_id), cause.step("parked")
        )
        log.error("order %s waits for a person: %s (%s)", order_id, message, reason)
        return Wait(message)

    def _cause(self, step: Step, view: _View, cause_event_id: str) -> Cause:
        """Name the request of a step by what it is taken on, so that a repeat after a crash is the same request."""
        order_id = view.s.order.order_id
        invoice_version = view.s.invoice.version if view.s.invoice is not None else 0
        memos = sum(memo.version for memo in view.s.credits.values())
        versions = f"{view.order.version}.{view.process.version}.{invoice_version}" + (f".{memos}" if memos else "")
        return Cause(
            request_id=ids.derive(order_id, "fulfilment", type(step).__name__, versions),
            event_id=cause_event_id or view.order.last_event_id,
            correlation_id=order_id,
            region=view.s.order.region,
            policy_version=label_of(view.s.policy),
        )


def _completion_time(shown: Order, loads: tuple[Load, ...]) -> datetime | None:
    times: list[Timestamp] = [
        stop.completion.time
        for found in loads
        for stop in found.stops
        if stop.kind == StopKind.STOP_KIND_DELIVERY
        and not stop.returns
        and stop.HasField("completion")
        and any(task.order_id == shown.order_id for task in stop.tasks)
    ]
    return max((t.ToDatetime(tzinfo=UTC) for t in times), default=None)
