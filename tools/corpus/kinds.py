"""The message types that the corpus keeps: what others send, and what is shown and stored."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gladhand.contracts import installed
from logistics.exception.v1 import Exception as MeshException
from logistics.exception.v1 import Excursion, Hold
from logistics.fleet.v1 import Driver, Vehicle
from logistics.invoice.v1 import Invoice
from logistics.load.v1 import Load, Stop
from logistics.order.v1 import Order
from logistics.pod.v1 import ProofOfDelivery
from logistics.process.v1 import ProcessPolicy
from services.orchestrator.journal import DECIDERS

_CANONICAL: tuple[type[Message], ...] = (
    Order,
    Load,
    Stop,
    ProofOfDelivery,
    Invoice,
    MeshException,
    Hold,
    Excursion,
    Vehicle,
    Driver,
    ProcessPolicy,
)


def kinds() -> list[type[Message]]:
    """Return every request of the contract, every canonical object and every event envelope, by full name."""
    envelopes = [decider.envelope for decider in DECIDERS.values()]
    found: list[Descriptor] = [kind.DESCRIPTOR for kind in (*_CANONICAL, *envelopes)]
    found += requests()
    unique = {descriptor.full_name: descriptor for descriptor in found}
    return [GetMessageClass(unique[name]) for name in sorted(unique)]


def requests() -> Iterator[Descriptor]:
    """Yield the request of every method of the contract."""
    for file in installed.files_with_services():
        for service in file.services_by_name.values():
            yield from (method.input_type for method in service.methods)
