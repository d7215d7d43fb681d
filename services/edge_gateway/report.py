"""What one device reported, in the contract's terms, and the key by which it is known again (pure)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid5

from logistics.fleet.v1 import DeviceReference, TelemetrySample

__all__ = ["EDGE_NAMESPACE", "GATEWAY", "InboxKey", "Report", "digest_of", "key_of"]

GATEWAY = "edge_gateway"
"""How this gateway calls itself in provenance, headers and actors."""

EDGE_NAMESPACE = UUID("6f1c7f0e-52c1-5d0b-9a5e-7d1f0b8f2a11")
"""Root of every id that this gateway derives: the same report, the same id, for ever."""


@dataclass(frozen=True, slots=True)
class Report:
    """One sample of one device, as its protocol told it and before any filter has looked at it."""

    device: DeviceReference
    sample: TelemetrySample


@dataclass(frozen=True, slots=True)
class InboxKey:
    """By what a report is known again (domain reference 3.7 rule 2)."""

    name: str
    """`<provider>/<device>/<the provider's id>`, or the content's digest in place of the id."""

    digest: str
    """SHA-256 of the content without the time of receipt, hex. The same name with another digest is a conflict."""

    @property
    def id(self) -> str:
        """The UUIDv5 of the name: the id under which the sample is published."""
        return str(uuid5(EDGE_NAMESPACE, self.name))


def digest_of(*parts: bytes) -> str:
    """Return the SHA-256, in hex, of parts that are kept apart from each other."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def key_of(report: Report) -> InboxKey:
    """Return the inbox key of a report: the provider's own id where it gives one, else the content."""
    content = TelemetrySample()
    content.CopyFrom(report.sample)
    content.ClearField("receive_time")
    device = report.device
    digest = digest_of(
        device.provider.encode(), device.device_id.encode(), content.SerializeToString(deterministic=True)
    )
    own = report.sample.provider_message_id
    name = f"{device.provider}/{device.device_id}/" + (f"id:{own}" if own else f"sha256:{digest}")
    return InboxKey(name, digest)
