"""From a finding of a gateway to the decision of a reviewer: holds, exceptions, deadlines, and what the order knows.

A finding is recorded on its excursion first; everything else follows from where the excursion stands, so that it may
be done again at any time, by anybody: after an event, by a timer, by the watchdog.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

from google.protobuf.message import DecodeError

from gladhand import ids
from gladhand.bus.port import Bus, Delivery, Poison
from gladhand.bus.timers import due_of
from gladhand.clock import Clock
from gladhand.envelope import EnvelopeType
from logistics.exception.v1 import (
    ColdChainFinding,
    Excursion,
    ExcursionDecision,
    ExcursionEvent,
    ExcursionState,
    OpenExcursionReview,
    RecordColdChainFinding,
    RecordReviewOverdue,
)
from logistics.exception.v1 import DecideOnExcursion as DecideWish
from logistics.order.v1 import ColdChainWatch, Order, RecordColdChain, RecordExcursionDecision
from logistics.process.v1 import ColdChainPolicy
from logistics.type.v1 import Actor, ActorKind
from services.orchestrator.cold_chain import required_coverage, review_due_s
from services.orchestrator.deciders import excursion, order
from services.orchestrator.deciders.excursion import DECIDED, excursion_id_of, needs_review
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.policies import Policies, label_of
from services.orchestrator.processes.compliance import Compliance

FINDINGS = ("logistics.observation.*.*.cold_chain",)
EVENTS = ("logistics.excursion.>",)

TIMER = "excursion"
"""Kind of the durable timers that tell when a review is overdue; the key is the excursion's id."""

_MOST_STEPS = 4
_REVIEWED = frozenset({ExcursionState.EXCURSION_STATE_BREACH, ExcursionState.EXCURSION_STATE_IN_REVIEW})


