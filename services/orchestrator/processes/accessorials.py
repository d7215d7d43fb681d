"""Waiting at stops becomes charges of the orders served there, and appointments are kept or missed.

Both follow from the stop times as they now stand: every change of them reckons anew, so that a late or corrected time
corrects the charge for as long as it is not billed.
"""

from __future__ import annotations

from datetime import UTC

from gladhand.bus.port import Delivery
from gladhand.decider import Rejected
from gladhand.envelope import EnvelopeType
from logistics.exception.v1 import ExceptionKind
from logistics.invoice.v1 import Charge
from logistics.load.v1 import Appointment, AppointmentState, Load, LoadEvent, SetAppointment, Stop
from logistics.order.v1 import ChargeOrder, WaiveOrderCharge
from services.orchestrator.deciders import load, order
from services.orchestrator.deciders.order.charging import standing
from services.orchestrator.detention import detention_charges, detention_id
from services.orchestrator.exceptions import open_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.policies import Policies
from services.orchestrator.riding import tasks_by_order

FILTERS = tuple(
    f"logistics.load.*.*.{token}" for token in ("stop_arrived", "stop_completed", "stop_departed", "appointment_set")
)
_AGREED = frozenset({AppointmentState.APPOINTMENT_STATE_CONFIRMED, AppointmentState.APPOINTMENT_STATE_CHANGED})


class Accessorials:
    """Keeps charges and appointments in step with the stop times."""

    def __init__(self, journal: Journal, policies: Policies) -> None:
        self._journal = journal
        self._policies = policies

    async def handle(self, delivery: Delivery) -> None:
        """Reckon a load of which a stop time changed. Raises what the log raises."""
        event = EnvelopeType.of(LoadEvent).decode(delivery.payload)
        found = (await self._journal.find(load.DECIDER, event.load_id)).state.load
        if found is not None:
            await self.reckon(found, Cause(request_id=event.event_id, event_id=event.event_id, region=found.region))

    async def reckon(self, found: Load, cause: Cause) -> None:
        """Bring every charge and appointment of a load in step; nothing happens where they already are."""
        for stop in found.stops:
            await self._appointment(found, stop, cause)
            for order_id in tasks_by_order(stop):
                await self._detention(found, stop, order_id, cause)

    async def _detention(self, found: Load, stop: Stop, order_id: str, cause: Cause) -> None:
        riding = (await self._journal.find(order.DECIDER, order_id)).state.order
        if riding is None:
            return
        policy = self._policies.of(riding).detention
        owed = detention_charges(found, stop, policy).get(order_id)
        charge_id = detention_id(stop.stop_id, order_id)
        known = standing(riding, charge_id)
        if owed is not None and owed.amount.currency != riding.currency:
            await self._unpriced(owed, order_id, riding.currency, cause)
            return
        if owed == known:
            return
        wish: ChargeOrder | WaiveOrderCharge
        if owed is not None:
            wish = ChargeOrder(charge=owed)
        else:
            wish = WaiveOrderCharge(charge_id=charge_id, reason="the stop times show no waiting beyond the free time")
        try:
            await self._journal.order(order_id, wish, cause.step("detention", stop.stop_id, order_id))
        except Rejected as refusal:
            if refusal.reason != "CHARGE_TOO_LATE":
                raise
            await self._too_late(found, stop, order_id, owed, known, cause)

    async def _too_late(
        self, found: Load, stop: Stop, order_id: str, owed: Charge | None, known: Charge | None, cause: Cause
    ) -> None:
        was, now = (_amount(each) for each in (known, owed))
        await open_exception(
            self._journal,
            ExceptionKind.EXCEPTION_KIND_CREDIT_DUE,
            f"Detention at stop {stop.stop_id} was billed with {was} and is {now} by the times known now: write a "
            "memo for the difference, or let it be.",
            cause,
            subject_id=order_id,
            detail=f"detention/{stop.stop_id}/{now}",
            order_id=order_id,
            load_id=found.load_id,
            stop_id=stop.stop_id,
            evidence=tuple(owed.evidence_ids) if owed is not None else (),
        )

    async def _unpriced(self, owed: Charge, order_id: str, currency: str, cause: Cause) -> None:
        await open_exception(
            self._journal,
            ExceptionKind.EXCEPTION_KIND_RATE_VARIANCE,
            f"Detention of {_amount(owed)} cannot be billed on an order in {currency}: give the policy a rate in that "
            "currency.",
            cause,
            subject_id=order_id,
            detail=f"detention/{owed.stop_id}",
            order_id=order_id,
            load_id=owed.load_id,
            stop_id=owed.stop_id,
            evidence=tuple(owed.evidence_ids),
        )

    async def _appointment(self, found: Load, stop: Stop, cause: Cause) -> None:
        """Record that a vehicle came after its appointment; the exception stays for people."""
        agreed = stop.appointment
        if agreed.state not in _AGREED or not agreed.window.HasField("end_time") or not stop.HasField("arrival"):
            return
        end = agreed.window.end_time.ToDatetime(tzinfo=UTC)
        arrived = stop.arrival.time.ToDatetime(tzinfo=UTC)
        if arrived < end:
            return
        missed = Appointment()
        missed.CopyFrom(agreed)
        missed.state = AppointmentState.APPOINTMENT_STATE_MISSED
        wish = SetAppointment(stop_id=stop.stop_id, appointment=missed)
        await self._journal.load(found.load_id, wish, cause.step("missed", stop.stop_id))
        await open_exception(
            self._journal,
            ExceptionKind.EXCEPTION_KIND_MISSED_APPOINTMENT,
            f"The vehicle arrived at {arrived:%Y-%m-%d %H:%M} UTC; the dock had agreed to be served until "
            f"{end:%Y-%m-%d %H:%M} UTC. Ask the dock for another time.",
            cause,
            subject_id=stop.stop_id,
            load_id=found.load_id,
            stop_id=stop.stop_id,
            order_id=next(iter(tasks_by_order(stop)), ""),
            evidence=(stop.arrival.evidence_id,) if stop.arrival.evidence_id else (),
        )


def _amount(charge: Charge | None) -> str:
    if charge is None:
        return "nothing"
    return f"{charge.amount.units}.{charge.amount.nanos // 10_000_000:02d} {charge.amount.currency}"
