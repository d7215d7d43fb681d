"""Finishes whatever the inbox holds: what a restart interrupted, what had to wait, and what an operator replays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol as Interface

from gladhand.bus.port import Backoff, Delivery, Subscription
from gladhand.calls import correlated
from services.edge_gateway.inbox import DURABLE, STREAM, InboxMessage, InHand, Protocol

__all__ = ["Desk", "Redelivery"]

_AT_ONCE = 32


class Desk(Interface):
    """Whoever works on one kind of message."""

    async def finish(self, message: InboxMessage) -> None:
        """Do what is left to do for a message; doing it again changes nothing. Raises Retry."""
        ...


class Redelivery:
    """The handler of the durable consumer over INBOX."""

    def __init__(
        self, desks: Mapping[Protocol, Desk], in_hand: InHand, region: str, *, attempts: int, ack_wait: timedelta
    ) -> None:
        self._desks = desks
        self._in_hand = in_hand
        self._region = region
        self._attempts = attempts
        self._ack_wait = ack_wait

    def subscription(self) -> Subscription:
        """Return the consumer: every message by itself, bounded attempts with backoff, then the dead letters."""
        return Subscription(
            stream=STREAM,
            durable=DURABLE,
            handler=self.handle,
            # One token: what other gateways keep, for example sales of an ERP, stands under longer subjects.
            filters=(f"logistics.inbox.{self._region}.*",),
            concurrency=_AT_ONCE,
            key=lambda delivery: f"{delivery.stream}/{delivery.sequence}",
            max_deliver=self._attempts,
            backoff=Backoff(first=0.5, longest=60.0),
            ack_wait=self._ack_wait,
        )

    async def handle(self, delivery: Delivery) -> None:
        """Finish one message, unless a caller that waits for the answer has."""
        message = InboxMessage.of(delivery)
        if not delivery.redrives and await self._in_hand.finished(message.message_id):
            return
        with correlated(message.message_id[:32]):
            await self._desks[message.protocol].finish(message)
