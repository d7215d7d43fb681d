"""Dead letters: messages that no attempt could handle, kept with everything needed to judge and to replay them.

A dead letter stands on `logistics.deadletter.<consumer>.<stream>` of DEADLETTER. A replay puts the message, with its
original id, subject and position, on `logistics.redrive.<consumer>.<letter>` of REDRIVE, which that consumer alone
reads: nobody who has handled it sees it again. It is then in REDRIVE instead of DEADLETTER, never in neither; fails it
once more, a new dead letter counts the replay.
"""

from __future__ import annotations

import base64
import json
import logging
from collections import deque
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from gladhand.bus.port import Bus, Delivery
from gladhand.errors import NotFound
from gladhand.log.port import EventStore

_log = logging.getLogger(__name__)

STREAM = "DEADLETTER"
REDRIVE_STREAM = "REDRIVE"

_MESSAGE_ID = "Nats-Msg-Id"
_ORIGIN = "Gladhand-Origin"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that a consumer gave up on."""

    consumer: str
    reason: str
    poison: bool
    """True where the handler said that no attempt can succeed, False where the attempts ran out."""
    attempts: int
    first_seen: datetime
    """The first attempt of the process that gave up."""
    last_seen: datetime
    subject: str
    stream: str
    sequence: int
    """Position of the message in `stream`."""
    stored_time: datetime
    message_id: str
    """The publisher's message id; for an event its event id."""
    headers: Mapping[str, str]
    payload: bytes
    redrives: int = 0
    """How often it had been replayed before."""
    letter_id: int = 0
    """Position in DEADLETTER, by which the operator names it; 0 before it is stored."""

    @property
    def dead_subject(self) -> str:
        """Where the letter is stored."""
        return f"logistics.deadletter.{self.consumer}.{self.stream}"

    @property
    def dedupe_id(self) -> str:
        """The message id of the letter: one failure is stored once, however often its parking is repeated."""
        return f"{self.consumer}/{self.stream}/{self.sequence}/{self.redrives}"

    def encode(self) -> bytes:
        """Return the letter as JSON, the payload in base64."""
        return json.dumps(
            {
                "consumer": self.consumer,
                "reason": self.reason,
                "poison": self.poison,
                "attempts": self.attempts,
                "first_seen": self.first_seen.isoformat(),
                "last_seen": self.last_seen.isoformat(),
                "subject": self.subject,
                "stream": self.stream,
                "sequence": self.sequence,
                "stored_time": self.stored_time.isoformat(),
                "message_id": self.message_id,
                "headers": dict(self.headers),
                "payload": base64.b64encode(self.payload).decode(),
                "redrives": self.redrives,
            }
        ).encode()

    @classmethod
    def decode(cls, content: bytes, letter_id: int = 0) -> DeadLetter:
        """Return the letter in `content`. Raises ValueError or KeyError on anything else."""
        fields = json.loads(content)
        for name in ("first_seen", "last_seen", "stored_time"):
            fields[name] = datetime.fromisoformat(fields[name])
        fields["payload"] = base64.b64decode(fields["payload"])
        return cls(**fields, letter_id=letter_id)

    @classmethod
    def of(
        cls, delivery: Delivery, consumer: str, *, reason: str, poison: bool, seen: tuple[datetime, datetime]
    ) -> DeadLetter:
        """Return the letter for a delivery that a consumer gives up on; `seen` holds first and last attempt."""
        return cls(
            consumer=consumer,
            reason=reason,
            poison=poison,
            attempts=delivery.attempt,
            first_seen=seen[0],
            last_seen=seen[1],
            subject=delivery.subject,
            stream=delivery.stream,
            sequence=delivery.sequence,
            stored_time=delivery.stored_time,
            message_id=delivery.message_id,
            headers=delivery.headers,
            payload=delivery.payload,
            redrives=delivery.redrives,
        )


def redrive_subject(consumer: str, letter_id: int | str = ">") -> str:
    """Return where replayed messages of a consumer stand; without an id the filter for all of them."""
    return f"logistics.redrive.{consumer}.{letter_id}"


