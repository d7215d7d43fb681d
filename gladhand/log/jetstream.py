"""The event store on JetStream: the append is the publish, and the server's sequence check keeps writers apart."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any, TypeVar, cast

from google.protobuf.message import Message
from nats import errors as nats_errors
from nats.aio.client import Client

from gladhand.bus.request import FULL, TOO_LARGE, WRONG_LAST, Patience, Refused, Unanswered, ask_patiently, traced
from gladhand.envelope import EnvelopeType
from gladhand.errors import Internal
from gladhand.log.history import HistoryReader
from gladhand.log.port import Appended, Conflict, EventTooLarge, LogFull, Recorded, StoredMessage, Unavailable
from gladhand.log.replay import replay

E = TypeVar("E", bound=Message)

_NO_MESSAGE = 10037
_SETTLING_READS = 20


class JetStreamEventStore:
    """`EventStore` over one connection. `source` names the writing service in the events' `ce-source`.

    Check the server with `durability.require_durable` before the first append. Safe for concurrent use.
    """

    def __init__(self, connection: Client, *, source: str, patience: Patience | None = None) -> None:
        self._connection = connection
        self._source = source
        self._patience = patience or Patience()
        self._reader = HistoryReader(connection, self._patience)
        self._replicated: dict[str, bool] = {}

    async def append(self, kind: EnvelopeType[E], event: E, *, expected: int) -> Appended:
        """Store a stamped event; see `EventStore.append`.

        An append whose answer was lost is repeated. A single server then answers "wrong last sequence", a cluster
        "duplicate": after either, the aggregate's last message decides (NATS reference, table 0 number 3).
        """
        subject = kind.subject(event)
        aggregate = kind.history_subjects(kind.aggregate_id(event))
        headers = kind.headers(event, self._source)
        event_id = headers["ce-id"]
        headers |= {
            "Nats-Msg-Id": event_id,
            "Nats-Expected-Stream": kind.stream,
            "Nats-Expected-Last-Subject-Sequence": str(expected),
            "Nats-Expected-Last-Subject-Sequence-Subject": aggregate,
        }
        try:
            answer, _ = await ask_patiently(
                self._connection, subject, kind.encode(event), traced(headers), self._patience
            )
        except Unanswered as error:
            raise Unavailable(f"no clear answer to the append of {event_id}: {error}") from error
        except nats_errors.MaxPayloadError as error:
            raise EventTooLarge(f"{subject}: the event has {event.ByteSize()} bytes, more than NATS takes") from error
        except Refused as refused:
            if refused.error_code in WRONG_LAST:
                return await self._settle(kind, aggregate, expected, event_id)
            raise _refusal(subject, refused) from refused
        if answer.get("duplicate"):
            return await self._settle(kind, aggregate, expected, event_id)
        return Appended(int(answer["seq"]), repeated=False)

    async def read(self, kind: EnvelopeType[E], aggregate_id: str, *, after: int = 0) -> Sequence[Recorded[E]]:
        """Return an aggregate's events above `after` by batched direct get; see `EventStore.read`.

        On a replicated stream a direct get may be answered by a replica that is behind, so the leader is asked for the
        aggregate's newest sequence and the read goes on until it is there.
        """
        subjects = kind.history_subjects(aggregate_id)
        found = await self._read(kind.stream, subjects, after)
        if await self._is_replicated(kind.stream):
            newest = await self._last(kind.stream, subjects)
            target = newest[0] if newest else 0
            for _ in range(_SETTLING_READS):
                reached = found[-1][0] if found else after
                if reached >= target:
                    break
                await asyncio.sleep(self._patience.pause / _SETTLING_READS)
                found += await self._read(kind.stream, subjects, reached)
            else:
                raise Unavailable(f"{subjects}: the replicas of {kind.stream} are behind sequence {target}")
        return [Recorded(kind.decode(payload), sequence) for sequence, payload in found]

    async def last(self, kind: EnvelopeType[E], aggregate_id: str) -> Recorded[E] | None:
        """Return an aggregate's newest event as the stream's leader knows it."""
        found = await self._last(kind.stream, kind.history_subjects(aggregate_id))
        return Recorded(kind.decode(found[1]), found[0]) if found else None

    async def last_sequence(self, stream: str) -> int:
        """Return the sequence of the newest message of a stream, 0 where it is empty."""
        info = await self._api(f"$JS.API.STREAM.INFO.{stream}", {})
        return int(info["state"]["last_seq"])

    def read_all(
        self, stream: str, *, start: int = 1, filters: Sequence[str] = (), follow: bool = False
    ) -> AsyncGenerator[StoredMessage]:
        """Iterate a stream through a pull window; see `EventStore.read_all`."""
        return replay(self._connection, stream, start=start, filters=filters, follow=follow, patience=self._patience)

    async def _settle(self, kind: EnvelopeType[E], aggregate: str, expected: int, event_id: str) -> Appended:
        """Decide what an ambiguous answer meant: our own event on top is success, anything else a conflict."""
        found = await self._last(kind.stream, aggregate)
        if found is not None and cast("Any", kind.decode(found[1])).event_id == event_id:
            return Appended(found[0], repeated=True)
        raise Conflict(aggregate, expected, found[0] if found else 0)

    async def _read(self, stream: str, subjects: str, after: int) -> list[tuple[int, bytes]]:
        try:
            return await self._reader.read(stream, subjects, after)
        except Unanswered as error:
            raise Unavailable(f"{subjects} cannot be read: {error}") from error

    async def _last(self, stream: str, subjects: str) -> tuple[int, bytes] | None:
        try:
            answer = await self._api(f"$JS.API.STREAM.MSG.GET.{stream}", {"last_by_subj": subjects})
        except Refused as refused:
            if refused.error_code == _NO_MESSAGE:
                return None
            raise _refusal(subjects, refused) from refused
        message = answer["message"]
        return int(message["seq"]), base64.b64decode(message.get("data") or "")

    async def _is_replicated(self, stream: str) -> bool:
        if stream not in self._replicated:
            info = await self._api(f"$JS.API.STREAM.INFO.{stream}", {})
            self._replicated[stream] = int(info["config"].get("num_replicas", 1)) > 1
        return self._replicated[stream]

    async def _api(self, subject: str, request: dict[str, object]) -> dict[str, Any]:
        try:
            answer, _ = await ask_patiently(
                self._connection, subject, json.dumps(request).encode(), None, self._patience
            )
        except Unanswered as error:
            raise Unavailable(f"the log does not answer: {error}") from error
        return answer


def _refusal(subject: str, refused: Refused) -> Exception:
    if refused.error_code in FULL:
        return LogFull(f"{subject}: the stream takes no more events: {refused}")
    if refused.error_code in TOO_LARGE:
        return EventTooLarge(f"{subject}: {refused}")
    return Internal(f"{subject}: the log refuses: {refused}")
