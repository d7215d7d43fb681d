"""What stands between goods that were not kept cold and their way: the hold, and the exceptions that tell of it."""

from __future__ import annotations

from dataclasses import replace

from gladhand import ids
from gladhand.enums import short_name
from logistics.exception.v1 import (
    ColdChainVerdict,
    ExceptionKind,
    Excursion,
    ExcursionOutcome,
    Gate,
    Hold,
    HoldKind,
    LiftHold,
    SetHold,
)
from logistics.order.v1 import Order
from logistics.process.v1 import ColdChainPolicy
from logistics.type.v1 import Actor, ActorKind
from services.orchestrator.deciders import hold
from services.orchestrator.exceptions import exception_id_of, open_exception, settle_exception
from services.orchestrator.journal import SERVICE, Cause, Journal
from services.orchestrator.processes.holds import HoldRipple

_BREACH = ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH
_EXCURSION = ExceptionKind.EXCEPTION_KIND_TEMPERATURE_EXCURSION
_LOST = ExceptionKind.EXCEPTION_KIND_SENSOR_LOST
_OVERDUE = ExceptionKind.EXCEPTION_KIND_REVIEW_OVERDUE


class Compliance:
    """Places and releases what blocks; opens and settles what tells of it. Every method may be called again."""

    def __init__(self, journal: Journal, holds: HoldRipple) -> None:
        self._journal = journal
        self._holds = holds

    async def block(self, shown: Excursion, sold: Order, policy: ColdChainPolicy, cause: Cause) -> str:
        """Let a compliance hold block billing, and delivery where the policy says so; return its id."""
        placed = Hold(
            hold_id=ids.derive(shown.excursion_id, "hold", str(shown.reviews + 1)),
            kind=HoldKind.HOLD_KIND_COMPLIANCE,
            gates=[Gate.GATE_BILLING],
            order_id=sold.order_id,
            line_id=shown.line_id,
            reason=f"{_words(shown)} It is released by the decision about excursion {shown.excursion_id}.",
            placed_by=SERVICE.id,
            four_eyes=True,
            region=shown.region,
        )
        if policy.blocks_delivery:
            placed.gates.insert(0, Gate.GATE_DELIVERY)
        known = (await self._journal.find(hold.DECIDER, placed.hold_id)).state.hold
        if known is None:
            known = (await self._journal.hold(placed.hold_id, SetHold(hold=placed), cause.step("hold"))).state.hold
        if known is not None:
            await self._holds.apply(known, cause)
        return placed.hold_id

    async def tell(self, shown: Excursion, sold: Order, cause: Cause, review: int = 0) -> str:
        """Open the exception of a review, `review` or the present one; return its id."""
        number = review or shown.reviews
        kind = _EXCURSION if shown.was_breached or shown.verdict == _BREACH else _LOST
        return await open_exception(
            self._journal,
            kind,
            f"{_words(shown)} Somebody who did not dispatch the load must decide: gladhand excursions decide.",
            cause,
            subject_id=shown.excursion_id,
            detail=str(number),
            order_id=sold.order_id,
            load_id=shown.load_id,
            vehicle_id=shown.vehicle_ids[-1] if shown.vehicle_ids else "",
            evidence=(shown.finding_id, *shown.figures.evidence_ids),
        )

    async def tell_overdue(self, shown: Excursion, sold: Order, cause: Cause) -> None:
        """Open the exception that tells of a review that nobody decided in time."""
        await open_exception(
            self._journal,
            _OVERDUE,
            f"Nobody decided about line {shown.line_id} in time. {_words(shown)} The order stays blocked until then.",
            cause,
            subject_id=shown.excursion_id,
            detail=str(shown.reviews),
            order_id=sold.order_id,
            load_id=shown.load_id,
            evidence=(shown.finding_id,),
        )

    async def let_go(self, shown: Excursion, cause: Cause) -> None:
        """Release the hold with a reference to what made it right, and settle every exception of the review."""
        code, why = _settlement(shown)
        decided_by = shown.decision.decided_by or "samples"
        known = (await self._journal.find(hold.DECIDER, shown.hold_id)).state.hold
        if known is not None:
            wish = LiftHold(released_by=decided_by, evidence=why[:2000])
            step = cause.step("release", str(shown.reviews))
            if shown.decision.decided_by:
                step = replace(step, actor=Actor(kind=ActorKind.ACTOR_KIND_PERSON, id=decided_by))
            lifted = (await self._journal.hold(shown.hold_id, wish, step)).state
            if lifted.hold is not None:
                await self._holds.apply(lifted.hold, cause)
        for kind in (_EXCURSION, _LOST, _OVERDUE):
            exception_id = exception_id_of(kind, shown.excursion_id, str(shown.reviews))
            await settle_exception(self._journal, exception_id, code, why[:2000], cause)


def _settlement(shown: Excursion) -> tuple[str, str]:
    """Return in one word and in a sentence what ended a review."""
    reference = f"Excursion {shown.excursion_id}, version {shown.version}"
    if shown.HasField("decision"):
        code = short_name(ExcursionOutcome, shown.decision.outcome)
        return code, f"{reference}: {code} by {shown.decision.decided_by}. {shown.decision.evidence}"
    return "SAMPLES_CAME", f"{reference}: samples that came late told of the whole time; finding {shown.finding_id}."


def _words(shown: Excursion) -> str:
    """Return what was found, for people."""
    figures = shown.figures
    where = f"Line {shown.line_id} on load {shown.load_id}"
    if shown.verdict == _BREACH:
        minutes = figures.longest.seconds // 60, figures.cumulative.seconds // 60
        return (
            f"{where} was at {figures.peak_celsius:.1f} degrees, {minutes[0]} minutes in a stretch and {minutes[1]} in "
            f"all out of {shown.profile.min_celsius:g} to {shown.profile.max_celsius:g}."
        )
    return f"{where} was not heard of long enough: samples cover {figures.coverage_percent} percent."
