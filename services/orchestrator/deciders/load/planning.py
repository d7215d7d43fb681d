"""Before the road: the plan and its changes, vehicle and driver, dispatch."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.exception.v1 import Gate
from logistics.load.v1 import (
    Assignment,
    Load,
    LoadAssigned,
    LoadCommand,
    LoadDispatched,
    LoadPlanned,
    LoadReplanned,
    LoadState,
    LoadUnassigned,
    Stop,
    StopKind,
    StopOutcome,
    StopState,
)
from services.orchestrator.deciders.load.cold import kept_cold
from services.orchestrator.deciders.load.ending import given_up
from services.orchestrator.deciders.load.hours import require_hours
from services.orchestrator.deciders.load.offers import BEFORE_ACCEPTANCE
from services.orchestrator.deciders.load.reassigning import redispatch
from services.orchestrator.deciders.load.road import ENDED, ON_THE_ROAD
from services.orchestrator.deciders.load.rules import barred, held_at, present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import refused, violated
from services.orchestrator.quantities import ZERO, decimal_of

_ASSIGNABLE = frozenset({LoadState.LOAD_STATE_PLANNED, LoadState.LOAD_STATE_ACCEPTED, LoadState.LOAD_STATE_ASSIGNED})
_REPLANNABLE = _ASSIGNABLE | BEFORE_ACCEPTANCE | ON_THE_ROAD
_OVER = frozenset(
    {LoadState.LOAD_STATE_COMPLETED, LoadState.LOAD_STATE_CANCELLED, LoadState.LOAD_STATE_CANCEL_REQUESTED}
)
_TAKEN_UP = frozenset({StopState.STOP_STATE_SERVICING, StopState.STOP_STATE_COMPLETED, StopState.STOP_STATE_DEPARTED})
_KINDS = frozenset({StopKind.STOP_KIND_PICKUP, StopKind.STOP_KIND_DELIVERY})
_SET_BY_US = (
    "tenders", "own_fleet_chosen", "assignments", "state", "version", "hold_ids", "order_ids", "create_time",
    "update_time", "reassignment", "proposal", "custody",
)  # fmt: skip
_FACTS = ("arrival", "service_start", "completion", "departure", "outcome", "reason", "pod_ids", "served_epoch")


def plan(state: State, command: LoadCommand) -> Message | None:
    """Record a planned load; the same plan again is nothing, another one under its id a REFERENCE_CONFLICT."""
    wish = command.plan.load
    if wish.load_id != command.load_id:
        raise violated("load.load_id", f"the load names itself {wish.load_id}, the command {command.load_id}")
    planned = _planned(wish)
    if state.load is None or state.load.state == LoadState.LOAD_STATE_DRAFT:
        begun = [stop.stop_id for stop in planned.stops if stop.state != StopState.STOP_STATE_PLANNED]
        if begun:
            raise violated(
                "load.stops.state", f"a new load has planned stops only; {begun[0]} is not", stop_id=begun[0]
            )
        _check_stops(planned.stops)
        return LoadPlanned(load=planned)
    if planned == state.planned:
        return None
    raise refused(
        ErrorReason.ERROR_REASON_REFERENCE_CONFLICT,
        f"load {wish.load_id} was planned with other content; replan it, or plan another load",
        load_id=wish.load_id,
    )


def replan(state: State, command: LoadCommand) -> Message | None:
    """Put a new plan in force; what the vehicle has begun stays as it is, and what falls out is cancelled."""
    load, wish = present(state), command.replan
    if load.state not in _REPLANNABLE:
        raise barred(load, "replanning", "only a load that waits or drives can get a new plan")
    stops = fresh_stops(load, wish.stops)
    merged = merged_stops(load, stops)
    if wish.expected_plan_version == load.plan_version - 1 and merged == list(load.stops):
        return None
    if wish.expected_plan_version != load.plan_version:
        raise refused(
            ErrorReason.ERROR_REASON_PLAN_VERSION_CONFLICT,
            f"plan {load.plan_version} of load {load.load_id} is in force; plan again from it",
            expected=str(wish.expected_plan_version),
            in_force=str(load.plan_version),
        )
    require_plan_shape(load, stops)
    if all(stop.state in ENDED for stop in merged):
        raise barred(load, "planning nothing", "cancel the load, or skip the stops that are left")
    event = LoadReplanned(plan_version=load.plan_version + 1, stops=merged, reason=wish.reason)
    if wish.HasField("figures"):
        event.figures.CopyFrom(wish.figures)
    return event


def drop_order(state: State, command: LoadCommand) -> Message | None:
    """Take an order's tasks out of the plan; a stop without tasks is cancelled, and a load without stops ends."""
    load, wish = present(state), command.drop_order
    if load.state in _OVER:
        return None
    # Goods that travel back, or once more, stay: they are not part of what is dropped.
    mine = [stop for stop in load.stops if not stop.disposition_id]
    touched = [stop for stop in mine if any(task.order_id == wish.order_id for task in stop.tasks)]
    if any(stop.state in _TAKEN_UP for stop in touched):
        raise refused(
            ErrorReason.ERROR_REASON_CANCEL_NOT_POSSIBLE,
            f"goods of order {wish.order_id} are on board of load {load.load_id}; return or reconsign them",
            order_id=wish.order_id,
            load_id=load.load_id,
            remedy="return or reconsign",
        )
    if all(stop.state in ENDED for stop in touched):
        return None
    left = [_without(stop, wish.order_id) for stop in load.stops]
    if all(stop.state in ENDED for stop in left):
        return given_up(load, wish.reason or f"order {wish.order_id} was the last on it")
    if load.state not in _REPLANNABLE:
        raise barred(load, "dropping an order", "withdraw the tender, or let the load go on first")
    event = LoadReplanned(plan_version=load.plan_version + 1, stops=left, reason=wish.reason)
    if load.HasField("figures"):
        event.figures.CopyFrom(load.figures)
    return event


