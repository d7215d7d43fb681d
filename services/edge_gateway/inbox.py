"""The inbox: what came from outside, kept as it came before anything parses it, and the quarantine of what is refused.

Every inbox message is also delivered to a durable consumer (`redelivery`), so that whatever was stored is finished,
also when this process died in between. A refused message stands in the dead letters under that consumer's name: a
replay brings it back through the same translation.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gladhand.bus.deadletters import DeadLetter
from gladhand.bus.port import Bus, Delivery, Poison
from gladhand.clock import Clock
from gladhand.errors import GladhandError
from services.edge_gateway.report import digest_of

__all__ = ["DURABLE", "InHand", "Inbox", "InboxMessage", "Protocol"]

_log = logging.getLogger(__name__)

STREAM = "INBOX"
DURABLE = "edge-inbox"
"""The consumer that finishes what is stored, and to which quarantined messages belong."""

_PROTOCOL, _MEDIA_TYPE, _RECEIVED, _SHA256 = "Gladhand-Protocol", "Content-Type", "Gladhand-Received", "Gladhand-Sha256"


class Protocol(StrEnum):
    """How an inbox message is to be read."""

    OSMAND = "osmand"
    TRACCAR = "traccar"
    BATCH = "batch"
    """A TelemetryBatch of the contract."""
    POD = "pod"
    """The manifest of a proof of delivery."""


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """One message as it came from outside."""

    protocol: Protocol
    provider: str
    media_type: str
    body: bytes
    received: datetime
    """When this gateway first received it, by the clock of the mesh."""
    subject: str
    message_id: str
    sequence: int
    """Position in INBOX."""
    sha256: str
    stored_time: datetime
    repeated: bool = False
    """Whether the same bytes had been stored a short while before; this is then that message."""
    redrives: int = 0

    @property
    def reference(self) -> str:
        """How records made from it name it."""
        return f"inbox:{self.sequence}"

    @classmethod
    def of(cls, delivery: Delivery) -> InboxMessage:
        """Return the message in a delivery. Raises Poison where this version cannot read it."""
        headers = delivery.headers
        try:
            return cls(
                protocol=Protocol(headers[_PROTOCOL]),
                provider=delivery.subject.rpartition(".")[2],
                media_type=headers.get(_MEDIA_TYPE, ""),
                body=delivery.payload,
                received=datetime.fromisoformat(headers[_RECEIVED]),
                subject=delivery.subject,
                message_id=delivery.message_id,
                sequence=delivery.sequence,
                sha256=headers.get(_SHA256, ""),
                stored_time=delivery.stored_time,
                redrives=delivery.redrives,
            )
        except (KeyError, ValueError) as error:
            raise Poison(f"MALFORMED_MESSAGE: no inbox message of a known protocol: {error!r}") from error


class Inbox:
    """Stores raw messages and quarantines them. Safe for concurrent use."""

    def __init__(self, bus: Bus, clock: Clock, region: str) -> None:
        self._bus = bus
        self._clock = clock
        self._region = region

    @staticmethod
    def message_id(protocol: Protocol, provider: str, media_type: str, body: bytes) -> str:
        """Return the id of raw bytes: the same message sent again is the same message."""
        return digest_of(protocol.value.encode(), provider.encode(), media_type.encode(), body)

    async def keep(self, protocol: Protocol, provider: str, media_type: str, body: bytes) -> InboxMessage:
        """Store a message. The same bytes within the dedupe window are stored once and get their first position.

        Raises Unavailable or ResourceFull where it cannot be stored: the sender must then keep it.
        """
        received = self._clock.now()
        subject = f"logistics.inbox.{self._region}.{provider}"
        message_id = self.message_id(protocol, provider, media_type, body)
        sha256 = hashlib.sha256(body).hexdigest()
        headers = {
            _PROTOCOL: protocol.value,
            _MEDIA_TYPE: media_type or "application/octet-stream",
            _RECEIVED: received.isoformat(),
            _SHA256: sha256,
        }
        stored = await self._bus.publish(subject, body, message_id=message_id, headers=headers)
        return InboxMessage(
            protocol=protocol,
            provider=provider,
            media_type=media_type,
            body=body,
            received=received,
            subject=subject,
            message_id=message_id,
            sequence=stored.sequence,
            sha256=sha256,
            stored_time=received,
            repeated=stored.duplicate,
        )

    async def quarantine(self, message: InboxMessage, error: GladhandError, note: str = "") -> None:
        """Put a message into the dead letters with the reason of its refusal and its place in the inbox.

        Repeating it changes nothing. Raises Unavailable, ResourceFull.
        """
        now = self._clock.now()
        letter = DeadLetter(
            consumer=DURABLE,
            reason=f"{error.reason}: {error.message}{f' ({note})' if note else ''}",
            poison=True,
            attempts=1,
            first_seen=now,
            last_seen=now,
            subject=message.subject,
            stream=STREAM,
            sequence=message.sequence,
            stored_time=message.stored_time,
            message_id=message.message_id,
            headers={
                _PROTOCOL: message.protocol.value,
                _MEDIA_TYPE: message.media_type or "application/octet-stream",
                _RECEIVED: message.received.isoformat(),
                _SHA256: message.sha256,
            },
            payload=message.body,
            redrives=message.redrives,
        )
        await self._bus.publish(letter.dead_subject, letter.encode(), message_id=letter.dedupe_id)
        facts = {"reason": error.reason, "inbox": message.reference, "protocol": message.protocol.value}
        _log.warning("refused and quarantined", extra={"facts": facts})


class InHand:
    """Which inbox messages are being worked on by a caller that waits for the answer, and which were just finished.

    The durable consumer asks here, so that it does not do the same work a second time. What a restart forgets of it
    is worked on again, which is harmless.
    """

    def __init__(self, most_finished: int = 20_000) -> None:
        self._working: dict[str, tuple[int, asyncio.Event]] = {}
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._most = most_finished

    @contextmanager
    def work(self, message_id: str) -> Iterator[None]:
        """Mark a message as being worked on; it counts as finished where `finish` is called inside."""
        count, idle = self._working.get(message_id, (0, asyncio.Event()))
        self._working[message_id] = (count + 1, idle)
        try:
            yield
        finally:
            count, idle = self._working.pop(message_id)
            if count > 1:
                self._working[message_id] = (count - 1, idle)
            else:
                idle.set()

    def finish(self, message_id: str) -> None:
        """Note that nothing is left to do for a message."""
        self._finished[message_id] = None
        while len(self._finished) > self._most:
            self._finished.popitem(last=False)

    async def finished(self, message_id: str) -> bool:
        """Return whether a caller has finished the message, waiting while one works on it."""
        working = self._working.get(message_id)
        if working is not None:
            await working[1].wait()
        return message_id in self._finished