class ColdChain:
    """Carries findings about cold goods to their end."""

    def __init__(self, journal: Journal, bus: Bus, clock: Clock, policies: Policies, compliance: Compliance) -> None:
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._policies = policies
        self._compliance = compliance

    async def found(self, delivery: Delivery) -> None:
        """Take in a finding. Raises Poison where the message is none or concerns no order, and what the log raises."""
        try:
            finding = ColdChainFinding.FromString(delivery.payload)
        except DecodeError as error:
            raise Poison(f"not a ColdChainFinding: {error}") from error
        if not finding.finding_id or not finding.load_id:
            raise Poison("a ColdChainFinding needs finding_id and load_id")
        sold = (await self._journal.find(order.DECIDER, finding.order_id)).state.order
        if sold is None:
            raise Poison(f"ORDER_NOT_FOUND: no order {finding.order_id}")
        excursion_id = excursion_id_of(finding.load_id, finding.order_id, finding.line_id)
        cause = self._cause(sold, finding.finding_id, finding.finding_id, finding.region)
        known: Excursion | None = None
        for step in range(_MOST_STEPS):
            wish = RecordColdChainFinding(finding=finding)
            outcome = await self._journal.excursion(excursion_id, wish, cause.step("finding", str(step)))
            known = outcome.state.excursion
            if outcome.event is None:
                break
        if known is None:
            await self._journal.order(sold.order_id, RecordColdChain(watch=self._clear(finding, sold)), cause)
            return
        await self.carry_on(excursion_id, cause)

    async def changed(self, delivery: Delivery) -> None:
        """Do for a recorded event what the call that recorded it may not have come to do."""
        event = EnvelopeType.of(ExcursionEvent).decode(delivery.payload)
        await self.carry_on(event.excursion_id, Cause(event.event_id, event.event_id, region=event.region))

    async def due(self, delivery: Delivery) -> None:
        """Look at the review of a timer that fired."""
        await self.look(due_of(delivery).key)

    async def look(self, excursion_id: str) -> None:
        """Do what is due for an excursion by the clock: whoever comes too early, or too late, changes nothing."""
        found = await self._journal.find(excursion.DECIDER, excursion_id)
        shown = found.state.excursion
        if shown is not None:
            request_id = ids.derive(excursion_id, "look", str(found.version))
            await self.carry_on(excursion_id, Cause(request_id, found.last_event_id, region=shown.region))

    async def carry_on(self, excursion_id: str, cause: Cause) -> None:
        """Do everything that follows from where an excursion stands; nothing of it happens twice."""
        found = await self._journal.find(excursion.DECIDER, excursion_id)
        shown = found.state.excursion
        sold = (await self._journal.find(order.DECIDER, shown.order_id)).state.order if shown is not None else None
        if shown is None or sold is None:
            return
        cause = self._cause(sold, cause.request_id, found.last_event_id or cause.event_id, shown.region)
        policy = self._policies.of(sold).cold_chain
        if needs_review(shown):
            shown = await self._ask(shown, sold, policy, cause)
        if shown.state == ExcursionState.EXCURSION_STATE_IN_REVIEW:
            await self._compliance.tell(shown, sold, cause)
            shown = await self._mind(shown, sold, cause)
        await self._journal.order(
            sold.order_id, RecordColdChain(watch=self._watch(shown, sold)), cause.step("watch", str(shown.version))
        )
        if shown.state in DECIDED:
            await self._record_decision(shown, cause)
        if shown.state not in _REVIEWED and shown.hold_id:
            await self._compliance.let_go(shown, cause)

    async def decide(
        self, shown: Excursion, decision: ExcursionDecision, dispatched_by: list[str], cause: Cause
    ) -> tuple[Excursion, int]:
        """Record a decision and what follows from it. Raises Rejected where it may not be, and what the log raises."""
        wish = DecideWish(decision=decision, dispatched_by=dispatched_by)
        outcome = await self._journal.excursion(shown.excursion_id, wish, cause)
        await self.carry_on(shown.excursion_id, cause.after(outcome.event))
        return outcome.state.excursion or shown, outcome.version

    async def _ask(self, shown: Excursion, sold: Order, policy: ColdChainPolicy, cause: Cause) -> Excursion:
        """Place the hold, tell of it, and only then ask for a decision: what must not move is stopped first."""
        hold_id = await self._compliance.block(shown, sold, policy, cause)
        exception_id = await self._compliance.tell(shown, sold, cause, review=shown.reviews + 1)
        wish = OpenExcursionReview(exception_id=exception_id, hold_id=hold_id)
        wish.due_time.FromDatetime(self._clock.now() + timedelta(seconds=review_due_s(policy)))
        step = cause.step("review", str(shown.reviews + 1))
        return (await self._journal.excursion(shown.excursion_id, wish, step)).state.excursion or shown

    async def _mind(self, shown: Excursion, sold: Order, cause: Cause) -> Excursion:
        """Mind the deadline of a review: set its timer, or tell that it has passed."""
        due = shown.review_due_time.ToDatetime(tzinfo=UTC)
        if self._clock.now() < due:
            await self._bus.timers.set(TIMER, shown.excursion_id, due)
            return shown
        if not shown.overdue:
            step = cause.step("overdue", str(shown.reviews))
            outcome = await self._journal.excursion(shown.excursion_id, RecordReviewOverdue(), step)
            shown = outcome.state.excursion or shown
        await self._compliance.tell_overdue(shown, sold, cause)
        return shown

    async def _record_decision(self, shown: Excursion, cause: Cause) -> None:
        wish = RecordExcursionDecision(
            excursion_id=shown.excursion_id,
            load_id=shown.load_id,
            line_id=shown.line_id,
            decision=shown.decision,
        )
        decider = Actor(kind=ActorKind.ACTOR_KIND_PERSON, id=shown.decision.decided_by)
        step = cause.step("decision", str(shown.reviews))
        await self._journal.order(shown.order_id, wish, replace(step, actor=decider))

    def _watch(self, shown: Excursion, sold: Order) -> ColdChainWatch:
        """Return what the order is to know of an excursion."""
        return ColdChainWatch(
            load_id=shown.load_id,
            line_id=shown.line_id,
            verdict=shown.verdict,
            sensor_lost=shown.sensor_lost,
            ride_over=shown.ride_over,
            coverage_percent=shown.figures.coverage_percent,
            required_coverage_percent=required_coverage(self._policies.of(sold).cold_chain),
            finding_id=shown.finding_id,
            revision=shown.revision,
            excursion_id=shown.excursion_id,
            in_review=shown.state in _REVIEWED,
            excursion_version=shown.version,
        )

    def _clear(self, finding: ColdChainFinding, sold: Order) -> ColdChainWatch:
        """Return what the order is to know of goods about which nothing was ever wrong."""
        return ColdChainWatch(
            load_id=finding.load_id,
            line_id=finding.line_id,
            verdict=finding.verdict,
            ride_over=finding.ride_over,
            coverage_percent=finding.figures.coverage_percent,
            required_coverage_percent=required_coverage(self._policies.of(sold).cold_chain),
            finding_id=finding.finding_id,
            revision=finding.revision,
        )

    def _cause(self, sold: Order, request_id: str, event_id: str, region: str) -> Cause:
        return Cause(
            request_id=request_id,
            event_id=event_id,
            correlation_id=sold.order_id,
            region=region,
            policy_version=sold.policy_version or label_of(self._policies.of(sold)),
        )
