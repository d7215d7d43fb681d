"""What the edge gateway has to do with the contract, as the registry shows it.

The fields are what the geofence detector and the cold chain watch read, recorded in
tests/unit/edge_gateway/test_registration.py.
"""

from __future__ import annotations

from gladhand.registry import Service
from logistics.exception.v1 import ColdChainFinding
from logistics.fleet.v1 import VehiclePosition, VehicleSample
from logistics.load.v1 import DeliveryEvent, LoadEvent

_ASSIGNMENT = ("end_time.*", "epoch", "start_time.*", "vehicle_id")
_POINT = ("point.latitude", "point.longitude")
_TASK = ("order_id", "line_id", "profile.*")
_STOP = (
    *("kind", "location.geofence_radius_m", *(f"location.{each}" for each in _POINT), "stop_id", "state"),
    *(f"tasks.{each}" for each in _TASK),
)

_LOADS = (
    *("load_id", "version", "occur_time.*", "may_ignore"),
    *(f"{body}.load.assignments.{each}" for body in ("drafted", "planned") for each in _ASSIGNMENT),
    *(f"{body}.load.stops.{each}" for body in ("drafted", "planned") for each in _STOP),
    *(f"replanned.stops.{each}" for each in _STOP),
    *(f"{body}.assignment.{each}" for body in ("assigned", "reassigned") for each in _ASSIGNMENT),
    *("unassigned", "reassignment_failed", "dispatched", "cancelled", "handed_over"),
    *(f"stop_{end}.time.time.*" for end in ("completed", "departed")),
    *(f"stop_{end}.stop_id" for end in ("cancelled", "completed", "departed", "failed", "skipped")),
)

_SAMPLES = (
    *("vehicle_id", "sample_id", "device.device_id", "provenance.raw_reference"),
    *(f"sample.{each}" for each in ("occur_time.*", "receive_time.*", "quality.valid")),
    *(f"sample.state_change.{each}" for each in ("subject", "on")),
    *(f"sample.reading.{each}" for each in ("metric", "value.unit_code", "value.value", "sensor_id", "zone")),
)

_MILESTONES = (
    *("delivery_event_id", "retracts_event_id", "load_id", "stop_id", "epoch", "milestone", "source"),
    *("occur_time.*", "receive_time.*"),
)

_POSITIONS = (
    *("vehicle_id", "position_id", "occur_time.*", "receive_time.*", "provenance.raw_reference"),
    *(f"position.{each}" for each in (*_POINT, "speed_mps")),
)

REGISTRATION = Service(
    "edge_gateway",
    services=("logistics.edge.v1.EdgeIngestService",),
    reads={
        LoadEvent: _LOADS,
        DeliveryEvent: _MILESTONES,
        ColdChainFinding: ("*",),  # what was told of a ride is kept whole: the next finding builds on it
        VehiclePosition: _POSITIONS,
        VehicleSample: _SAMPLES,
    },
    calls=(
        "logistics.dispatch.v1.DispatchService/ResolveDevice",
        "logistics.orchestrator.v1.OrchestratorService/RecordProofOfDelivery",
    ),
)
