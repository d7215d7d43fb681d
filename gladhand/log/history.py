"""Reads one aggregate's whole history in one request: a batched direct get, half a millisecond for eight events."""

from __future__ import annotations

import asyncio
import json
import random

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from gladhand.bus.refusals import permitted
from gladhand.bus.request import Patience, Unanswered

_PAGE = 256
_END = "204"
_NOTHING = "404"


class _Page:
    """What one request has brought so far."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self.more = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self, error: Exception | None = None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)


class HistoryReader:
    """Reads by `next_by_subj`, all answers through one inbox, since a subscription for each read costs more than it."""

    def __init__(self, connection: Client, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience
        self._inbox = connection.new_inbox()
        self._opening: asyncio.Task[None] | None = None
        self._pages: dict[str, _Page] = {}
        self._asked = 0

    async def read(self, stream: str, subjects: str, after: int) -> list[tuple[int, bytes]]:
        """Return (sequence, payload) of every message on `subjects` above `after`. Raises Unanswered, NotPermitted."""
        await self._open()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience.deadline
        found: list[tuple[int, bytes]] = []
        while True:
            page = await self._page(stream, subjects, found[-1][0] if found else after, end)
            found += page.messages
            if not page.more:
                return found

    async def _page(self, stream: str, subjects: str, after: int, end: float) -> _Page:
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await self._ask(stream, subjects, after, min(self._patience.attempt, end - loop.time()))
            except Unanswered:
                pause = self._patience.pause * random.random()
                if loop.time() + pause >= end:
                    raise
                await asyncio.sleep(pause)

    async def _ask(self, stream: str, subjects: str, after: int, wait_s: float) -> _Page:
        self._asked += 1
        reply = f"{self._inbox}.{self._asked}"
        page = self._pages[reply] = _Page()
        order = {"batch": _PAGE, "seq": after + 1, "next_by_subj": subjects}
        request = f"$JS.API.DIRECT.GET.{stream}"
        try:
            with permitted(self._connection, request):
                await self._connection.publish(request, json.dumps(order).encode(), reply=reply)
                async with asyncio.timeout(wait_s):
                    await page.ended
        except (nats_errors.Error, TimeoutError, OSError) as error:
            raise Unanswered(f"{stream}: {str(error) or type(error).__name__}") from error
        finally:
            del self._pages[reply]
        return page

    async def _open(self) -> None:
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = asyncio.ensure_future(self._subscribe())
        await asyncio.shield(self._opening)

    async def _subscribe(self) -> None:
        await self._connection.subscribe(
            f"{self._inbox}.*", cb=self._on_message, pending_msgs_limit=-1, pending_bytes_limit=-1
        )

    async def _on_message(self, message: Msg) -> None:
        page = self._pages.get(message.subject)
        if page is None:
            return
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            page.messages.append((int(headers["Nats-Sequence"]), message.data))
        elif status == _END:
            page.more = int(headers.get("Nats-Num-Pending", "0")) > 0
            page.end()
        elif status == _NOTHING:
            page.end()
        else:
            page.end(Unanswered(f"status {status} {headers.get('Description', '')}"))
