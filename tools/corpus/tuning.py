"""What a filled message lacks for the rules that span several of its fields, type by type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_EPOCH_AFTER = 1_772_442_000
"""An hour after the moment that every filled timestamp holds."""


def tune(message: Any) -> None:
    """Change a filled message in place where the rules over its fields ask for it."""
    change = _CHANGES.get(message.DESCRIPTOR.full_name)
    if change is not None:
        change(message)


def _window(window: Any) -> None:
    if window.HasField("end_time"):
        window.end_time.seconds = _EPOCH_AFTER


def _device(device: Any) -> None:
    if device.HasField("valid_to_time"):
        device.valid_to_time.seconds = _EPOCH_AFTER


def _order(order: Any) -> None:
    for place, line in enumerate(order.lines):
        line.line_id = line.line_id[:-1] + str(place)
        ordered = line.quantities.ordered
        ordered.unit_code = ordered.unit_code or "C62"
        if not ordered.value.strip("0."):
            ordered.value = "0.000000001"


def _pod_line(line: Any) -> None:
    for name, value in (("delivered", "3.5"), ("accepted", "3"), ("rejected", "0.5")):
        quantity = getattr(line, name)
        quantity.value, quantity.unit_code = value, "C62"


def _plan(request: Any) -> None:
    for place, wanted in enumerate(request.orders):
        wanted.order.order_id = f"018f0000-0000-7000-8000-{place + 1:012x}"


def _reassign(request: Any) -> None:
    request.vehicle_id = request.vehicle_id or "truck-2"


def _status(request: Any) -> None:
    request.status = 4


def _vehicle(vehicle: Any) -> None:
    for place, capacity in enumerate(vehicle.capacities):
        capacity.dimension = place + 1


def _positions(request: Any) -> None:
    for batch in request.batches:
        for sample in batch.samples:
            _place(sample)


def _position_stream(request: Any) -> None:
    for sample in request.batch.samples:
        _place(sample)


def _place(sample: Any) -> None:
    if not sample.HasField("position"):
        sample.position.point.latitude = 39.7392


def _readings(request: Any) -> None:
    for batch in request.batches:
        for sample in batch.samples:
            if sample.HasField("position"):
                sample.state_change.subject = 1


def _files(request: Any) -> None:
    for place, file in enumerate(request.files):
        file.name = f"photo-{place}"


_CHANGES: Mapping[str, Callable[[Any], None]] = {
    "logistics.type.v1.TimeWindow": _window,
    "logistics.fleet.v1.TelematicsDevice": _device,
    "logistics.fleet.v1.Vehicle": _vehicle,
    "logistics.order.v1.Order": _order,
    "logistics.pod.v1.PodLine": _pod_line,
    "logistics.dispatch.v1.PlanLoadsRequest": _plan,
    "logistics.dispatch.v1.ReassignLoadRequest": _reassign,
    "logistics.dispatch.v1.SetVehicleStatusRequest": _status,
    "logistics.edge.v1.IngestPositionsRequest": _positions,
    "logistics.edge.v1.StreamPositionsRequest": _position_stream,
    "logistics.edge.v1.IngestReadingsRequest": _readings,
    "logistics.edge.v1.SubmitProofOfDeliveryRequest": _files,
}
