"""What an order knows of the temperatures of its lines, and what the billing gate makes of it (reference 3.5, 3.6)."""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.exception.v1 import ColdChainVerdict, ExcursionOutcome
from logistics.invoice.v1 import GateCheck, GateCheckKind, GateResult
from logistics.order.v1 import (
    ColdChainWatch,
    Disposition,
    Order,
    OrderColdChainRecorded,
    OrderCommand,
    OrderEvent,
    OrderExcursionDecided,
    OrderLine,
)
from services.orchestrator.cold_chain import is_cold
from services.orchestrator.deciders.order.rules import line_of, present
from services.orchestrator.deciders.order.state import State
from services.orchestrator.quantities import is_zero

_KIND = GateCheckKind.GATE_CHECK_KIND_COLD_CHAIN


def record(state: State, command: OrderCommand) -> Message | None:
    """Record what is known of a line on a load; what is older than that, or the same, is nothing."""
    order, told = present(state), command.record_cold_chain.watch
    line_of(order, told.line_id)
    known = watch_of(order, told.load_id, told.line_id)
    wanted = ColdChainWatch()
    wanted.CopyFrom(told)
    cleared: Message = wanted
    cleared.ClearField("decision")
    if known is not None:
        if (told.revision, told.excursion_version) < (known.revision, known.excursion_version):
            return None
        if known.HasField("decision") and not told.in_review:
            wanted.decision.CopyFrom(known.decision)
        if wanted == known:
            return None
    return OrderColdChainRecorded(watch=wanted)


def record_decision(state: State, command: OrderCommand) -> Message | None:
    """Record what was decided about an excursion; the same decision again is nothing."""
    order, wish = present(state), command.record_excursion_decision
    line_of(order, wish.line_id)
    known = watch_of(order, wish.load_id, wish.line_id)
    if known is not None and known.decision == wish.decision and not known.in_review:
        return None
    event = OrderExcursionDecided(
        excursion_id=wish.excursion_id, load_id=wish.load_id, line_id=wish.line_id, decision=wish.decision
    )
    if wish.decision.outcome == ExcursionOutcome.EXCURSION_OUTCOME_REJECTED:
        destroyed = wish.decision.destroy
        event.disposition = Disposition.DISPOSITION_DESTROY if destroyed else Disposition.DISPOSITION_RETURN
    return event


def recorded(state: State, order: Order, event: OrderEvent) -> State:
    """Let the order show what is known."""
    told = event.cold_chain_recorded.watch
    _entry(order, told.load_id, told.line_id).CopyFrom(told)
    return state


def decided(state: State, order: Order, event: OrderEvent) -> State:
    """Let the order show what was decided."""
    told = event.excursion_decided
    entry = _entry(order, told.load_id, told.line_id)
    entry.load_id, entry.line_id, entry.excursion_id = told.load_id, told.line_id, told.excursion_id
    entry.in_review = False
    entry.decision.CopyFrom(told.decision)
    return state


def watch_of(order: Order, load_id: str, line_id: str) -> ColdChainWatch | None:
    """Return what is known of a line on a load, None where that is nothing."""
    for watch in order.cold_chain:
        if (watch.load_id, watch.line_id) == (load_id, line_id):
            return watch
    return None


def check(state: State, order: Order) -> GateCheck:
    """Judge whether every line that had to be kept cold was: all of it, with samples enough, and nothing open."""
    cold = [line for line in order.lines if is_cold(line)]
    if not cold:
        return GateCheck(kind=_KIND, result=GateResult.GATE_RESULT_NOT_APPLICABLE)
    findings: list[str] = []
    failures: list[str] = []
    for line in cold:
        # Of what nobody kept, nothing is billed.
        for load_id in [] if is_zero(line.quantities.accepted) else _loads_of(state, line):
            watch = watch_of(order, load_id, line.line_id)
            wrong = _wrong(watch)
            if wrong:
                failures.append(f"line {line.line_id} on load {load_id}: {wrong}")
            if watch is not None:
                findings.append(watch.excursion_id or watch.finding_id)
    if failures:
        return GateCheck(
            kind=_KIND,
            result=GateResult.GATE_RESULT_FAIL,
            message="; ".join(failures)[:2000],
            evidence_ids=[name for name in findings if name],
        )
    return GateCheck(kind=_KIND, result=GateResult.GATE_RESULT_PASS, evidence_ids=[name for name in findings if name])


def _loads_of(state: State, line: OrderLine) -> list[str]:
    """Return the loads on which a line rode; none told is a load that nobody knows anything of."""
    riding = {load_id for load_id, plan in state.plan.items() if line.line_id in plan.line_ids}
    set_down = {
        load_id
        for (load_id, _), there in state.deliveries.items()
        if any(moved.line_id == line.line_id for moved in there.lines)
    }
    return sorted(riding | set_down) or [""]


def _wrong(watch: ColdChainWatch | None) -> str:
    """Return in words why a watch does not clear its goods, empty where it does."""
    if watch is None:
        return "nobody has told of its temperatures"
    if watch.in_review:
        return f"excursion {watch.excursion_id} waits for a decision"
    if watch.HasField("decision"):
        return ""
    if watch.verdict == ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH:
        return "its temperatures breached the profile, and nobody has decided about it"
    if not watch.ride_over:
        return "its goods are still on board as far as the watch knows"
    if watch.coverage_percent < watch.required_coverage_percent:
        return (
            f"samples cover {watch.coverage_percent} percent of the ride, {watch.required_coverage_percent} are needed"
        )
    if watch.sensor_lost:
        return "its sensor was lost on the way, and nobody has decided about it"
    return ""


def _entry(order: Order, load_id: str, line_id: str) -> ColdChainWatch:
    known = watch_of(order, load_id, line_id)
    return known if known is not None else order.cold_chain.add()
