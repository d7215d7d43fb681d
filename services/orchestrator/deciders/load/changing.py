"""Changes of what a load carries while it is on its way: goods that travel back, and orders that were changed."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.load.v1 import (
    ChangeCargo,
    Load,
    LoadCommand,
    LoadReplanned,
    LoadState,
    Stop,
    StopKind,
    StopOutcome,
    StopState,
    StopTask,
)
from services.orchestrator.deciders.load.road import ENDED, ON_THE_ROAD
from services.orchestrator.deciders.load.rules import barred, present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import refused, violated
from services.orchestrator.quantities import ZERO, decimal_of

_CHANGEABLE = ON_THE_ROAD | {
    LoadState.LOAD_STATE_PLANNED,
    LoadState.LOAD_STATE_ACCEPTED,
    LoadState.LOAD_STATE_ASSIGNED,
}
_COMING = frozenset({StopState.STOP_STATE_PLANNED, StopState.STOP_STATE_EN_ROUTE, StopState.STOP_STATE_ARRIVED})


def bring_back(state: State, command: LoadCommand) -> Message | None:
    """Add a stop at the end of the way at which goods come back, and drop what of the order was still to be delivered.

    Raises CANCEL_NOT_POSSIBLE while such a delivery is being worked at: its outcome must be known first.
    """
    load, wish = present(state), command.bring_back
    if any(stop.stop_id == wish.stop_id for stop in load.stops):
        return None
    if load.state not in ON_THE_ROAD:
        raise barred(load, "bringing goods back", "plan another load that fetches them")
    if not wish.tasks or any(decimal_of(task.expected) <= ZERO for task in wish.tasks):
        raise violated("tasks", "say what travels back, more than nothing of each line")
    stops = [_without(load, stop, wish.order_id) if wish.drops_deliveries else _copy(stop) for stop in load.stops]
    back = Stop(
        stop_id=wish.stop_id,
        sequence=max(stop.sequence for stop in stops) + 1,
        kind=StopKind.STOP_KIND_DELIVERY,
        location=wish.location,
        tasks=wish.tasks,
        state=StopState.STOP_STATE_PLANNED,
        pod_required=True,
        disposition_id=wish.disposition_id,
        returns=True,
    )
    return _replanned(load, [*stops, back], wish.reason)


def change_cargo(state: State, command: LoadCommand) -> Message | None:
    """Carry a change of an order out at the stops whose work has not begun; what changes nothing is nothing."""
    load, wish = present(state), command.change_cargo
    stops = [_changed(stop, wish) for stop in load.stops]
    if stops == list(load.stops):
        return None
    if load.state not in _CHANGEABLE:
        raise barred(load, "changing what it carries", "withdraw the tender first, or let the load go on")
    if all(stop.state in ENDED for stop in stops):
        raise barred(load, "leaving it nothing to carry", "cancel the order instead")
    return _replanned(load, stops, f"order {wish.order_id} was changed, revision {wish.revision}")


def _replanned(load: Load, stops: Iterable[Stop], reason: str) -> LoadReplanned:
    event = LoadReplanned(plan_version=load.plan_version + 1, stops=stops, reason=reason)
    if load.HasField("figures"):
        event.figures.CopyFrom(load.figures)
    return event


def _without(load: Load, stop: Stop, order_id: str) -> Stop:
    """Return a stop without what it was to deliver, or still to load, of an order."""
    left = _copy(stop)
    mine = any(task.order_id == order_id for task in stop.tasks)
    if not mine or stop.state in ENDED or stop.disposition_id or stop.state == StopState.STOP_STATE_COMPLETED:
        return left
    if stop.state not in _COMING:
        raise refused(
            ErrorReason.ERROR_REASON_CANCEL_NOT_POSSIBLE,
            f"goods of order {order_id} are being handled at stop {stop.stop_id}; ask again when that is done",
            order_id=order_id,
            load_id=load.load_id,
            remedy="wait until the stop is completed",
        )
    return _with_tasks(left, [task for task in stop.tasks if task.order_id != order_id])


def _changed(stop: Stop, wish: ChangeCargo) -> Stop:
    changed = _copy(stop)
    mine = any(task.order_id == wish.order_id for task in stop.tasks)
    if not mine or stop.state not in _COMING or stop.disposition_id:
        return changed
    wanted = {task.line_id: task.expected for task in wish.tasks}
    tasks = []
    for task in stop.tasks:
        expected = wanted.get(task.line_id) if task.order_id == wish.order_id else None
        kept = StopTask()
        kept.CopyFrom(task)
        if expected is not None:
            kept.expected.CopyFrom(expected)
        if decimal_of(kept.expected) > ZERO:
            tasks.append(kept)
    if stop.kind == StopKind.STOP_KIND_DELIVERY:
        if wish.HasField("window"):
            changed.window.CopyFrom(wish.window)
        changed.instructions = wish.instructions or stop.instructions
    return _with_tasks(changed, tasks)


def _with_tasks(stop: Stop, tasks: list[StopTask]) -> Stop:
    del stop.tasks[:]
    stop.tasks.extend(tasks)
    if not tasks:
        stop.state = StopState.STOP_STATE_CANCELLED
        stop.outcome = StopOutcome.STOP_OUTCOME_CANCELLED
    return stop


def _copy(stop: Stop) -> Stop:
    copied = Stop()
    copied.CopyFrom(stop)
    return copied
