"""A fleet and an orchestrator that answer as told, and what trackers and phones send."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import httpx
from google.rpc import status_pb2
from grpc_status import rpc_status
from nats.aio.client import Client

from gladhand.bus.deadletters import DeadLetter, DeadLetters
from gladhand.bus.jetstream import JetStreamBus
from gladhand.clock import SystemClock
from gladhand.errors import GladhandError, InvalidArgument, NotFound
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.log.port import StoredMessage
from gladhand.statuses import to_status
from logistics.dispatch.v1 import (
    DispatchServiceServicer,
    ResolveDeviceRequest,
    ResolveDeviceResponse,
    add_DispatchServiceServicer_to_server,
)
from logistics.fleet.v1 import TelematicsDevice, VehiclePosition
from logistics.load.v1 import DeliveryEvent
from logistics.orchestrator.v1 import (
    OrchestratorServiceServicer,
    RecordProofOfDeliveryRequest,
    RecordProofOfDeliveryResponse,
    add_OrchestratorServiceServicer_to_server,
)
from logistics.pod.v1 import POD_STATE_VALIDATED, ProofOfDelivery

REGION = "us"
DENVER = (39.7392, -104.9903)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 64

Context = grpc.aio.ServicerContext[Any, Any]


async def _refuse(context: Context, error: GladhandError) -> None:
    status: status_pb2.Status = to_status(error)
    await context.abort_with_status(rpc_status.to_status(status))


@dataclass
class Fleet(DispatchServiceServicer):
    """Knows devices by (provider, device id)."""

    vehicles: dict[tuple[str, str], str] = field(default_factory=dict)
    paired_from: datetime | None = None
    asked: int = 0

    async def ResolveDevice(self, request: ResolveDeviceRequest, context: Context) -> ResolveDeviceResponse:
        self.asked += 1
        vehicle = self.vehicles.get((request.provider, request.device_id))
        early = self.paired_from is not None and request.at_time.ToDatetime(UTC) < self.paired_from
        if vehicle is None or early:
            await _refuse(context, NotFound("device", request.device_id, reason="DEVICE_UNKNOWN"))
            raise AssertionError("aborted")
        device = TelematicsDevice(provider=request.provider, device_id=request.device_id)
        if self.paired_from is not None:
            device.valid_from_time.FromDatetime(self.paired_from)
        answer = ResolveDeviceResponse(vehicle_id=vehicle, device=device)
        answer.cache_for.seconds = 60
        return answer


@dataclass
class Orchestrator(OrchestratorServiceServicer):
    """Records proofs once per request id, for the stops it knows, with the quantities it expects there."""

    expected: dict[str, dict[str, str]] = field(default_factory=dict)
    """stop id -> line id -> expected quantity."""
    proofs: dict[str, ProofOfDelivery] = field(default_factory=dict)
    """By request id."""
    calls: int = 0

    async def RecordProofOfDelivery(
        self, request: RecordProofOfDeliveryRequest, context: Context
    ) -> RecordProofOfDeliveryResponse:
        self.calls += 1
        first = self.proofs.get(request.request_id)
        if first is None:
            await self._judge(request.pod, context)
            first = ProofOfDelivery()
            first.CopyFrom(request.pod)
            self.proofs[request.request_id] = first
        assert first == request.pod, "a repetition must be the same request"
        recorded = ProofOfDelivery()
        recorded.CopyFrom(first)
        recorded.state = POD_STATE_VALIDATED
        return RecordProofOfDeliveryResponse(pod=recorded, version=2)

    async def _judge(self, pod: ProofOfDelivery, context: Context) -> None:
        lines = self.expected.get(pod.stop_id)
        if lines is None:
            await _refuse(context, NotFound("stop", pod.stop_id))
        elif {line.line_id: line.delivered.value for line in pod.lines} != lines:
            await _refuse(context, InvalidArgument("more than expected", reason="POD_LINES_DO_NOT_ADD_UP"))


@asynccontextmanager
async def served(*servicers: object, port: int = 0) -> AsyncGenerator[tuple[str, int]]:
    """Serve stand-ins for other services on a port."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    for servicer in servicers:
        if isinstance(servicer, DispatchServiceServicer):
            add_DispatchServiceServicer_to_server(servicer, server)
        if isinstance(servicer, OrchestratorServiceServicer):
            add_OrchestratorServiceServicer_to_server(servicer, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield f"127.0.0.1:{bound}", bound
    finally:
        await server.stop(0)


class Streams:
    """What stands in the streams, decoded."""

    def __init__(self, connection: Client) -> None:
        self.bus = JetStreamBus(connection, SystemClock())
        self.store = JetStreamEventStore(connection, source="test")
        self.letters = DeadLetters(self.bus, self.store)

    async def all(self, stream: str, *filters: str) -> list[StoredMessage]:
        return [message async for message in self.store.read_all(stream, filters=filters)]

    async def inbox(self) -> list[StoredMessage]:
        return await self.all("INBOX")

    async def positions(self) -> list[VehiclePosition]:
        found = await self.all("TELEMETRY", "logistics.telemetry.*.*.position")
        return [VehiclePosition.FromString(message.payload) for message in found]

    async def observations(self) -> list[DeliveryEvent]:
        return [DeliveryEvent.FromString(message.payload) for message in await self.all("OBSERVATIONS")]

    async def quarantined(self) -> list[DeadLetter]:
        return await self.letters.list("edge-inbox")

    async def reasons(self) -> list[str]:
        return sorted(letter.reason.partition(":")[0] for letter in await self.quarantined())


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def osmand_query(device: str = "truck-1", at: datetime | None = None, **more: object) -> dict[str, str]:
    moment = at or now() - timedelta(minutes=10)
    fields: dict[str, object] = {
        "id": device,
        "lat": DENVER[0],
        "lon": DENVER[1],
        "timestamp": int(moment.timestamp()),
        "speed": 10,
        "bearing": 90,
        "batt": 80,
    }
    return {name: str(value) for name, value in (fields | more).items() if value is not None}


def traccar_position(number: int, at: datetime, device: str = "imei-1", **more: object) -> dict[str, Any]:
    stamp = at.isoformat(timespec="milliseconds")
    position: dict[str, object] = {
        "id": number,
        "deviceId": 7,
        "protocol": "teltonika",
        "serverTime": stamp,
        "deviceTime": stamp,
        "fixTime": stamp,
        "outdated": False,
        "valid": True,
        "latitude": DENVER[0],
        "longitude": DENVER[1],
        "altitude": 1600.0,
        "speed": 0.0,
        "course": 0.0,
        "accuracy": 5.0,
        "attributes": {"ignition": True},
    }
    return {"position": position | more, "device": {"id": 7, "uniqueId": device, "name": "Truck 1"}}


def pod_form(stop_id: str, order_id: str | None = None, **more: object) -> dict[str, Any]:
    line = {"order_id": order_id or str(uuid4()), "line_id": "1", "accepted": "4", "rejected": "1", "reason": "DAMAGED"}
    return {
        "stop_id": stop_id,
        "captured_at": (now() - timedelta(minutes=1)).isoformat(),
        "driver_id": "D1",
        "signer": {"name": "R. Roe", "role": "clerk"},
        "position": {"lat": DENVER[0], "lon": DENVER[1]},
        "lines": [line],
        "methods": ["signature"],
    } | more


Upload = tuple[str, bytes, str]


async def post_pod(client: httpx.AsyncClient, form: object, **files: Upload) -> httpx.Response:
    content = form if isinstance(form, bytes) else json.dumps(form).encode()
    parts = {"pod": ("pod.json", content, "application/json"), **files}
    return await client.post("/pod", files=parts)


def signed() -> dict[str, Upload]:
    return {"signature": ("s.png", PNG, "image/png"), "photo1": ("p.jpg", JPEG, "image/jpeg")}