def assign(state: State, command: LoadCommand) -> Message | None:
    """Name vehicle and driver under the next epoch."""
    load, wish = present(state), command.assign.assignment
    last = load.assignments[-1] if load.assignments else None
    if last is not None and wish.epoch == last.epoch and _crew(wish) == _crew(last):
        return None
    if load.state not in _ASSIGNABLE:
        raise barred(load, "assigning", "interrupt and reassign a load that is already on the road")
    next_epoch = last.epoch + 1 if last is not None else 1
    if wish.epoch != next_epoch:
        raise refused(
            ErrorReason.ERROR_REASON_EPOCH_MISMATCH,
            f"the next assignment of load {load.load_id} is epoch {next_epoch}, not {wish.epoch}; read it again",
            epoch=str(wish.epoch),
            in_force=str(next_epoch - 1),
        )
    if last is not None and wish.start_time.ToNanoseconds() < last.start_time.ToNanoseconds():
        raise violated("assignment.start_time", "an assignment cannot begin before the one that it replaces")
    assigned = LoadAssigned(assignment=wish)
    assigned.assignment.ClearField("end_time")
    return assigned


def unassign(state: State, command: LoadCommand) -> Message | None:
    """Take the assignment back before dispatch."""
    load = present(state)
    if load.state == LoadState.LOAD_STATE_ASSIGNED:
        return LoadUnassigned(reason=command.unassign.reason)
    if load.state in {LoadState.LOAD_STATE_PLANNED, LoadState.LOAD_STATE_ACCEPTED}:
        return None
    raise barred(load, "taking the assignment back", "only an assignment that is not dispatched can be taken back")


def dispatch(state: State, command: LoadCommand) -> Message | None:
    """Record that the fleet system confirmed the dispatch of the assignment in force; one dispatch per epoch."""
    load, wish = present(state), command.dispatch
    if state.dispatched_epoch and wish.epoch == state.dispatched_epoch:
        if wish.dispatch_reference in {"", load.dispatch_reference}:
            return None
        raise refused(
            ErrorReason.ERROR_REASON_REFERENCE_CONFLICT,
            f"load {load.load_id} is dispatched as {load.dispatch_reference}; a second dispatch must be cancelled",
            dispatch_reference=load.dispatch_reference,
        )
    if load.state not in {LoadState.LOAD_STATE_ASSIGNED, LoadState.LOAD_STATE_REASSIGNING}:
        raise barred(load, "dispatching", "assign vehicle and driver first")
    in_force = load.assignments[-1].epoch
    if wish.epoch != in_force:
        raise refused(
            ErrorReason.ERROR_REASON_EPOCH_MISMATCH,
            f"assignment {in_force} of load {load.load_id} is in force, not {wish.epoch}; dispatch that one",
            epoch=str(wish.epoch),
            in_force=str(in_force),
        )
    holds = held_at(state, Gate.GATE_DISPATCH)
    if holds:
        raise refused(
            ErrorReason.ERROR_REASON_HOLD_BLOCKS,
            f"load {load.load_id} may not be dispatched: a hold blocks it; release the hold first",
            gate="dispatch",
            hold_ids=",".join(holds),
        )
    require_hours(load)
    if load.state == LoadState.LOAD_STATE_REASSIGNING:
        return redispatch(state, load, wish.dispatch_reference)
    return LoadDispatched(dispatch_reference=wish.dispatch_reference, epoch=wish.epoch, plan_version=load.plan_version)


def _planned(wish: Load) -> Load:
    """Return the load as it stands in the event: what callers may not set is cleared or set anew."""
    load = Load()
    load.CopyFrom(wish)
    cleared: Message = load
    for name in _SET_BY_US:
        cleared.ClearField(name)
    load.ClearField("dispatch_reference")
    stops = [_fresh(stop) if not stop.state else stop for stop in load.stops]
    del load.stops[:]
    load.stops.extend(stops)
    load.plan_version = load.plan_version or 1
    load.state = LoadState.LOAD_STATE_PLANNED
    load.order_ids.extend(dict.fromkeys(task.order_id for stop in load.stops for task in stop.tasks))
    return load


