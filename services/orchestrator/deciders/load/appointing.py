"""Appointments at docks (X12 AT7-03 AA, AB, X9, XA)."""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.load.v1 import AppointmentState, LoadCommand, LoadState, Stop, StopAppointmentSet
from services.orchestrator.deciders.load.rules import barred, present
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import refused, violated

_OVER = frozenset({LoadState.LOAD_STATE_CANCELLED})
_TIMELESS = frozenset({AppointmentState.APPOINTMENT_STATE_CANCELLED})


def set_appointment(state: State, command: LoadCommand) -> Message | None:
    """Record what a dock says; the same word again is nothing. What was missed is only set anew by the dock."""
    load, wish = present(state), command.set_appointment
    stop = next((stop for stop in load.stops if stop.stop_id == wish.stop_id), None)
    if stop is None:
        raise refused(
            ErrorReason.ERROR_REASON_STOP_NOT_FOUND,
            f"load {load.load_id} has no stop {wish.stop_id}; name one of its stops",
            stop_id=wish.stop_id,
            load_id=load.load_id,
        )
    if stop.HasField("appointment") and stop.appointment == wish.appointment:
        return None
    if wish.appointment.state == AppointmentState.APPOINTMENT_STATE_UNSPECIFIED:
        raise violated("appointment.state", "say whether it is requested, confirmed, changed, missed or cancelled")
    if wish.appointment.state not in _TIMELESS and not wish.appointment.HasField("window"):
        raise violated("appointment.window", "an appointment has a time; give its window")
    if load.state in _OVER:
        raise barred(load, "setting an appointment", "the load is cancelled")
    _check_told(stop, wish.appointment.state)
    return StopAppointmentSet(stop_id=stop.stop_id, appointment=wish.appointment)


def _check_told(stop: Stop, state: AppointmentState.ValueType) -> None:
    missed = AppointmentState.APPOINTMENT_STATE_MISSED
    if state == missed and not stop.HasField("appointment"):
        raise violated("appointment.state", f"nothing was agreed for stop {stop.stop_id}, so nothing was missed")
