"""Takes settled sales from the ERP into the mesh.

Two halves, so that nothing is lost between an ERP and an orchestrator that are up at different times: the watcher puts
each settled sale on INBOX under an id made of its content, then moves its cursor; the submitter, a durable consumer,
hands it to the orchestrator with bounded retries and parks what is refused as a dead letter.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

from gladhand.bus.port import Bus, KeyValue
from gladhand.errors import GladhandError
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from services.erp_gateway.adapters.port import ErpAdapter, SaleReading
from services.erp_gateway.sales_feed import FeedOptions, SalesFeed

_log = logging.getLogger(__name__)

INBOX = "INBOX"
CONDITION_HEADER = "Gladhand-Sale-Condition"
NUMBER_HEADER = "Gladhand-Sale-Number"
PROBLEM_HEADER = "Gladhand-Sale-Problem"


def inbox_subject(region: str, instance: str, sale: str) -> str:
    """Where a sale stands on INBOX; with ``>`` as sale the filter for all of an ERP instance."""
    return f"logistics.inbox.{region}.{instance.replace('.', '_')}.sale.{sale}"


def request_id(instance: str, reading: SaleReading) -> str:
    """UUIDv5 over instance, sale, content and stamp.

    The stamp belongs to it because content may return to what it once was, and that is a change too.
    """
    name = f"{instance}/{reading.sale}/{reading.condition.value}/{reading.content_sha256}/{reading.stamp}"
    return str(uuid5(NAMESPACE_URL, f"gladhand:erp:{name}"))


class CursorStore:
    """The cursor of one ERP instance in a KV bucket."""

    def __init__(self, bucket: KeyValue, instance: str) -> None:
        self._bucket = bucket
        self._key = f"{instance}/cursor"

    async def read(self) -> str:
        """The kept cursor; empty where there is none."""
        entry = await self._bucket.get(self._key)
        return entry.value.decode() if entry else ""

    async def keep(self, cursor: str) -> None:
        """Keep a cursor."""
        await self._bucket.put(self._key, cursor.encode())


class SalesWatcher:
    """Polls the ERP and fills INBOX. One per ERP instance."""

    def __init__(
        self,
        adapter: ErpAdapter,
        bus: Bus,
        cursors: CursorStore,
        *,
        region: str,
        options: FeedOptions,
        redrive_after: timedelta = timedelta(minutes=1),
    ) -> None:
        self._adapter = adapter
        self._bus = bus
        self._cursors = cursors
        self._region = region
        self._options = options
        self._redrive_after = redrive_after

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until ``stopping`` is set. An ERP or log out of reach is waited out, with growing pauses."""
        cursor = await self._cursors.read()
        feed = SalesFeed(self._adapter, self._options, cursor)
        failures, next_redrive = 0, 0.0
        while not stopping.is_set():
            try:
                await self.step(feed)
                if (now := asyncio.get_running_loop().time()) >= next_redrive:
                    next_redrive = now + self._redrive_after.total_seconds() / 4
                    await self._redrive()
                failures = 0
            except GladhandError as error:
                failures += 1
                log = _log.warning if failures in (1, 10) or failures % 100 == 0 else _log.debug
                log("cannot watch sales: %s", error.message, extra={"facts": {"failures": failures}})
            pause = min(15.0, self._options.interval_s * 2 ** min(failures, 4))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)

    async def step(self, feed: SalesFeed) -> None:
        """Look once, publish what settled, keep the cursor."""
        before = feed.cursor
        for reading in await feed.poll():
            await self._publish(reading)
            feed.settled(reading)
        if feed.cursor != before:
            await self._cursors.keep(feed.cursor)

    async def _publish(self, reading: SaleReading) -> None:
        message = erp.WatchSalesResponse(content_sha256=reading.content_sha256)
        if reading.order is not None:
            message.order.CopyFrom(reading.order)
        headers = {CONDITION_HEADER: reading.condition.value, NUMBER_HEADER: reading.number}
        if reading.problem:
            headers[PROBLEM_HEADER] = " ".join(reading.problem.encode("ascii", "backslashreplace").decode().split())
        await self._bus.publish(
            inbox_subject(self._region, self._adapter.instance, reading.sale),
            message.SerializeToString(deterministic=True),
            message_id=request_id(self._adapter.instance, reading),
            headers=headers,
        )
        _log.info(
            "sale %s is %s",
            reading.number or reading.sale,
            reading.condition.value,
            extra={"facts": {"erp": self._adapter.instance, "sale": reading.sale}},
        )

    async def _redrive(self) -> None:
        """A refusal to re-drive must not stop the feed; it is said once per look."""
        try:
            numbers = await self._adapter.redrive_stuck(self._redrive_after)
        except GladhandError as error:
            _log.warning("cannot re-drive stuck sales: %s", error.message)
            return
        for number in numbers:
            _log.warning("sale %s was stuck in the ERP and has been re-driven", number)
