"""What the contract declares that a local mesh consists of: its services, who serves them, its events (pure)."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from gladhand.envelope import EnvelopeType
from logistics.contract.v1 import service_pb2
from logistics.dispatch.v1 import dispatch_service_pb2
from logistics.edge.v1 import edge_ingest_service_pb2
from logistics.erp.v1 import erp_gateway_service_pb2
from logistics.exception.v1 import ExceptionEvent, ExcursionEvent, HoldEvent
from logistics.invoice.v1 import InvoiceEvent, PayableEvent
from logistics.load.v1 import LoadEvent
from logistics.orchestrator.v1 import orchestrator_service_pb2
from logistics.order.v1 import OrderEvent
from logistics.pod.v1 import PodEvent
from logistics.process.v1 import FulfilmentEvent, WaveEvent

__all__ = ["ENVELOPES", "IDENTITIES", "SERVICES"]

SERVICES: Final = tuple(
    service
    for file in (orchestrator_service_pb2, erp_gateway_service_pb2, dispatch_service_pb2, edge_ingest_service_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
)

IDENTITIES: Final = tuple(service.GetOptions().Extensions[service_pb2.service].identity for service in SERVICES)
"""Of the processes that serve, each named as its folder of `services/`."""

_EVENTS: Final[tuple[type[Message], ...]] = (
    OrderEvent, LoadEvent, PodEvent, InvoiceEvent, ExceptionEvent, HoldEvent, FulfilmentEvent, WaveEvent,
    ExcursionEvent, PayableEvent,
)  # fmt: skip

ENVELOPES: Final = {EnvelopeType.of(message).aggregate: message for message in _EVENTS}
"""The event envelopes by the name of their aggregate."""
