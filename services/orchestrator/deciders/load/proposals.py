"""New plans for a vehicle on the road: proposed, then acknowledged or not (domain reference 3.2, re-optimisation).

The old plan stays in force until the fleet system acknowledges the new one. What the vehicle has begun meanwhile keeps
its record: facts are matched by stop, never by place in the plan.
"""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.load.v1 import (
    Load,
    LoadCommand,
    LoadPlanProposed,
    LoadPlanWithdrawn,
    LoadReplanned,
    LoadState,
    PlanProposal,
    Stop,
    StopKind,
    StopState,
)
from services.orchestrator.deciders.load.custody import on_board_lines
from services.orchestrator.deciders.load.planning import fresh_stops, merged_stops, placeless, require_plan_shape
from services.orchestrator.deciders.load.road import ENDED, ON_THE_ROAD
from services.orchestrator.deciders.load.rules import barred, present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import refused, violated
from services.orchestrator.quantities import ZERO

_WAITING = ON_THE_ROAD | {LoadState.LOAD_STATE_INTERRUPTED}
_CODES = frozenset({"REFUSED", "EXPIRED", "SUPERSEDED"})
_UNTOUCHED = frozenset({StopState.STOP_STATE_PLANNED, StopState.STOP_STATE_CANCELLED})


def propose(state: State, command: LoadCommand) -> Message | None:
    """Write down a plan that the fleet system is asked to acknowledge.

    Raises Rejected: TRANSITION_NOT_ALLOWED off the road or while another proposal waits, PLAN_VERSION_CONFLICT,
    CONTRACT_VIOLATION where a locked stop moves or a delivery comes before its pickup.
    """
    load, wish = present(state), command.propose_plan.proposal
    if load.HasField("proposal") and load.proposal.plan_version == wish.plan_version:
        known = [stop.stop_id for stop in load.proposal.stops]
        if known == [stop.stop_id for stop in wish.stops]:
            return None
    if load.state not in ON_THE_ROAD:
        raise barred(load, "proposing a plan", "only a load on the road gets its new plan by proposal")
    if load.HasField("proposal"):
        raise barred(
            load, "proposing a plan", f"plan {load.proposal.plan_version} waits for an answer; let it be given"
        )
    if wish.plan_version != load.plan_version + 1:
        raise _conflict(load, wish.plan_version - 1)
    stops = fresh_stops(load, wish.stops)
    require_plan_shape(load, stops)
    _check_locked(load, wish)
    _check_goods(load, stops)
    proposal = PlanProposal()
    proposal.CopyFrom(wish)
    del proposal.stops[:]
    proposal.stops.extend(stops)
    return LoadPlanProposed(proposal=proposal)


def accept(state: State, command: LoadCommand) -> Message | None:
    """Put a proposed plan in force; the facts that came since it was made stay with their stops."""
    load, version = present(state), command.accept_plan.plan_version
    if not load.HasField("proposal"):
        if load.plan_version >= version:
            return None
        raise _conflict(load, version - 1)
    proposal = load.proposal
    if proposal.plan_version != version:
        raise _conflict(load, version - 1)
    if load.state not in _WAITING:
        raise barred(load, "changing the plan", "only a load on the road has a plan to change")
    stops = merged_stops(load, _with_records(load, proposal.stops))
    if all(stop.state in ENDED for stop in stops):
        raise barred(load, "planning nothing", "cancel the load, or skip the stops that are left")
    event = LoadReplanned(plan_version=version, stops=stops, reason=proposal.reason, left_out=proposal.left_out)
    if proposal.HasField("figures"):
        event.figures.CopyFrom(proposal.figures)
    return event


def withdraw(state: State, command: LoadCommand) -> Message | None:
    """Let a proposed plan come to nothing; one that is not waiting is nothing new."""
    load, wish = present(state), command.withdraw_plan
    if wish.code not in _CODES:
        raise violated("code", f"{wish.code!r} is no end of a proposal; one of {', '.join(sorted(_CODES))}")
    if not load.HasField("proposal") or load.proposal.plan_version != wish.plan_version:
        return None
    return LoadPlanWithdrawn(plan_version=wish.plan_version, code=wish.code, reason=wish.reason)


def _with_records(load: Load, planned: Sequence[Stop]) -> list[Stop]:
    """Return the planned stops, each begun one with its record; begun ones that the plan leaves out stay in it."""
    begun = {stop.stop_id: stop for stop in load.stops if stop.state not in _UNTOUCHED}
    stops = []
    for stop in planned:
        told = Stop()
        told.CopyFrom(begun.pop(stop.stop_id, stop))
        stops.append(told)
    for left in begun.values():
        told = Stop()
        told.CopyFrom(left)
        stops.append(told)
    for sequence, stop in enumerate(stops, 1):
        stop.sequence = sequence
    return stops


def _check_locked(load: Load, wish: PlanProposal) -> None:
    """Check that the locked stops come first, in the order in which they stand, and unchanged."""
    standing = {stop.stop_id: stop for stop in load.stops}
    lead = [stop.stop_id for stop in wish.stops[: len(wish.locked_stop_ids)]]
    if lead != list(wish.locked_stop_ids):
        raise violated("proposal.locked_stop_ids", "locked stops come first and in their order; plan behind them")
    for stop in wish.stops[: len(lead)]:
        known = standing.get(stop.stop_id)
        if known is None or placeless(known) != placeless(stop):
            raise violated(
                "proposal.stops", f"stop {stop.stop_id} is locked; carry it over unchanged", stop_id=stop.stop_id
            )


def _check_goods(load: Load, stops: Sequence[Stop]) -> None:
    """Check that what is on board is still brought somewhere."""
    brought = {
        (task.order_id, task.line_id)
        for stop in stops
        if stop.kind == StopKind.STOP_KIND_DELIVERY and stop.state not in ENDED
        for task in stop.tasks
    }
    for line in on_board_lines(load):
        order_id, line_id = line.task.order_id, line.task.line_id
        if line.least > ZERO and (order_id, line_id) not in brought:
            message = f"line {line_id} of order {order_id} is on board and brought nowhere; keep its delivery"
            raise violated("proposal.stops", message, order_id=order_id, line_id=line_id)


def _conflict(load: Load, expected: int) -> Exception:
    return refused(
        ErrorReason.ERROR_REASON_PLAN_VERSION_CONFLICT,
        f"plan {load.plan_version} of load {load.load_id} is in force; plan again from it",
        expected=str(expected),
        in_force=str(load.plan_version),
    )
