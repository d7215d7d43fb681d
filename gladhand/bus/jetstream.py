"""The bus on JetStream, over one connection."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nats import errors as nats_errors
from nats.aio.client import Client

from gladhand.bus.buckets import STANDARD_BUCKETS, BucketSpec, JetStreamBucket, open_bucket
from gladhand.bus.consumer import JetStreamConsumer
from gladhand.bus.deadletters import DeadLetter
from gladhand.bus.documents import Documents, open_documents
from gladhand.bus.port import AlreadyTaken, BusUnavailable, Delivery, Published, StreamFull, StreamMissing, Subscription
from gladhand.bus.request import FULL, TOO_LARGE, Patience, Refused, Unanswered, ask_patiently, traced
from gladhand.bus.timers import JetStreamTimers
from gladhand.clock import Clock
from gladhand.errors import Internal, InvalidArgument

_EFFECTS = "EFFECTS"
_NO_MESSAGE = frozenset({10037, 10043, 10057})


class JetStreamBus:
    """`Bus` over a connection that somebody else opens and closes. Safe for concurrent use."""

    def __init__(
        self, connection: Client, clock: Clock, *, patience: Patience | None = None, replicas: int = 1
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._patience = patience or Patience()
        self._replicas = replicas
        self._timers = JetStreamTimers(connection, clock, self._patience)

    @property
    def timers(self) -> JetStreamTimers:
        """Durable timers; see `Bus.timers`."""
        return self._timers

    async def publish(
        self, subject: str, payload: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> Published:
        """Store a message; see `Bus.publish`."""
        sent = traced({**(headers or {}), "Nats-Msg-Id": message_id})
        try:
            answer, _ = await ask_patiently(self._connection, subject, payload, sent, self._patience)
        except Unanswered as error:
            raise BusUnavailable(f"no clear answer to {message_id}: {error}") from error
        except nats_errors.MaxPayloadError as error:
            raise InvalidArgument(f"{subject}: {len(payload)} bytes are more than NATS takes") from error
        except Refused as refused:
            raise _refusal(subject, refused) from refused
        return Published(str(answer["stream"]), int(answer["seq"]), bool(answer.get("duplicate")))

    async def claim(self, subject: str, payload: bytes, *, message_id: str) -> Published:
        """Close a latch; see `Bus.claim`."""
        try:
            published = await self.publish(subject, payload, message_id=message_id)
        except StreamFull:
            holder = await self.claimed(subject)
            if holder is None:
                raise
            if holder.message_id != message_id:
                raise AlreadyTaken(f"{subject} is taken by {holder.message_id}") from None
            return Published(_EFFECTS, holder.sequence, duplicate=True)
        if published.stream != _EFFECTS:
            raise Internal(f"{subject} is no latch: it belongs to {published.stream}")
        return published

    async def claimed(self, subject: str) -> Delivery | None:
        """Return the message that holds a latch; see `Bus.claimed`."""
        try:
            answer = await self._api(f"$JS.API.STREAM.MSG.GET.{_EFFECTS}", {"last_by_subj": subject})
        except Refused as refused:
            if refused.error_code in _NO_MESSAGE:
                return None
            raise _refusal(subject, refused) from refused
        message = answer["message"]
        return Delivery(
            subject=subject,
            payload=base64.b64decode(message.get("data") or ""),
            headers=_headers(base64.b64decode(message.get("hdrs") or "")),
            stream=_EFFECTS,
            sequence=int(message["seq"]),
            stored_time=datetime.fromisoformat(_to_micros(message["time"])),
        )

    async def remove(self, stream: str, sequence: int) -> bool:
        """Delete one message; see `Bus.remove`."""
        try:
            await self._api(f"$JS.API.STREAM.MSG.DELETE.{stream}", {"seq": sequence})
        except Refused as refused:
            if refused.error_code in _NO_MESSAGE:
                return False
            raise _refusal(stream, refused) from refused
        return True

    async def subscribe(self, subscription: Subscription) -> JetStreamConsumer:
        """Start a durable consumer; see `Bus.subscribe`."""
        consumer = JetStreamConsumer(
            self._connection, subscription, self._clock, park=self._park, patience=self._patience
        )
        await consumer.start()
        return consumer

    async def key_value(self, bucket: str) -> JetStreamBucket:
        """Return a bucket; see `Bus.key_value`."""
        known = next((spec for spec in STANDARD_BUCKETS if spec.name == bucket), BucketSpec(bucket))
        spec = BucketSpec(known.name, known.description, known.keep, known.max_bytes, self._replicas)
        return await open_bucket(self._connection, spec, self._patience)

    async def objects(self, bucket: str) -> Documents:
        """Return an object store; see `Bus.objects`."""
        return await open_documents(self._connection, bucket, replicas=self._replicas)

    async def _park(self, letter: DeadLetter) -> None:
        await self.publish(letter.dead_subject, letter.encode(), message_id=letter.dedupe_id)

    async def _api(self, subject: str, request: dict[str, object]) -> dict[str, Any]:
        try:
            return (await ask_patiently(self._connection, subject, json.dumps(request).encode(), None, self._patience))[
                0
            ]
        except Unanswered as error:
            raise BusUnavailable(f"{subject}: {error}") from error


def _refusal(subject: str, refused: Refused) -> Exception:
    if refused.error_code in FULL:
        return StreamFull(f"{subject}: {refused}")
    if refused.error_code in TOO_LARGE:
        return InvalidArgument(f"{subject}: {refused}")
    if refused.code == 404:
        return StreamMissing(f"{subject}: {refused}")
    return Internal(f"{subject}: {refused}")


def _headers(raw: bytes) -> dict[str, str]:
    """The headers of a stored message, out of their wire form."""
    lines = raw.decode("utf-8", "replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name: value.strip() for name, _, value in pairs}


def _to_micros(stamp: str) -> str:
    """RFC 3339 with nanoseconds, cut to what datetime holds."""
    whole, point, rest = stamp.rstrip("Z").partition(".")
    return f"{whole}{point}{rest[:6]}+00:00"
