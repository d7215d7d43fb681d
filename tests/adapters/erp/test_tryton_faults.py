"""What goes wrong with a real Tryton, one trap of the ERP reference (A.3 to A.10) after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.tryton.layout import DATABASE
from deploy.tryton.server import free_port
from gladhand.errors import FailedPrecondition, Unavailable
from gladhand.testing import eventually
from services.erp_gateway.adapters.port import SaleCondition
from services.erp_gateway.adapters.tryton import TrytonAdapter, TrytonOptions
from services.erp_gateway.adapters.tryton_errors import (
    AmbiguousError,
    ConcurrencyError,
    CredentialsRefusedError,
    ForbiddenError,
    NotFoundError,
    NotSentError,
    ThrottledError,
    UserError,
)
from services.erp_gateway.adapters.tryton_rpc import TrytonLogin, TrytonSession
from tests.adapters.erp.harness import (
    INSTANCE,
    NOWHERE,
    OTHER,
    REGION,
    Line,
    delivery_request,
    dispatch_request,
    invoice_request,
    read,
    ready,
)
from tests.adapters.erp.lossy import LossyRelay
from tests.adapters.erp.tryton_harness import TrytonHarness, TrytonUnderTest, adapter_at, login

pytestmark = pytest.mark.tryton


@pytest.fixture
async def session(tryton: TrytonUnderTest, relay: LossyRelay) -> AsyncIterator[TrytonSession]:
    async with TrytonSession(login(tryton, relay.url)) as session:
        yield session


class TestSession:
    async def test_a_lost_session_is_renewed_once_and_unseen(self, session: TrytonSession) -> None:
        await session.search_read("sale.sale", [], ["id"], limit=1)
        await session._authorized("common.db.logout", [])
        assert await session.search_read("res.user", [("login", "=", "gateway")], ["login"])

    async def test_after_a_refused_login_the_client_holds_back(self, tryton: TrytonUnderTest) -> None:
        """Each wrong password makes the server slower for this user, so no second one is sent soon."""
        wrong = TrytonLogin(tryton.server.url, DATABASE, "nobody", "wrong")
        async with TrytonSession(wrong, jitter=lambda: 0.0) as session:
            with pytest.raises(CredentialsRefusedError):
                await session.read("sale.sale", [1], ["state"])
            with pytest.raises(ThrottledError) as held:
                await session.read("sale.sale", [1], ["state"])
            assert 0 < held.value.retry_after <= 2.0

    async def test_answers_of_every_length_are_read(self, session: TrytonSession) -> None:
        """Above 1,400 characters the server says gzip, whether it is or not."""
        short = await session.search_read("ir.lang", [("code", "=", "en")], ["code"])
        fields = await session.model("sale.sale", "fields_get", [])
        assert short[0]["code"] == "en"
        assert len(fields) > 40

    async def test_what_the_user_may_not_call(self, tryton_harness: TrytonHarness, session: TrytonSession) -> None:
        reading = await ready(tryton_harness, Line("HEATER9", 1))
        with pytest.raises(ForbiddenError):
            await session.model("sale.sale", "no_such_method", [])
        (row,) = await session.read("sale.sale", [int(reading.sale)], ["shipments"])
        with pytest.raises(UserError):
            await session.model("stock.shipment.out", "assign_force", row["shipments"])

    async def test_a_database_that_does_not_exist(self, tryton: TrytonUnderTest) -> None:
        async with TrytonSession(TrytonLogin(tryton.server.url, "nosuch", "gateway", "x")) as session:
            with pytest.raises(NotFoundError):
                await session.read("sale.sale", [1], ["state"])

    async def test_a_server_that_is_not_there(self) -> None:
        nowhere = TrytonLogin(f"http://127.0.0.1:{free_port()}", DATABASE, "gateway", "x")
        async with TrytonSession(nowhere, jitter=lambda: 0.0) as session:
            with pytest.raises(NotSentError):
                await session.read("sale.sale", [1], ["state"])
        adapter = TrytonAdapter(nowhere, TrytonOptions(instance=INSTANCE, region=REGION))
        with pytest.raises(Unavailable) as refused:
            await adapter.check()
        assert refused.value.reason == "ERP_UNAVAILABLE"
        await adapter.close()

    async def test_a_record_changed_by_somebody_else_is_not_overwritten(
        self, tryton_harness: TrytonHarness, session: TrytonSession
    ) -> None:
        sale = int(await tryton_harness.place([Line("WATER24", 1)], confirm=False))
        (row,) = await session.read("sale.sale", [sale], ["_timestamp"])
        await tryton_harness.desk.session.write("sale.sale", [sale], {"comment": "by the clerk"})
        seen = {"_timestamp": {f"sale.sale,{sale}": row["_timestamp"]}}
        with pytest.raises(ConcurrencyError):
            await session.write("sale.sale", [sale], {"comment": "ours"}, context=seen)

    async def test_a_read_is_repeated_where_its_answer_is_lost(self, session: TrytonSession, relay: LossyRelay) -> None:
        await session.search_read("sale.sale", [], ["id"], limit=1)
        relay.lose(b'"model.party.party.search_read"')
        assert await session.search_read("party.party", [], ["name"], limit=1)
        assert relay.lost == 1

    async def test_a_write_is_never_repeated_where_its_answer_is_lost(
        self, tryton_harness: TrytonHarness, session: TrytonSession, relay: LossyRelay
    ) -> None:
        sale = int(await tryton_harness.place([Line("WATER24", 1)]))
        resource = f"sale.sale,{sale}"
        await session.search_read("sale.sale", [], ["id"], limit=1)
        relay.lose(b'"model.ir.note.create"')
        with pytest.raises(AmbiguousError):
            await session.create("ir.note", {"resource": resource, "message": "once"})
        assert len(await session.search_read("ir.note", [("resource", "=", resource)], ["id"])) == 1


class TestSales:
    async def test_a_changed_move_does_not_touch_its_sale_and_is_found(self, tryton_harness: TrytonHarness) -> None:
        reading = await ready(tryton_harness, Line("WATER24", 3))
        clerk = tryton_harness.desk.session
        (sale,) = await clerk.read("sale.sale", [int(reading.sale)], ["shipments", "moves"])
        await clerk.model("stock.shipment.out", "draft", sale["shipments"])
        (before,) = await clerk.read("sale.sale", [sale["id"]], ["last_modified_at"])
        page = await tryton_harness.adapter.list_changes("")
        await clerk.write("stock.move", sale["moves"], {"quantity": 2.0})
        (after,) = await clerk.read("sale.sale", [sale["id"]], ["last_modified_at"])
        assert after["last_modified_at"] == before["last_modified_at"]
        news = set((await tryton_harness.adapter.list_changes(page.cursor)).changes) - set(page.changes)
        assert {(change.sale, change.document.partition(",")[0]) for change in news} == {(reading.sale, "stock.move")}

    async def test_a_position_filled_in_later_changes_the_order(self, tryton_harness: TrytonHarness) -> None:
        reading = await ready(tryton_harness, Line("WATER24", 1), customer=NOWHERE.code)
        assert reading.order is not None
        address = int(reading.order.ship_to.references[0].value)
        page = await tryton_harness.adapter.list_changes("")
        clerk = tryton_harness.desk.session
        (row,) = await clerk.read("party.address", [address], ["party"])
        where = {"party": row["party"], "address": address, "type": "other", "value": "geo:39.75,-105.0"}
        async with TrytonSession(tryton_harness.admin) as admin:
            (added,) = await admin.create("party.contact_mechanism", where)
            news = set((await tryton_harness.adapter.list_changes(page.cursor)).changes) - set(page.changes)
            assert reading.sale in {change.sale for change in news}
            after = await read(tryton_harness, reading.sale)
            assert after.order is not None
            assert (after.order.ship_to.point.latitude, after.order.ship_to.point.longitude) == (39.75, -105.0)
            await admin.model("party.contact_mechanism", "delete", [added])

    async def test_the_desk_places_a_reference_once(self, tryton_harness: TrytonHarness) -> None:
        """The ERP itself takes the same reference twice."""
        request = tryton_harness.request([Line("WATER24", 1)])
        first, second = await tryton_harness.desk.place(request), await tryton_harness.desk.place(request)
        assert first == second

    async def test_a_sale_being_edited_is_not_ready(self, tryton_harness: TrytonHarness) -> None:
        reading = await ready(tryton_harness, Line("WATER24", 1))
        (row,) = await tryton_harness.desk.session.read("sale.sale", [int(reading.sale)], ["shipments"])
        await tryton_harness.desk.session.model("stock.shipment.out", "draft", row["shipments"])
        assert (await read(tryton_harness, reading.sale)).condition is SaleCondition.EDITED


class TestPosting:
    async def test_a_lost_answer_at_each_step_of_a_delivery(self, tryton_harness: TrytonHarness) -> None:
        for button in (b"assign_try", b"cancel"):  # "do" is tried by the suite
            reading = await ready(tryton_harness, Line("WATER24", 5))
            request = delivery_request(reading, {"WATER24": 4})
            tryton_harness.relay.lose(b'"model.stock.shipment.out.' + button + b'"')
            await tryton_harness.adapter.post_delivery(request)
            books = await tryton_harness.books(reading.sale)
            assert (books.delivered, books.waiting, books.invoices) == ({"WATER24": 4}, 0, 1), button
        assert tryton_harness.relay.lost == 2

    async def test_a_lost_answer_at_each_step_of_an_invoice(self, tryton_harness: TrytonHarness) -> None:
        for step in (b"write", b"validate_invoice"):  # "post" is tried by the suite
            reading = await ready(tryton_harness, Line("WATER24", 5))
            await tryton_harness.adapter.post_delivery(delivery_request(reading))
            tryton_harness.relay.lose(b'"model.account.invoice.' + step + b'"')
            await tryton_harness.adapter.post_invoice(invoice_request(reading))
            assert len((await tryton_harness.books(reading.sale)).posted) == 1
        assert tryton_harness.relay.lost == 2

    async def test_a_client_that_gives_up_first_finds_the_work_done(
        self, tryton: TrytonUnderTest, tryton_harness: TrytonHarness
    ) -> None:
        reading = await ready(tryton_harness, Line("WATER24", 5))
        hasty = adapter_at(tryton, tryton_harness.relay.url, timeout_s=3.0)
        await hasty.check()
        tryton_harness.relay.mute(b'"model.stock.shipment.out.do"')
        await hasty.post_delivery(delivery_request(reading))
        assert (await tryton_harness.books(reading.sale)).delivered == {"WATER24": 5}
        await hasty.close()

    async def test_while_an_outcome_is_unknown_nothing_else_is_sent(
        self, tryton: TrytonUnderTest, tryton_harness: TrytonHarness
    ) -> None:
        """A call cut off by its caller may still be at work in the ERP: the next one is asked to come later."""
        reading = await ready(tryton_harness, Line("WATER24", 5))
        tryton_harness.relay.mute(b'"model.stock.shipment.out.pick"')
        call = asyncio.create_task(tryton_harness.adapter.post_delivery(delivery_request(reading)))
        await eventually(lambda: tryton_harness.relay.lost == 1)
        call.cancel()
        await asyncio.wait([call])
        with pytest.raises(Unavailable):
            await tryton_harness.adapter.post_delivery(delivery_request(reading))

        async def answered() -> bool:
            try:
                await tryton_harness.adapter.post_delivery(delivery_request(reading))
            except Unavailable:
                return False
            return True

        await eventually(answered, within=20.0)
        assert (await tryton_harness.books(reading.sale)).delivered == {"WATER24": 5}

    async def test_two_invoices_of_one_sale_are_not_chosen_from(self, tryton_harness: TrytonHarness) -> None:
        """Shipments completed one by one by an ERP user make two drafts: a person has to merge them."""
        reading = await ready(tryton_harness, Line("WATER24", 5), Line("COFFEE5", 2, OTHER))
        clerk = tryton_harness.desk.session
        (row,) = await clerk.read("sale.sale", [int(reading.sale)], ["shipments"])
        for shipment in row["shipments"]:
            for button in ("assign_try", "pick", "pack", "do"):
                await clerk.model("stock.shipment.out", button, [shipment])
        with pytest.raises(FailedPrecondition) as refused:
            await tryton_harness.adapter.post_invoice(invoice_request(reading))
        assert refused.value.reason == "ERP_REFUSED"
        assert (await tryton_harness.books(reading.sale)).posted == ()

    async def test_an_invoice_posted_by_hand_is_adopted(self, tryton_harness: TrytonHarness) -> None:
        reading = await ready(tryton_harness, Line("WATER24", 5))
        await tryton_harness.adapter.post_delivery(delivery_request(reading))
        async with TrytonSession(tryton_harness.admin) as admin:
            (row,) = await admin.read("sale.sale", [int(reading.sale)], ["invoices"])
            await admin.model("account.invoice", "post", row["invoices"])
        answer = await tryton_harness.adapter.post_invoice(invoice_request(reading))
        assert answer.already_posted
        assert (await tryton_harness.books(reading.sale)).posted == (answer.erp_invoice.value,)

    async def test_a_delivery_completed_by_hand_is_adopted_where_it_says_the_same(
        self, tryton_harness: TrytonHarness
    ) -> None:
        clerk = tryton_harness.desk.session
        readings = [await ready(tryton_harness, Line("WATER24", 5)) for _ in range(2)]
        for reading in readings:
            (row,) = await clerk.read("sale.sale", [int(reading.sale)], ["shipments"])
            for button in ("assign_try", "pick", "pack", "do"):
                await clerk.model("stock.shipment.out", button, row["shipments"])
        answer = await tryton_harness.adapter.post_delivery(delivery_request(readings[0]))
        assert answer.lines[0].accepted.value == "5"
        with pytest.raises(FailedPrecondition) as refused:
            await tryton_harness.adapter.post_delivery(delivery_request(readings[1], {"WATER24": 4}))
        assert refused.value.reason == "ERP_REFUSED"

    async def test_a_shipment_already_reserved_takes_a_smaller_quantity(self, tryton_harness: TrytonHarness) -> None:
        reading = await ready(tryton_harness, Line("WATER24", 5))
        clerk = tryton_harness.desk.session
        (row,) = await clerk.read("sale.sale", [int(reading.sale)], ["shipments"])
        await clerk.model("stock.shipment.out", "assign_try", row["shipments"])
        await tryton_harness.adapter.confirm_dispatch(dispatch_request(reading))
        await tryton_harness.adapter.post_delivery(delivery_request(reading, {"WATER24": 3}))
        books = await tryton_harness.books(reading.sale)
        assert (books.delivered, books.waiting) == ({"WATER24": 3}, 0)

    async def test_a_dispatch_is_told_with_vehicle_and_driver(self, tryton_harness: TrytonHarness) -> None:
        reading = await ready(tryton_harness, Line("WATER24", 5))
        request = dispatch_request(reading)
        for _ in range(2):
            await tryton_harness.adapter.confirm_dispatch(request)
        clerk = tryton_harness.desk.session
        (row,) = await clerk.read("sale.sale", [int(reading.sale)], ["shipments"])
        notes = await clerk.search_read(
            "ir.note", [("resource", "=", f"stock.shipment.out,{row['shipments'][0]}")], ["message"]
        )
        assert len(notes) == 1
        assert "Vehicle: Truck 12" in notes[0]["message"]
