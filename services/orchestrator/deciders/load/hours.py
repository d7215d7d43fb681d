"""A driver's hours before dispatch: what was judged, and who answers for it (domain reference 2.5; pure)."""

from __future__ import annotations

from typing import Literal

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.load.v1 import (
    Assignment,
    HoursVerdict,
    Load,
    LoadCommand,
    LoadHoursChecked,
    LoadHoursOverridden,
    LoadState,
)
from services.orchestrator.deciders.load.rules import barred, present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import refused, violated

_JUDGED = frozenset({LoadState.LOAD_STATE_ASSIGNED, LoadState.LOAD_STATE_REASSIGNING})
_ANSWERED = frozenset({LoadState.LOAD_STATE_ASSIGNED, LoadState.LOAD_STATE_INTERRUPTED})


def check(state: State, command: LoadCommand) -> Message | None:
    """Record how a driver's hours were judged; the same verdict about the same driver again is nothing."""
    load, wish = present(state), command.check_hours
    if load.state not in _JUDGED:
        raise barred(load, "judging hours", "hours are judged before dispatch")
    last = _in_force(load, wish.epoch)
    if not wish.check.verdict:
        raise violated("check.verdict", "a judgement needs a verdict")
    known = last.hours
    if (known.verdict, known.driver_id) == (wish.check.verdict, wish.check.driver_id):
        # Hours that are enough age: that they were looked at again counts.
        fresh = wish.check.as_of_time != known.as_of_time
        if wish.check.verdict != HoursVerdict.HOURS_VERDICT_ENOUGH or not fresh:
            return None
    event = LoadHoursChecked(check=wish.check, epoch=wish.epoch)
    names: tuple[Literal["overridden_by", "override_scope", "override_reason"], ...] = (
        "overridden_by", "override_scope", "override_reason",
    )  # fmt: skip
    for name in names:
        event.check.ClearField(name)
    return event


def override(state: State, command: LoadCommand) -> Message | None:
    """Record who answers for a driver whose hours are not known to be enough.

    Raises Rejected: TRANSITION_NOT_ALLOWED unless the load waits for dispatch with such a verdict, EPOCH_MISMATCH.
    """
    load, wish = present(state), command.override_hours
    if not wish.overridden_by or not wish.scope or not wish.reason:
        raise violated("overridden_by", "say who answers for it, by which scope, and why")
    last = _in_force(load, wish.epoch)
    if last.hours.overridden_by:
        return None
    if load.state not in _ANSWERED or last.hours.verdict in {0, HoursVerdict.HOURS_VERDICT_ENOUGH}:
        raise barred(load, "overriding hours", "only hours that keep a load from being dispatched are overridden")
    return LoadHoursOverridden(epoch=wish.epoch, overridden_by=wish.overridden_by, scope=wish.scope, reason=wish.reason)


def require_hours(load: Load) -> None:
    """Raise Rejected (HOURS_NOT_ENOUGH) where the assignment in force has a driver whose hours are not enough."""
    last = load.assignments[-1]
    if last.HasField("hours") and not enough(last):
        raise refused(
            ErrorReason.ERROR_REASON_HOURS_NOT_ENOUGH,
            f"load {load.load_id} may not be dispatched: {last.hours.message or 'hours are not known to be enough'}",
            driver_id=last.hours.driver_id,
            verdict=HoursVerdict.Name(last.hours.verdict),
        )


def enough(assignment: Assignment) -> bool:
    """Return whether the hours of an assignment's driver were found enough, or somebody answers for them."""
    return assignment.hours.verdict == HoursVerdict.HOURS_VERDICT_ENOUGH or bool(assignment.hours.overridden_by)


def _in_force(load: Load, epoch: int) -> Assignment:
    last = load.assignments[-1] if load.assignments else Assignment()
    if epoch != last.epoch:
        raise refused(
            ErrorReason.ERROR_REASON_EPOCH_MISMATCH,
            f"assignment {last.epoch} of load {load.load_id} is in force, not {epoch}; read the load again",
            epoch=str(epoch),
            in_force=str(last.epoch),
        )
    return last
