"""Reads a stream from some sequence on, in order, fast enough to rebuild from: a pull window fed by callback."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from gladhand.bus.port import StreamMissing
from gladhand.bus.pull import PullFeed, acked_fields, filtered
from gladhand.bus.refusals import NotPermitted
from gladhand.bus.request import Patience, Refused, Unanswered, ask, ask_patiently
from gladhand.ids import new_id
from gladhand.log.port import StoredMessage, Unavailable

_WINDOW = 8192
_IDLE_S = 60
_NO_HEADERS: dict[str, str] = {}


class _Broken(Exception):
    """The ordered delivery broke off, for example with the server: begin again behind the last message."""


async def replay(
    connection: Client, stream: str, *, start: int, filters: Sequence[str], follow: bool, patience: Patience
) -> AsyncGenerator[StoredMessage]:
    """Iterate a stream; see `EventStore.read_all`. Raises Unavailable where it cannot go on, StreamMissing."""
    position = start
    last: int | None = None
    losses = 0
    while True:
        cursor = _Cursor(connection, stream, filters, patience)
        try:
            try:
                last = await cursor.open(position, last)
                if not follow and cursor.left == 0:
                    return
                async for message in cursor.messages(None if follow else last):
                    losses = 0
                    position = message.sequence + 1
                    yield message
                return
            except _Broken as error:
                losses += 1
                if losses * patience.attempt > patience.deadline and not follow:
                    raise Unavailable(f"reading {stream} from {position} broke off: {error}") from error
                await asyncio.sleep(patience.pause * random.random())
            except Unanswered as error:
                if not follow:
                    raise Unavailable(f"reading {stream} from {position} broke off: {error}") from error
                await asyncio.sleep(patience.pause)
            except Refused as refused:
                raise StreamMissing(f"{stream} cannot be read: {refused}") from refused
        finally:
            await cursor.close()


class _Cursor:
    """One ephemeral consumer, which the server forgets by itself when nobody reads from it."""

    def __init__(self, connection: Client, stream: str, filters: Sequence[str], patience: Patience) -> None:
        self._connection = connection
        self._stream = stream
        self._filters = tuple(filters)
        self._patience = patience
        self._name = f"read-{new_id()}"
        self._feed: PullFeed | None = None
        self.left = 0

    async def open(self, start: int, last: int | None) -> int:
        """Create the consumer; return the sequence to end at, which is `last` where it is known already."""
        if last is None:
            info = await self._api(f"$JS.API.STREAM.INFO.{self._stream}", {})
            last = int(info["state"]["last_seq"])
        config: dict[str, object] = {
            "name": self._name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": max(start, 1),
            "ack_policy": "none",
            "replay_policy": "instant",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": _IDLE_S * 1_000_000_000,
        }
        subject = f"$JS.API.CONSUMER.CREATE.{self._stream}.{self._name}" + filtered(config, self._filters)
        created = await self._api(subject, {"stream_name": self._stream, "config": config, "action": ""})
        self.left = int(created.get("num_pending", 0)) if last >= start else 0
        self._feed = PullFeed(self._connection, self._stream, self._name, window=_WINDOW)
        await self._feed.open()
        return last

    async def messages(self, last: int | None) -> AsyncGenerator[StoredMessage]:
        """Yield messages up to sequence `last`; None never ends. Raises _Broken where one is missing."""
        feed = self._feed
        if feed is None:
            raise _Broken("not open")
        expected = 1
        while True:
            batch = await feed.take()
            if not batch:
                if await self._nothing_left(last):
                    return
                continue
            for message in batch:
                _, sequence, consumer_sequence, stored, left = acked_fields(message)
                if consumer_sequence != expected:
                    raise _Broken(f"delivery {consumer_sequence} came instead of {expected}")
                expected += 1
                if last is not None and sequence > last:
                    return
                yield _stored(message, sequence, stored)
                if last is not None and (sequence == last or left == 0):
                    return
            await feed.release(len(batch))

    async def close(self) -> None:
        """Give the consumer back; where the server does not answer, it forgets it after a minute."""
        if self._feed is not None:
            await self._feed.close()
        if not self._connection.is_connected:
            return
        with suppress(Unanswered, Refused, NotPermitted):
            subject = f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._name}"
            await ask(self._connection, subject, b"", None, self._patience.attempt)

    async def _nothing_left(self, last: int | None) -> bool:
        """After silence: whether the reading has reached its end. Raises _Broken where the consumer is gone."""
        try:
            info = await self._api(f"$JS.API.CONSUMER.INFO.{self._stream}.{self._name}", {})
        except (Refused, Unanswered) as error:
            raise _Broken(str(error)) from error
        return last is not None and int(info["num_pending"]) == 0 and int(info["delivered"]["stream_seq"]) >= last

    async def _api(self, subject: str, request: dict[str, object]) -> dict[str, Any]:
        answer, _ = await ask_patiently(self._connection, subject, json.dumps(request).encode(), None, self._patience)
        return answer


def _stored(message: Msg, sequence: int, stored_ns: int) -> StoredMessage:
    return StoredMessage(
        subject=message.subject,
        sequence=sequence,
        payload=message.data,
        headers=message.headers or _NO_HEADERS,
        stored_time=datetime.fromtimestamp(stored_ns / 1e9, UTC),
    )
