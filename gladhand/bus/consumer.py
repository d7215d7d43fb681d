"""Durable pull consumers: deliveries through a bounded window into a dispatcher, answered to the server."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from gladhand.bus.deadletters import REDRIVE_STREAM, DeadLetter, redrive_subject, restored
from gladhand.bus.dispatch import Dispatcher
from gladhand.bus.port import BusUnavailable, Delivery, Lag, StreamMissing, Subscription
from gladhand.bus.pull import PullFeed, acked_fields, filtered
from gladhand.bus.request import Patience, Refused, Unanswered, ask_patiently
from gladhand.clock import Clock
from gladhand.envelope import subject_token

_log = logging.getLogger(__name__)

_NOT_FOUND = frozenset({10014, 10059})
_MOST_UNACKED = 8192


@dataclass(frozen=True, slots=True)
class _Answer:
    """Answers one delivery. An answer that gets lost means another delivery, which every handler bears."""

    connection: Client
    reply: str

    async def ack(self) -> None:
        await self._send(b"")

    async def nak(self, delay_s: float) -> None:
        await self._send(b"-NAK " + json.dumps({"delay": int(delay_s * 1e9)}).encode() if delay_s > 0 else b"-NAK")

    async def extend(self) -> None:
        await self._send(b"+WPI")

    async def term(self, reason: str) -> None:
        await self._send(b"+TERM " + " ".join(reason.split())[:200].encode())

    async def _send(self, answer: bytes) -> None:
        try:
            await self.connection.publish(self.reply, answer)
        except (nats_errors.Error, OSError) as error:
            _log.info("answer to %s lost: %s", self.reply, error)


def _position(pair: tuple[Delivery, _Answer]) -> int:
    return pair[0].sequence


class JetStreamConsumer:
    """A running subscription, with a second consumer for what an operator sends back to it."""

    def __init__(
        self,
        connection: Client,
        subscription: Subscription,
        clock: Clock,
        *,
        park: Callable[[DeadLetter], Awaitable[None]],
        patience: Patience,
    ) -> None:
        self._connection = connection
        self._subscription = subscription
        self._patience = patience
        durable = subject_token(subscription.durable, "durable")
        self._sources = (
            _Source(connection, subscription.stream, durable, tuple(subscription.filters), patience),
            _Source(connection, REDRIVE_STREAM, durable, (redrive_subject(durable),), patience),
        )
        self._window = min(max(4 * subscription.concurrency, 64), _MOST_UNACKED // 2)
        self._dispatchers = [
            Dispatcher(subscription, clock, park=park, settled=source.done) for source in self._sources
        ]
        self._pumps: list[asyncio.Task[None]] = []
        self._stopped = False

    @property
    def durable(self) -> str:
        """The name of the consumer."""
        return self._subscription.durable

    async def start(self) -> None:
        """Create or update the consumers and begin. Raises StreamMissing, BusUnavailable."""
        for source in self._sources:
            await source.ensure(self._subscription)
            await source.open(self._window)
        for source, dispatcher in zip(self._sources, self._dispatchers, strict=True):
            self._pumps.append(asyncio.create_task(self._pump(source, dispatcher)))

    async def stop(self, grace: timedelta = timedelta(seconds=10)) -> None:
        """Stop fetching, let running handlers finish within `grace`, hand the rest back. Safe to call twice."""
        if self._stopped:
            return
        self._stopped = True
        for dispatcher in self._dispatchers:
            dispatcher.close()
        for source in self._sources:
            await source.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await asyncio.gather(*(dispatcher.stop(grace) for dispatcher in self._dispatchers))

    async def lag(self) -> Lag:
        """Return how far the consumer is behind, replayed dead letters included."""
        found = await asyncio.gather(*(source.info() for source in self._sources))
        return Lag(
            waiting=sum(int(info["num_pending"]) for info in found),
            in_flight=sum(int(info["num_ack_pending"]) for info in found),
            acknowledged=int(found[0]["ack_floor"]["stream_seq"]),
        )

    async def _pump(self, source: _Source, dispatcher: Dispatcher) -> None:
        while not self._stopped:
            try:
                # What the server delivers again may come in any order; as far as it comes together, order is restored.
                batch = sorted(map(self._delivery, repeat(source.stream), await source.take()), key=_position)
                for delivery, answer in batch:
                    dispatcher.accept(delivery, answer)
                if source.gone and not self._stopped:
                    await self._revive(source)
            except Exception:  # noqa: BLE001 - logged
                # A consumer that dies unnoticed would be worse than one that tries for ever and says so.
                _log.exception("%s on %s stumbled; going on", self.durable, source.stream)
                await asyncio.sleep(self._patience.pause)

    def _delivery(self, stream: str, message: Msg) -> tuple[Delivery, _Answer]:
        attempt, sequence, _, stored, _ = acked_fields(message)
        delivery = Delivery(
            subject=message.subject,
            payload=message.data,
            headers=message.headers or {},
            stream=stream,
            sequence=sequence,
            stored_time=datetime.fromtimestamp(stored / 1e9, UTC),
            attempt=attempt,
        )
        return restored(delivery), _Answer(self._connection, message.reply)

    async def _revive(self, source: _Source) -> None:
        """The consumer is gone, or its server not ready yet: set it up again, as often as it takes."""
        await source.close()
        try:
            await source.ensure(self._subscription)
            await source.open(self._window)
        except (StreamMissing, BusUnavailable, nats_errors.Error) as error:
            _log.warning("%s on %s: %s; trying again", self.durable, source.stream, error)
            await asyncio.sleep(self._patience.pause)


class _Source:
    """One durable consumer on one stream and the feed from it."""

    def __init__(
        self, connection: Client, stream: str, durable: str, filters: Sequence[str], patience: Patience
    ) -> None:
        self.stream = stream
        self._connection = connection
        self._durable = durable
        self._filters = filters
        self._patience = patience
        self._feed: PullFeed | None = None

    @property
    def gone(self) -> bool:
        """Whether the feed ended because the consumer does not exist."""
        return self._feed is None or self._feed.gone

    async def ensure(self, subscription: Subscription) -> None:
        """Create the durable consumer, or update it where it stands."""
        config: dict[str, Any] = {
            "durable_name": self._durable,
            "name": self._durable,
            "ack_policy": "explicit",
            "ack_wait": int(subscription.ack_wait.total_seconds() * 1e9),
            "max_deliver": -1,
            "max_ack_pending": _MOST_UNACKED,
            "replay_policy": "instant",
        }
        filtering = filtered(config, self._filters)
        try:
            try:
                stored = (await self._api("INFO", {}))["config"]
                # Where a consumer began cannot be changed, and need not.
                config |= {key: stored[key] for key in ("deliver_policy", "opt_start_seq") if key in stored}
            except Refused as refused:
                if refused.error_code not in _NOT_FOUND:
                    raise
                begin = subscription.from_now and self.stream == subscription.stream
                config["deliver_policy"] = "new" if begin else "all"
            await self._api("CREATE", {"stream_name": self.stream, "config": config, "action": ""}, filtering)
        except Refused as refused:
            raise StreamMissing(f"consumer {self._durable} on {self.stream}: {refused.description}") from refused
        except Unanswered as error:
            raise BusUnavailable(f"consumer {self._durable} on {self.stream}: {error}") from error

    async def open(self, window: int) -> None:
        """Begin to receive."""
        feed = PullFeed(self._connection, self.stream, self._durable, window=window)
        await feed.open()
        self._feed = feed

    async def take(self) -> list[Msg]:
        """Return what has come, waiting if nothing has; empty where there is no feed."""
        return await self._feed.take() if self._feed is not None else []

    async def done(self) -> None:
        """One message is settled."""
        if self._feed is not None:
            await self._feed.release(1)

    async def close(self) -> None:
        """Stop receiving."""
        if self._feed is not None:
            feed, self._feed = self._feed, None
            await feed.close()

    async def info(self) -> dict[str, Any]:
        """Return the consumer's state as the server tells it. Raises StreamMissing, BusUnavailable."""
        try:
            return await self._api("INFO", {})
        except Refused as refused:
            raise StreamMissing(f"consumer {self._durable} on {self.stream}: {refused.description}") from refused
        except Unanswered as error:
            raise BusUnavailable(f"consumer {self._durable} on {self.stream}: {error}") from error

    async def _api(self, verb: str, request: dict[str, object], suffix: str = "") -> dict[str, Any]:
        subject = f"$JS.API.CONSUMER.{verb}.{self.stream}.{self._durable}{suffix}"
        payload = json.dumps(request).encode() if request else b""
        return (await ask_patiently(self._connection, subject, payload, None, self._patience))[0]