def _fresh(stop: Stop) -> Stop:
    """Return a stop to which nothing has happened yet."""
    fresh = Stop()
    fresh.CopyFrom(stop)
    fresh.state = StopState.STOP_STATE_PLANNED
    cleared: Message = fresh
    for name in _FACTS:
        cleared.ClearField(name)
    return fresh


def fresh_stops(load: Load, planned: Sequence[Stop]) -> list[Stop]:
    """Return the stops of a new plan as it may set them: those that wait bear no facts, and cold goods stay cold."""
    fresh = [_fresh(stop) if stop.state in {0, StopState.STOP_STATE_PLANNED} else stop for stop in planned]
    return kept_cold(load, fresh)


def require_plan_shape(load: Load, stops: Sequence[Stop]) -> None:
    """Raise Rejected (CONTRACT_VIOLATION) where a new plan changes what has begun, or cannot be driven."""
    _check_locked(load, stops)
    _check_stops(stops)


def merged_stops(load: Load, stops: Sequence[Stop]) -> list[Stop]:
    """Return the new plan followed by what it leaves out, cancelled."""
    kept = {stop.stop_id for stop in stops}
    gone = [_cancelled(stop) for stop in load.stops if stop.stop_id not in kept]
    for position, stop in enumerate(gone, len(stops) + 1):
        stop.sequence = position
    return [*stops, *gone]


def _cancelled(stop: Stop) -> Stop:
    left = Stop()
    left.CopyFrom(stop)
    if left.state not in ENDED:
        left.state = StopState.STOP_STATE_CANCELLED
        left.outcome = StopOutcome.STOP_OUTCOME_CANCELLED
        del left.tasks[:]
    return left


def _without(stop: Stop, order_id: str) -> Stop:
    """Return a stop without an order's tasks; what has ended keeps its record."""
    left = Stop()
    left.CopyFrom(stop)
    if stop.state in ENDED or stop.disposition_id or all(task.order_id != order_id for task in stop.tasks):
        return left
    del left.tasks[:]
    left.tasks.extend(task for task in stop.tasks if task.order_id != order_id)
    return left if left.tasks else _cancelled(left)


def _check_locked(load: Load, stops: Sequence[Stop]) -> None:
    """Check that every stop the vehicle has begun stands unchanged in the new plan, but for its place in it."""
    told = {stop.stop_id: stop for stop in stops}
    for stop in load.stops:
        if stop.state in {StopState.STOP_STATE_PLANNED, StopState.STOP_STATE_CANCELLED}:
            continue
        other = told.get(stop.stop_id)
        if other is None or placeless(other) != placeless(stop):
            raise violated(
                "stops",
                f"stop {stop.stop_id} is {StopState.Name(stop.state)} and locked; carry it over unchanged",
                stop_id=stop.stop_id,
            )


def placeless(stop: Stop) -> Stop:
    """Return a stop without its place in the plan."""
    shown = Stop()
    shown.CopyFrom(stop)
    shown.ClearField("sequence")
    return shown


def _check_stops(stops: Sequence[Stop]) -> None:
    """Check a plan: ids and sequence, kinds and tasks, and every delivery after a pickup of the same line."""
    if not stops:
        raise violated("stops", "a load needs at least one stop")
    if len({stop.stop_id for stop in stops}) != len(stops):
        raise violated("stops.stop_id", "stop ids must differ; name each stop once")
    if sorted(stop.sequence for stop in stops) != list(range(1, len(stops) + 1)):
        raise violated("stops.sequence", f"sequences must be 1 to {len(stops)}, each once")
    loaded: set[tuple[str, str]] = set()
    for stop in sorted(stops, key=lambda stop: stop.sequence):
        _check_stop(stop)
        lines = {(task.order_id, task.line_id) for task in stop.tasks}
        if stop.kind == StopKind.STOP_KIND_PICKUP:
            loaded |= lines
        elif lines - loaded:
            order_id, line_id = min(lines - loaded)
            message = f"line {line_id} of order {order_id} is delivered before it is picked up"
            raise violated("stops.sequence", message, stop_id=stop.stop_id, order_id=order_id, line_id=line_id)


def _check_stop(stop: Stop) -> None:
    if stop.kind not in _KINDS:
        raise refused(
            ErrorReason.ERROR_REASON_NOT_SUPPORTED,
            f"stop {stop.stop_id} is neither pickup nor delivery; leave such stops to the fleet system",
            field="stops.kind",
            stop_id=stop.stop_id,
        )
    if stop.state == StopState.STOP_STATE_CANCELLED:
        return
    keys = [(task.order_id, task.line_id) for task in stop.tasks]
    if not keys or len(set(keys)) != len(keys):
        raise violated("stops.tasks", f"stop {stop.stop_id} needs tasks, each line once", stop_id=stop.stop_id)
    if any(decimal_of(task.expected) <= ZERO for task in stop.tasks):
        raise violated("stops.tasks.expected", f"a task of stop {stop.stop_id} moves nothing", stop_id=stop.stop_id)


def _crew(assignment: Assignment) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return assignment.vehicle_id, tuple(assignment.driver_ids), tuple(assignment.trailer_ids)
