"""A Tryton that is killed, or that leaves work to its queue (ERP reference A.6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest

from deploy.tryton.credentials import Credentials
from deploy.tryton.layout import Home
from deploy.tryton.server import Server
from gladhand.errors import Unavailable
from gladhand.testing import eventually
from services.erp_gateway.adapters.port import SaleCondition
from services.erp_gateway.adapters.tryton_errors import TrytonError
from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from tests.adapters.erp.harness import Line, delivery_request, invoice_request, read
from tests.adapters.erp.lossy import LossyRelay
from tests.adapters.erp.tryton_harness import TrytonHarness, TrytonUnderTest

pytestmark = [pytest.mark.tryton, pytest.mark.chaos]


@asynccontextmanager
async def late_worker(harness: TrytonHarness, sale: str) -> AsyncIterator[None]:
    """Does what the queued tasks would do, a while after they were queued. Tryton's own worker needs PostgreSQL."""

    stopping = asyncio.Event()

    async def work() -> None:
        async with TrytonSession(harness.admin) as admin:
            while not stopping.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), 0.7)
                await admin.model("sale.sale", "process", [int(sale)])

    working = asyncio.create_task(work())
    try:
        yield
    finally:
        stopping.set()
        await working


@asynccontextmanager
async def running(home: Home, **settings: str) -> AsyncIterator[TrytonHarness]:
    with Server(home, extra_environment=settings) as server:
        async with LossyRelay(server.port) as relay:
            under_test = TrytonUnderTest(home, server, Credentials.load(home.credentials))
            harness = TrytonHarness(under_test, relay)
            yield harness
            await harness.close()


class TestCrashes:
    """With a server of its own: it is killed, or leaves work to a queue that nobody serves."""

    async def test_an_erp_killed_in_the_middle_of_a_confirmation(self, own_home: Home) -> None:
        """The kill comes when the sale is confirmed and not yet processed; whatever it leaves is put right."""
        async with running(own_home) as harness:
            server = harness.server
            request = harness.request([Line("WATER24", 4)])
            sale = await harness.desk.draft(request)
            await harness.desk.session.model("sale.sale", "quote", [sale])
            confirm = asyncio.create_task(harness.desk.session.model("sale.sale", "confirm", [sale]))
            seen: list[str] = []

            async def under_way() -> bool:
                (row,) = await harness.adapter._session.read("sale.sale", [sale], ["state"])
                seen.append(row["state"])
                return confirm.done() or row["state"] != "quotation"

            await eventually(under_way)
            server.kill()
            await asyncio.wait([confirm])
            server.start()
            await harness.desk.place(request)
            (row,) = await harness.desk.session.read("sale.sale", [sale], ["state"])
            pushed = await harness.adapter.redrive_stuck(timedelta(0))
            assert bool(pushed) == (row["state"] == "confirmed"), seen
            assert (await read(harness, str(sale))).condition is SaleCondition.READY
            (row,) = await harness.desk.session.read("sale.sale", [sale], ["shipments"])
            assert len(row["shipments"]) == 1
            assert confirm.done()
            assert confirm.exception() is None or isinstance(confirm.exception(), TrytonError)

    async def test_a_sale_stuck_in_confirmed_is_pushed_on(self, own_home: Home) -> None:
        """A queue that nobody serves leaves what a crash leaves: confirmed, no shipment."""
        async with running(own_home, TRYTOND_QUEUE__WORKER="True") as harness:
            sale = await harness.place([Line("WATER24", 4)])
            assert (await read(harness, sale)).condition is SaleCondition.EDITED
            assert await harness.adapter.redrive_stuck(timedelta(minutes=5)) == []
            assert len(await harness.adapter.redrive_stuck(timedelta(0))) == 1
            assert (await read(harness, sale)).condition is SaleCondition.READY
            assert await harness.adapter.redrive_stuck(timedelta(0)) == []

    async def test_work_that_the_erp_does_later_is_waited_for(self, own_home: Home) -> None:
        """Shipments appear after the confirmation, remainder and invoice after the delivery."""
        async with running(own_home, TRYTOND_QUEUE__WORKER="True") as harness:
            sale = await harness.place([Line("WATER24", 4)])
            assert (await read(harness, sale)).condition is SaleCondition.EDITED
            async with late_worker(harness, sale):

                async def arrived() -> bool:
                    return (await read(harness, sale)).condition is SaleCondition.READY

                await eventually(arrived, within=30.0)
                reading = await read(harness, sale)
                kept = {"WATER24": 3}

                async def posted() -> bool:
                    try:
                        await harness.adapter.post_delivery(delivery_request(reading, kept))
                        await harness.adapter.post_invoice(invoice_request(reading, kept))
                    except Unavailable:
                        return False
                    return True

                await eventually(posted, within=60.0)
                books = await harness.books(sale)
                assert (books.delivered, books.waiting, len(books.posted)) == ({"WATER24": 3}, 0, 1)
