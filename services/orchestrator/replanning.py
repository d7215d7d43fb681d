"""Which stops of a load a new plan may not move, and what a planner's answer makes of a load (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from gladhand.enums import short_name
from logistics.dispatch.v1 import SkipReason, UnassignedOrder
from logistics.load.v1 import LeftOut, Load, PlanProposal, Stop, StopState
from logistics.process.v1 import ReplanPolicy
from services.orchestrator.deciders.load.estimates import expected

_FREEZE: Final = timedelta(minutes=30)
_ACKNOWLEDGE: Final = timedelta(minutes=5)
_OPEN: Final = frozenset({StopState.STOP_STATE_PLANNED, StopState.STOP_STATE_CANCELLED})


def locked_stops(load: Load, policy: ReplanPolicy, now: datetime) -> list[str]:
    """Return the stops that must stay as they are, in driving order.

    Locked is what is done, under way or to be reached within the freeze horizon, and with it everything before: a plan
    is laid behind its last locked stop.
    """
    horizon = policy.freeze_horizon.ToTimedelta() if policy.HasField("freeze_horizon") else _FREEZE
    last = 0
    for position, stop in enumerate(load.stops, 1):
        due = expected(stop)
        near = due is not None and due.ToDatetime(tzinfo=UTC) <= now + horizon
        if stop.state not in _OPEN or (stop.state == StopState.STOP_STATE_PLANNED and near):
            last = position
    return [stop.stop_id for stop in load.stops[:last] if stop.state != StopState.STOP_STATE_CANCELLED]


def locked_in_book(book: Load, locked: Iterable[str]) -> list[str]:
    """Return the stops that the fleet is to lock: in its own order, everything up to the last locked one."""
    wanted = set(locked)
    last = max((position for position, stop in enumerate(book.stops, 1) if stop.stop_id in wanted), default=0)
    return [stop.stop_id for stop in book.stops[:last]]


def gone_orders(load: Load, book: Load) -> set[str]:
    """Return the orders that the fleet's book still carries and the load no longer does."""
    riding = {
        task.order_id for stop in load.stops if stop.state != StopState.STOP_STATE_CANCELLED for task in stop.tasks
    }
    return {task.order_id for stop in book.stops for task in stop.tasks} - riding


def expiry(policy: ReplanPolicy, now: datetime) -> datetime:
    """Return until when a proposal that is made now may be acknowledged, excluded."""
    return now + (policy.acknowledge_within.ToTimedelta() if policy.HasField("acknowledge_within") else _ACKNOWLEDGE)


def proposal_of(
    load: Load,
    answer: Load,
    unassigned: Iterable[UnassignedOrder],
    locked: Iterable[str],
    expire: datetime,
    reason: str,
) -> PlanProposal:
    """Return a planner's answer as a proposal: what we know of each stop stays, what the plan says of it changes.

    The arrival that was expected until now stays with the stop as its estimate, so that a change is told once the plan
    is in force, and only where it is material.
    """
    known = {stop.stop_id: stop for stop in load.stops}
    stops = [_planned(stop, known.get(stop.stop_id), sequence) for sequence, stop in enumerate(answer.stops, 1)]
    wanted = set(locked)
    proposal = PlanProposal(
        plan_version=load.plan_version + 1,
        fleet_plan_version=answer.plan_version,
        stops=stops,
        locked_stop_ids=[stop.stop_id for stop in stops if stop.stop_id in wanted],
        left_out=[
            LeftOut(
                order_id=left.order_id,
                line_ids=left.line_ids,
                reason=short_name(SkipReason, left.reason),
                message=left.message,
            )
            for left in unassigned
        ],
        reason=reason,
    )
    proposal.expire_time.FromDatetime(expire)
    if answer.HasField("figures"):
        proposal.figures.CopyFrom(answer.figures)
    return proposal


def _planned(told: Stop, known: Stop | None, sequence: int) -> Stop:
    stop = Stop()
    if known is None:
        stop.CopyFrom(told)
        stop.sequence = sequence
        return stop
    stop.CopyFrom(known)
    stop.sequence = sequence
    if known.state not in _OPEN:
        return stop
    stop.state = StopState.STOP_STATE_PLANNED
    if told.tasks:
        del stop.tasks[:]
        stop.tasks.extend(told.tasks)
    before = expected(known)
    for name in ("planned_arrival_time", "planned_departure_time", "service_duration"):
        if told.HasField(name):
            getattr(stop, name).CopyFrom(getattr(told, name))
    if before is not None:
        stop.estimated_arrival_time.CopyFrom(before)
    return stop