def redrive_headers(letter: DeadLetter) -> dict[str, str]:
    """Return the headers under which a letter's message travels back."""
    origin = {
        "subject": letter.subject,
        "stream": letter.stream,
        "sequence": letter.sequence,
        "stored_time": letter.stored_time.isoformat(),
        "message_id": letter.message_id,
        "redrives": letter.redrives + 1,
    }
    return {**letter.headers, _ORIGIN: json.dumps(origin)}


def restored(delivery: Delivery) -> Delivery:
    """Return a redriven delivery as it was the first time, or any other delivery as it is."""
    origin_header = delivery.headers.get(_ORIGIN)
    if origin_header is None:
        return delivery
    origin = json.loads(origin_header)
    headers = {key: value for key, value in delivery.headers.items() if key != _ORIGIN}
    return Delivery(
        subject=origin["subject"],
        payload=delivery.payload,
        headers={**headers, _MESSAGE_ID: origin["message_id"]},
        stream=origin["stream"],
        sequence=origin["sequence"],
        stored_time=datetime.fromisoformat(origin["stored_time"]),
        attempt=delivery.attempt,
        redrives=origin["redrives"],
    )


class DeadLetters:
    """What an operator does with dead letters."""

    def __init__(self, bus: Bus, store: EventStore) -> None:
        self._bus = bus
        self._store = store

    async def newest(self, limit: int, consumer: str | None = None) -> tuple[list[DeadLetter], int]:
        """Return the newest letters, at most `limit`, newest first, and how many there are; of one consumer or all."""
        filters = (f"logistics.deadletter.{consumer}.>",) if consumer else ()
        kept: deque[DeadLetter] = deque(maxlen=limit)
        count = 0
        async with aclosing(self._store.read_all(STREAM, filters=filters)) as messages:
            async for message in messages:
                kept.append(DeadLetter.decode(message.payload, message.sequence))
                count += 1
        return [*reversed(kept)], count

    async def list(self, consumer: str | None = None, limit: int = 1000) -> list[DeadLetter]:
        """Return the oldest letters, at most `limit`, of one consumer or of all."""
        filters = (f"logistics.deadletter.{consumer}.>",) if consumer else ()
        found: list[DeadLetter] = []
        async with aclosing(self._store.read_all(STREAM, filters=filters)) as messages:
            async for message in messages:
                found.append(DeadLetter.decode(message.payload, message.sequence))
                if len(found) >= limit:
                    break
        return found

    async def get(self, letter_id: int) -> DeadLetter:
        """Return one letter. Raises NotFound."""
        async with aclosing(self._store.read_all(STREAM, start=letter_id)) as messages:
            async for message in messages:
                if message.sequence == letter_id:
                    return DeadLetter.decode(message.payload, letter_id)
                break
        raise NotFound("dead_letter", str(letter_id), reason="EVENT_UNMATCHED")

    async def replay(self, letter_id: int) -> DeadLetter:
        """Send a letter's message back to the consumer that failed, and to nobody else; return the letter.

        Replaying it twice at the same time delivers it at most twice, which handlers bear. Raises NotFound where it is
        gone already.
        """
        letter = await self.get(letter_id)
        await self._bus.publish(
            redrive_subject(letter.consumer, letter_id),
            letter.payload,
            message_id=f"redrive/{letter_id}",
            headers=redrive_headers(letter),
        )
        await self._bus.remove(STREAM, letter_id)
        _log.info("dead letter %s replayed to %s: %s", letter_id, letter.consumer, letter.message_id)
        return letter

    async def discard(self, letter_id: int, why: str) -> DeadLetter:
        """Throw a letter away for a stated reason; the message itself stays in its stream. Raises NotFound."""
        letter = await self.get(letter_id)
        await self._bus.remove(STREAM, letter_id)
        _log.warning("dead letter %s of %s discarded (%s): %s", letter_id, letter.consumer, letter.message_id, why)
        return letter
