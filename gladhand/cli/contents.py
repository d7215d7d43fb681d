"""What a message of the bus says, as it may be shown: decoded by its subject, and masked (pure)."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from gladhand.cli.mesh.declared import ENVELOPES
from gladhand.masking import masked
from logistics.erp.v1 import WatchSalesResponse
from logistics.exception.v1 import ColdChainFinding
from logistics.fleet.v1 import VehiclePosition, VehicleSample
from logistics.load.v1 import DeliveryEvent

_BY_KIND: Final[dict[str, type[Message]]] = {**ENVELOPES, "observation": DeliveryEvent, "telemetry": VehicleSample}


def kind_of(subject: str) -> type[Message] | None:
    """Return the kind of message that a subject carries; None where it is raw, as it came from outside."""
    parts = subject.split(".")
    if len(parts) < 2 or parts[0] != "logistics":
        return None
    if parts[1] == "telemetry" and parts[-1] == "position":
        return VehiclePosition
    if parts[1] == "observation" and parts[-1] == "cold_chain":
        return ColdChainFinding
    if parts[1] == "inbox":
        return WatchSalesResponse if len(parts) == 6 and parts[4] == "sale" else None
    return _BY_KIND.get(parts[1])


def shown(subject: str, payload: bytes) -> dict[str, Any] | None:
    """Return the message with what is personal or secret blotted out; None where nobody can tell what is in it."""
    kind = kind_of(subject)
    if kind is None:
        return None
    try:
        return masked(kind.FromString(payload))
    except DecodeError:
        return None
