"""What should have happened on the way by now, and what is to happen next (pure; domain reference 3.2 to 3.4).

`milestones` and `order_milestones` name every deadline of a load or an order as it stands: whoever asks again later
gets the same answer but for the time, so that a timer that was lost, or fired twice, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from logistics.exception.v1 import ExceptionKind
from logistics.invoice.v1 import Invoice, InvoiceState
from logistics.load.v1 import Load, LoadState, Stop, StopKind, StopState
from logistics.order.v1 import Order, OrderState
from logistics.process.v1 import ProcessPolicy
from logistics.type.v1 import Classifier

_LEAD = timedelta(hours=1)
_DEPARTURE_GRACE = timedelta(minutes=30)
_REVIEW = timedelta(days=1)
_PROOF = timedelta(hours=4)

_UNDISPATCHED = frozenset(
    {
        LoadState.LOAD_STATE_PLANNED,
        LoadState.LOAD_STATE_TENDERED,
        LoadState.LOAD_STATE_TENDER_DECLINED,
        LoadState.LOAD_STATE_TENDER_EXPIRED,
        LoadState.LOAD_STATE_COUNTERED,
        LoadState.LOAD_STATE_ACCEPTED,
        LoadState.LOAD_STATE_ASSIGNED,
    }
)
_ENDED = frozenset({LoadState.LOAD_STATE_CANCEL_REQUESTED, LoadState.LOAD_STATE_CANCELLED})
_GIVEN_UP = frozenset({StopState.STOP_STATE_SKIPPED, StopState.STOP_STATE_CANCELLED, StopState.STOP_STATE_FAILED})
_AT_STOP = frozenset({StopState.STOP_STATE_ARRIVED, StopState.STOP_STATE_SERVICING, StopState.STOP_STATE_COMPLETED})

DELIVERY, INVOICE = "delivery", "invoice"
"""What of an order is reviewed."""

PROMISES = frozenset({ExceptionKind.EXCEPTION_KIND_LATE_PICKUP, ExceptionKind.EXCEPTION_KIND_LATE_DELIVERY})
"""Milestones that were promised to somebody: met late, they are still broken, and a person must have told that one."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """One deadline."""

    kind: ExceptionKind.ValueType
    """The exception that tells of it where it is missed."""
    stop_id: str
    """Empty where it concerns the load or order as a whole."""
    due: datetime
    missed: bool
    met_late: bool = False
    """Whether it was met after it had been missed; only promises stay missed then."""
    detail: str = ""
    """Tells apart several of a kind about one load or order."""


def milestones(load: Load, policy: ProcessPolicy, now: datetime) -> list[Milestone]:
    """Return every deadline of a load, the earliest first: those to come, those that are missed, those met late."""
    if load.state in _ENDED:
        return []
    found = [*_dispatch(load, policy, now)]
    for stop in load.stops:
        if stop.state not in _GIVEN_UP:
            found += _arrival(stop, now)
            found += _departure(load, stop, policy, now)
            found += _proof(stop, policy, now)
    return sorted(found, key=lambda one: (one.due, one.kind, one.stop_id))


def order_milestones(
    order: Order, reviewed_since: datetime | None, invoice: Invoice | None, policy: ProcessPolicy, now: datetime
) -> list[Milestone]:
    """Return the deadlines of an order's reviews: of its delivery, and of its drafted invoice.

    `reviewed_since`: when the delivery review was opened that nobody has decided; None where there is none.
    """
    span = _span(policy.milestones.review_due, _REVIEW)
    begun: list[tuple[datetime, str]] = []
    if order.state == OrderState.ORDER_STATE_DELIVERY_REVIEW and reviewed_since is not None:
        begun.append((reviewed_since, DELIVERY))
    if invoice is not None and invoice.state == InvoiceState.INVOICE_STATE_IN_REVIEW:
        begun.append((_moment(invoice.update_time), INVOICE))
    kind = ExceptionKind.EXCEPTION_KIND_REVIEW_OVERDUE
    return [Milestone(kind, "", since + span, missed=now >= since + span, detail=what) for since, what in sorted(begun)]


def next_due(found: Iterable[Milestone]) -> datetime | None:
    """Return the earliest deadline that is still to come, None where none is."""
    return min((one.due for one in found if not one.missed and not one.met_late), default=None)


def _dispatch(load: Load, policy: ProcessPolicy, now: datetime) -> Iterator[Milestone]:
    if load.state not in _UNDISPATCHED:
        return
    times = [time for time in (_latest(stop) for stop in load.stops if _is_pickup(stop)) if time is not None]
    if times:
        due = min(times) - _span(policy.milestones.dispatch_lead, _LEAD)
        yield Milestone(ExceptionKind.EXCEPTION_KIND_DISPATCH_OVERDUE, "", due, missed=now >= due)


def _arrival(stop: Stop, now: datetime) -> Iterator[Milestone]:
    """A promise is a hard window, its end excluded; a soft one only costs, and a planned time binds nobody."""
    if not stop.window.hard or not stop.window.HasField("end_time"):
        return
    kind = ExceptionKind.EXCEPTION_KIND_LATE_DELIVERY
    if _is_pickup(stop):
        kind = ExceptionKind.EXCEPTION_KIND_LATE_PICKUP
    due = _moment(stop.window.end_time)
    seen = _seen(stop)
    if seen is None:
        yield Milestone(kind, stop.stop_id, due, missed=now >= due)
    elif seen >= due:
        yield Milestone(kind, stop.stop_id, due, missed=True, met_late=True)


def _departure(load: Load, stop: Stop, policy: ProcessPolicy, now: datetime) -> Iterator[Milestone]:
    """Only a vehicle that stands at a stop can be late in leaving it: one that never came is late already."""
    if not stop.HasField("planned_departure_time") or stop.HasField("departure") or load.state in _UNDISPATCHED:
        return
    due = _moment(stop.planned_departure_time) + _span(policy.milestones.departure_grace, _DEPARTURE_GRACE)
    missed = now >= due and stop.state in _AT_STOP
    yield Milestone(ExceptionKind.EXCEPTION_KIND_LATE_DEPARTURE, stop.stop_id, due, missed=missed)


def _proof(stop: Stop, policy: ProcessPolicy, now: datetime) -> Iterator[Milestone]:
    if stop.kind != StopKind.STOP_KIND_DELIVERY or not stop.HasField("departure") or stop.pod_ids:
        return
    if stop.HasField("completion") and stop.completion.classifier != Classifier.CLASSIFIER_INFERRED:
        return
    if any(task.HasField("accepted") for task in stop.tasks):
        # Whoever waived the proof has said what was kept.
        return
    due = _moment(stop.departure.time) + _span(policy.pod_overdue, _PROOF)
    yield Milestone(ExceptionKind.EXCEPTION_KIND_POD_MISSING, stop.stop_id, due, missed=now >= due)


def _is_pickup(stop: Stop) -> bool:
    return stop.kind == StopKind.STOP_KIND_PICKUP


def _latest(stop: Stop) -> datetime | None:
    """Return when a pickup must begin at the latest: by its window, else by the plan."""
    if stop.HasField("window") and stop.window.HasField("end_time"):
        return _moment(stop.window.end_time)
    return _moment(stop.planned_arrival_time) if stop.HasField("planned_arrival_time") else None


def _seen(stop: Stop) -> datetime | None:
    """Return when the vehicle came; an arrival that was inferred from a departure was at that time at the latest."""
    return _moment(stop.arrival.time) if stop.HasField("arrival") else None


def _span(told: Duration, otherwise: timedelta) -> timedelta:
    """Return a span of the policy; an unset one is the default."""
    return told.ToTimedelta() or otherwise


def _moment(time: Timestamp) -> datetime:
    return time.ToDatetime(tzinfo=UTC)
