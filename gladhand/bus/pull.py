"""Feeds messages of a pull consumer through a bounded window, by callback: three times as fast as fetching.

One giant pull stalls for good, so at most `window` messages are asked for or in hand at any time.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as InboxSubscription

_SECOND = 1_000_000_000
_EXPIRES_S = 30
_HEARTBEAT_S = 1
_TICK_S = 0.5
_SILENT_TICKS = 6
_GONE = (b"Consumer Deleted", b"Consumer is push based", b"Stream Deleted")


class PullFeed:
    """Asks one pull consumer for messages and keeps what came until it is taken.

    Silence (not even a heartbeat for three seconds) or a new connection means that the request was lost, for example
    with the server: it is asked anew. `gone` says that the consumer no longer exists.
    """

    def __init__(
        self, connection: Client, stream: str, consumer: str, *, window: int, max_bytes: int = 32 << 20
    ) -> None:
        self._connection = connection
        self._request = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._window = window
        self._max_bytes = max_bytes
        self._inbox = connection.new_inbox()
        self._subscription: InboxSubscription | None = None
        self._waiting: deque[Msg] = deque()
        self._arrived = asyncio.Event()
        self._pulls = 0
        self._asked: dict[str, int] = {}
        self._held = 0
        self._reconnects = connection.stats["reconnects"]
        self.gone = False

    async def open(self) -> None:
        """Subscribe and ask for the first messages."""
        self._subscription = await self._connection.subscribe(
            f"{self._inbox}.*", cb=self._on_message, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        await self._ask()

    async def close(self) -> None:
        """Stop receiving. Messages not taken yet stay unacknowledged."""
        if self._subscription is not None and not self._connection.is_closed:
            await self._subscription.unsubscribe()
        self._subscription = None
        self._arrived.set()

    async def take(self) -> list[Msg]:
        """Return what has come, waiting if nothing has; empty after silence, when `gone`, and after `close`.

        Each message counts against the window until `release` is called for it.
        """
        if not self._waiting:
            self._arrived.clear()
            if self.gone or self._subscription is None:
                return []
            if await self._silent():
                self._asked.clear()
                await self._ask()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    async def release(self, count: int) -> None:
        """Say that `count` taken messages are done with, which makes room for as many."""
        self._held -= count
        await self._ask()

    async def _silent(self) -> bool:
        """Wait for an arrival; return whether the request must be taken for lost: silence, or another connection."""
        for _ in range(_SILENT_TICKS):
            try:
                async with asyncio.timeout(_TICK_S):
                    await self._arrived.wait()
            except TimeoutError:
                reconnects = self._connection.stats["reconnects"]
                if reconnects != self._reconnects:
                    self._reconnects = reconnects
                    return True
            else:
                return False
        return True

    async def _ask(self) -> None:
        room = self._window - self._held - sum(self._asked.values())
        if room < max(1, self._window // 2) or self._subscription is None:
            return
        self._pulls += 1
        reply = f"{self._inbox}.{self._pulls}"
        self._asked[reply] = room
        order = {
            "batch": room,
            "max_bytes": self._max_bytes,
            "expires": _EXPIRES_S * _SECOND,
            "idle_heartbeat": _HEARTBEAT_S * _SECOND,
        }
        await self._connection.publish(self._request, json.dumps(order).encode(), reply=reply)

    async def _on_message(self, message: Msg) -> None:
        headers = message.headers
        status = headers.get("Status") if headers and message.subject.startswith(self._inbox) else None
        if status is None:
            self._count_delivery()
            self._waiting.append(message)
        elif status != "100":
            self._asked.pop(message.subject, None)
            description = str((headers or {}).get("Description", "")).encode()
            self.gone = self.gone or status == "503" or any(sign in description for sign in _GONE)
            if not self.gone:
                await self._ask()
        self._arrived.set()

    def _count_delivery(self) -> None:
        """Count a message against the oldest request: the server serves them in order."""
        self._held += 1
        for reply, left in self._asked.items():
            if left > 1:
                self._asked[reply] = left - 1
            else:
                del self._asked[reply]
            break


def filtered(config: dict[str, Any], filters: Sequence[str]) -> str:
    """Put subject filters into a consumer's configuration; return what comes behind its name in the request's subject.

    A single filter stands in the subject too, where permissions can hold it; NATS has no such form for several.
    """
    if len(filters) == 1:
        config["filter_subject"] = filters[0]
        return f".{filters[0]}"
    if filters:
        config["filter_subjects"] = list(filters)
    return ""


def acked_fields(message: Msg) -> tuple[int, int, int, int, int]:
    """Return (attempt, stream sequence, consumer sequence, stored time in ns, messages left) of a delivery.

    They stand in the reply subject: `$JS.ACK.<stream>.<consumer>.<attempt>.<stream seq>.<consumer seq>.<ns>.<left>`,
    with a domain and an account hash before the stream on newer servers and links.
    """
    parts: list[Any] = message.reply.split(".")
    offset = 2 if len(parts) == 9 else 4
    attempt, sequence, consumer_sequence, stored, left = (int(part) for part in parts[offset + 2 : offset + 7])
    return attempt, sequence, consumer_sequence, stored, left
