"""What waiting at a stop is charged, with the facts that prove it (pure; domain reference 3.3, X12 150 codes DTL, DTU).

Detention is the time from the arrival, or the beginning of the window where the vehicle came early, to the departure,
less the free time. What is begun is charged in whole increments.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from google.protobuf.duration_pb2 import Duration

from gladhand import ids
from logistics.invoice.v1 import Charge, ChargeBasis
from logistics.load.v1 import AppointmentState, Load, Stop, StopKind, StopTime
from logistics.process.v1 import DetentionPolicy
from logistics.type.v1 import Classifier, Money, Quantity
from services.orchestrator.deciders.invoice.amounts import money_of, nanos_of
from services.orchestrator.riding import tasks_by_order

_FREE = timedelta(hours=2)
_INCREMENT = timedelta(minutes=15)
_CODES = {StopKind.STOP_KIND_PICKUP: "DTL", StopKind.STOP_KIND_DELIVERY: "DTU"}
_WORDS = {
    StopKind.STOP_KIND_PICKUP: "Detention while loading",
    StopKind.STOP_KIND_DELIVERY: "Detention while unloading",
}
_EXPONENTS = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Digits behind the point of a currency where they are not two (ISO 4217)."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a vehicle waited at a stop beyond what is free."""

    begin: datetime
    """When the clock began: at the arrival, or with the window where that came later."""
    end: datetime
    billed: timedelta
    """What is charged: whole increments, no more than the policy's longest."""
    evidence_ids: tuple[str, ...]


def waiting(stop: Stop, policy: DetentionPolicy) -> Waiting | None:
    """Return the billed waiting at a stop; None where there is none, or where nobody knows when it began and ended.

    Inferred times prove nothing: they are what we made of the lack of a better word.
    """
    if not (_known(stop, "arrival") and _known(stop, "departure")) or stop.kind not in _CODES:
        return None
    arrived, left = _time(stop.arrival), _time(stop.departure)
    opens = _window_opens(stop)
    begin = max(arrived, opens) if opens is not None else arrived
    pickup = stop.kind == StopKind.STOP_KIND_PICKUP
    free = _span(policy, "free_at_pickup" if pickup else "free_at_delivery", _FREE)
    over = left - begin - free
    if over <= timedelta(0):
        return None
    increment = _span(policy, "increment", _INCREMENT)
    billed = -(-over // increment) * increment
    if policy.HasField("longest"):
        billed = min(billed, policy.longest.ToTimedelta())
    evidence = tuple(dict.fromkeys(each for each in (stop.arrival.evidence_id, stop.departure.evidence_id) if each))
    return Waiting(begin, left, billed, evidence) if billed > timedelta(0) else None


def detention_charges(load: Load, stop: Stop, policy: DetentionPolicy) -> dict[str, Charge]:
    """Return what each order at a stop is charged for the waiting, by order; empty where nothing is charged.

    Several orders at one stop share the waiting evenly, to the second; the first take what does not divide.
    """
    found = waiting(stop, policy) if policy.HasField("hourly_rate") else None
    order_ids = sorted(tasks_by_order(stop))
    if found is None or not order_ids or not found.evidence_ids:
        return {}
    seconds = int(found.billed.total_seconds())
    share, rest = divmod(seconds, len(order_ids))
    charges = {}
    for place, order_id in enumerate(order_ids):
        span = share + (1 if place < rest else 0)
        if span:
            charges[order_id] = _charge(load, stop, order_id, found, span, policy.hourly_rate)
    return charges


def detention_id(stop_id: str, order_id: str) -> str:
    """Return the id of the one detention charge of an order at a stop."""
    return ids.derive(order_id, "detention", stop_id)


def rounded(currency: str, nanos: Decimal) -> Money:
    """Return an amount in billionths, rounded half up to the smallest unit of its currency."""
    digits = _EXPONENTS.get(currency, 2)
    unit = Decimal(10) ** (9 - digits)
    steps = (nanos / unit).to_integral_value(rounding="ROUND_HALF_UP")
    return money_of(currency, int(steps * unit))


def _charge(load: Load, stop: Stop, order_id: str, found: Waiting, seconds: int, rate: Money) -> Charge:
    hours = (Decimal(seconds) / 3600).quantize(Decimal("0.000001")).normalize()
    return Charge(
        charge_id=detention_id(stop.stop_id, order_id),
        charge_code=_CODES[stop.kind],
        description=f"{_WORDS[stop.kind]}, {found.begin:%Y-%m-%d %H:%M} to {found.end:%H:%M} UTC",
        basis=ChargeBasis.CHARGE_BASIS_PER_HOUR,
        quantity=Quantity(value=f"{hours:f}", unit_code="HUR"),
        rate=rate,
        amount=rounded(rate.currency, Decimal(nanos_of(rate)) * seconds / 3600),
        load_id=load.load_id,
        stop_id=stop.stop_id,
        evidence_ids=found.evidence_ids,
    )


def _known(stop: Stop, name: str) -> bool:
    if not stop.HasField("arrival" if name == "arrival" else "departure"):
        return False
    told: StopTime = getattr(stop, name)
    return told.classifier in {Classifier.CLASSIFIER_UNSPECIFIED, Classifier.CLASSIFIER_ACTUAL} and (
        told.source != "inferred"
    )


def _time(told: StopTime) -> datetime:
    return told.time.ToDatetime(tzinfo=UTC)


def _window_opens(stop: Stop) -> datetime | None:
    """Return when the dock was to be ready: by the appointment it confirmed, else by the window of the plan."""
    confirmed = stop.appointment.state == AppointmentState.APPOINTMENT_STATE_CONFIRMED
    window = stop.appointment.window if confirmed else stop.window
    return window.start_time.ToDatetime(tzinfo=UTC) if window.HasField("start_time") else None


def _span(policy: DetentionPolicy, name: str, otherwise: timedelta) -> timedelta:
    told: Duration = getattr(policy, name)
    return told.ToTimedelta() if policy.HasField(name) else otherwise  # type: ignore[arg-type] # a name of this module
