"""An excursion: what happened to the temperature of one order line on one load, and what was decided (reference 3.6).

Verdict and sample watermark are stored together, with each finding of the gateway. Coming back into range does not
undo a breach; samples that come late may make one of a near miss, or refute one, and both are events of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from gladhand import ids
from gladhand.decider import Decider, Rejected
from gladhand.enums import short_name
from gladhand.lifecycle import MachineState
from logistics.error.v1 import ErrorReason
from logistics.exception.v1 import (
    ColdChainFinding,
    ColdChainVerdict,
    Excursion,
    ExcursionBreached,
    ExcursionCommand,
    ExcursionDecided,
    ExcursionDecision,
    ExcursionEnded,
    ExcursionEvent,
    ExcursionMeasured,
    ExcursionOpened,
    ExcursionOutcome,
    ExcursionReviewOpened,
    ExcursionReviewOverdue,
    ExcursionRevised,
    ExcursionState,
)
from services.orchestrator.deciders.refusal import no_way, refused, violated

BREACH: Final = ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH
IN_RANGE: Final = ColdChainVerdict.COLD_CHAIN_VERDICT_IN_RANGE

_REVIEWABLE = frozenset(
    {
        ExcursionState.EXCURSION_STATE_OBSERVING,
        ExcursionState.EXCURSION_STATE_BREACH,
        ExcursionState.EXCURSION_STATE_ENDED,
    }
)
_OUTCOMES: Mapping[int, ExcursionState.ValueType] = {
    ExcursionOutcome.EXCURSION_OUTCOME_RELEASED: ExcursionState.EXCURSION_STATE_RELEASED,
    ExcursionOutcome.EXCURSION_OUTCOME_RELEASED_WITH_CREDIT: ExcursionState.EXCURSION_STATE_RELEASED_WITH_CREDIT,
    ExcursionOutcome.EXCURSION_OUTCOME_REJECTED: ExcursionState.EXCURSION_STATE_REJECTED,
}
DECIDED: Final = frozenset(_OUTCOMES.values())
"""States in which somebody has decided."""
_LET_GO = DECIDED - {ExcursionState.EXCURSION_STATE_REJECTED}


@dataclass(frozen=True, slots=True)
class State:
    """One excursion. `excursion` is what everybody may see; it is never changed in place."""

    excursion: Excursion | None = None
    """None before birth."""
    decided_on: ColdChainVerdict.ValueType = ColdChainVerdict.COLD_CHAIN_VERDICT_UNSPECIFIED
    """The verdict on which somebody decided last; 0 while nobody has."""


def excursion_id_of(load_id: str, order_id: str, line_id: str) -> str:
    """Return the id of the one excursion of an order line on a load."""
    return ids.derive(order_id, "excursion", load_id, line_id)


def troubled(finding: ColdChainFinding) -> bool:
    """Return whether a finding tells of anything that is not as it should be."""
    return finding.verdict != IN_RANGE or finding.sensor_lost


def needs_review(excursion: Excursion) -> bool:
    """Return whether somebody must decide and has not been asked."""
    if excursion.state == ExcursionState.EXCURSION_STATE_BREACH:
        return True
    return excursion.state in _REVIEWABLE and excursion.sensor_lost


def _decide(state: State, command: ExcursionCommand) -> Message | None:
    wish = command.WhichOneof("body")
    if wish is None:
        raise violated("body", "the command asks for nothing; set its body")
    if wish == "record_finding":
        return _record(state, command)
    if state.excursion is None:
        raise refused(
            ErrorReason.ERROR_REASON_EXCURSION_NOT_FOUND,
            "there is no such excursion: nothing about these goods was found out of order",
            excursion_id=command.excursion_id,
        )
    return _WISHES[wish](state.excursion, command)


def _record(state: State, command: ExcursionCommand) -> Message | None:
    """Record a finding: first what it says, then what follows from it; the caller asks until nothing more does."""
    finding, known = command.record_finding.finding, state.excursion
    if known is None:
        if not troubled(finding):
            return None
        return ExcursionOpened(excursion=_born(command.excursion_id, finding))
    if finding.revision > known.revision:
        return _news(state, known, finding)
    if finding.revision < known.revision:
        return None
    if _breaks(state, known, finding):
        return ExcursionBreached(finding=finding)
    over = known.state == ExcursionState.EXCURSION_STATE_OBSERVING and known.ride_over
    return ExcursionEnded() if over and not known.sensor_lost else None


def _news(state: State, known: Excursion, finding: ColdChainFinding) -> Message:
    """Return what new figures mean for what was found before."""
    if _breaks(state, known, finding):
        return ExcursionBreached(finding=finding)
    refuted = known.verdict == BREACH and finding.verdict != BREACH
    in_review = known.state == ExcursionState.EXCURSION_STATE_IN_REVIEW
    heard = in_review and known.sensor_lost and not finding.sensor_lost and not known.was_breached
    if heard:
        return ExcursionRevised(finding=finding, was=known.verdict, review_ended=True)
    if refuted and (in_review or known.state == ExcursionState.EXCURSION_STATE_BREACH):
        return ExcursionRevised(finding=finding, was=known.verdict)
    return ExcursionMeasured(finding=finding)


def _breaks(state: State, known: Excursion, finding: ColdChainFinding) -> bool:
    """Return whether a breach is new: to those that watch, those that review, and those that decided on less."""
    if finding.verdict != BREACH:
        return False
    if known.state in {ExcursionState.EXCURSION_STATE_OBSERVING, ExcursionState.EXCURSION_STATE_ENDED}:
        return True
    if known.state == ExcursionState.EXCURSION_STATE_IN_REVIEW:
        return known.verdict != BREACH
    return known.state in _LET_GO and state.decided_on != BREACH


def _open_review(excursion: Excursion, command: ExcursionCommand) -> Message | None:
    if not needs_review(excursion):
        return None
    wish = command.open_review
    event = ExcursionReviewOpened(exception_id=wish.exception_id, hold_id=wish.hold_id)
    if wish.HasField("due_time"):
        event.due_time.CopyFrom(wish.due_time)
    return event


def _overdue(excursion: Excursion, command: ExcursionCommand) -> Message | None:
    if excursion.state != ExcursionState.EXCURSION_STATE_IN_REVIEW or excursion.overdue:
        return None
    due = excursion.review_due_time
    if command.decide_time.ToNanoseconds() < due.ToNanoseconds():
        return None
    return ExcursionReviewOverdue()


def _decide_on(excursion: Excursion, command: ExcursionCommand) -> Message | None:
    wish, told = command.decide.decision, excursion.decision
    if excursion.state in DECIDED and (told.outcome, told.decided_by) == (wish.outcome, wish.decided_by):
        return None
    if excursion.state != ExcursionState.EXCURSION_STATE_IN_REVIEW:
        remedy = "nothing is to be decided" if excursion.state not in DECIDED else "it is decided"
        raise no_way("excursion", ExcursionState, excursion.state, "deciding", remedy)
    if not wish.decided_by:
        raise violated("decision.decided_by", "a decision must say who decides; call with a token, or name the person")
    if wish.decided_by in command.decide.dispatched_by:
        raise refused(
            ErrorReason.ERROR_REASON_NOT_PERMITTED,
            f"{wish.decided_by} dispatched load {excursion.load_id}; somebody else must decide about its goods",
            excursion_id=excursion.excursion_id,
            load_id=excursion.load_id,
        )
    _check(wish)
    decision = ExcursionDecision()
    decision.CopyFrom(wish)
    decision.decide_time.CopyFrom(command.decide_time)
    return ExcursionDecided(decision=decision)


def _check(decision: ExcursionDecision) -> None:
    """Refuse a decision that says too little or two things at once."""
    if not decision.evidence:
        raise violated("decision.evidence", "say what makes the decision right, for example the stability budget")
    credited = decision.outcome == ExcursionOutcome.EXCURSION_OUTCOME_RELEASED_WITH_CREDIT
    given = decision.HasField("credit") + bool(decision.credit_permille)
    if credited and given != 1:
        raise violated("decision.credit", "RELEASED_WITH_CREDIT needs either an amount or a share in permille")
    if not credited and given:
        name = short_name(ExcursionOutcome, decision.outcome)
        raise violated("decision.credit", f"{name} gives nothing off; decide RELEASED_WITH_CREDIT, or leave it out")
    if decision.HasField("credit") and (decision.credit.units, decision.credit.nanos) <= (0, 0):
        raise violated("decision.credit", "what the customer gets off is more than nothing")
    if decision.destroy and decision.outcome != ExcursionOutcome.EXCURSION_OUTCOME_REJECTED:
        raise violated("decision.destroy", "only rejected goods are destroyed")


def _born(excursion_id: str, finding: ColdChainFinding) -> Excursion:
    excursion = Excursion(
        excursion_id=excursion_id,
        order_id=finding.order_id,
        line_id=finding.line_id,
        load_id=finding.load_id,
        profile=finding.profile,
        region=finding.region,
    )
    _show(excursion, finding)
    return excursion


def _show(excursion: Excursion, finding: ColdChainFinding) -> None:
    """Let an excursion show a finding: verdict and sample watermark together."""
    excursion.verdict = finding.verdict
    excursion.sensor_lost = finding.sensor_lost
    excursion.ride_over = finding.ride_over
    excursion.figures.CopyFrom(finding.figures)
    excursion.finding_id = finding.finding_id
    excursion.revision = finding.revision
    del excursion.vehicle_ids[:]
    excursion.vehicle_ids.extend(finding.vehicle_ids)


_WISHES: Mapping[str, Callable[[Excursion, ExcursionCommand], Message | None]] = {
    "open_review": _open_review,
    "record_overdue": _overdue,
    "decide": _decide_on,
}


def _evolve(state: State, event: ExcursionEvent) -> State:
    excursion = Excursion()
    if state.excursion is not None:
        excursion.CopyFrom(state.excursion)
    decided_on = state.decided_on
    match event.WhichOneof("body"):
        case "opened":
            excursion.CopyFrom(event.opened.excursion)
            excursion.state = ExcursionState.EXCURSION_STATE_OBSERVING
            excursion.create_time.CopyFrom(event.record_time)
        case "measured":
            _show(excursion, event.measured.finding)
        case "breached":
            _show(excursion, event.breached.finding)
            excursion.was_breached = True
            if excursion.state != ExcursionState.EXCURSION_STATE_IN_REVIEW:
                excursion.state = ExcursionState.EXCURSION_STATE_BREACH
        case "revised":
            _show(excursion, event.revised.finding)
            if event.revised.review_ended:
                excursion.state = ExcursionState.EXCURSION_STATE_OBSERVING
        case "review_opened":
            _ask(excursion, event.review_opened)
        case "review_overdue":
            excursion.overdue = True
        case "decided":
            excursion.decision.CopyFrom(event.decided.decision)
            excursion.state = _OUTCOMES.get(event.decided.decision.outcome, excursion.state)
            decided_on = excursion.verdict
        case "ended":
            excursion.state = ExcursionState.EXCURSION_STATE_ENDED
        case _:
            pass
    excursion.version = event.version
    excursion.update_time.CopyFrom(event.record_time)
    return State(excursion, decided_on)


def _ask(excursion: Excursion, asked: ExcursionReviewOpened) -> None:
    excursion.state = ExcursionState.EXCURSION_STATE_IN_REVIEW
    excursion.exception_id, excursion.hold_id = asked.exception_id, asked.hold_id
    excursion.review_due_time.CopyFrom(asked.due_time)
    excursion.overdue = False
    excursion.reviews += 1
    cleared: Message = excursion
    cleared.ClearField("decision")


def _machines(state: State) -> Mapping[str, MachineState]:
    return {"": MachineState(ExcursionState, state.excursion.state if state.excursion is not None else None)}


DECIDER: Decider[State, ExcursionCommand, ExcursionEvent] = Decider(
    envelope=ExcursionEvent, initial=State(), decide=_decide, evolve=_evolve, machines=_machines
)
"""The decider of an excursion."""

__all__ = ["DECIDED", "DECIDER", "Rejected", "State", "excursion_id_of", "needs_review", "troubled"]
