"""What customers and carriers see of a running orchestrator, by their tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

import grpc
import pytest
from nats.aio.client import Client

from gladhand.client import call
from gladhand.errors import GladhandError, NotFound, PermissionDenied
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.policy import read_contracts
from gladhand.server import ServiceProcess
from gladhand.testing import VirtualClock, eventually
from logistics.contract.v1 import AUDIENCE_INTERNAL
from logistics.load.v1 import CarrierAnswer, LoadState, LoadTendered, TenderOffer, TenderState
from logistics.orchestrator.v1 import (
    GetLoadRequest,
    GetOrderRequest,
    ListInvoicesRequest,
    ListLoadsRequest,
    ListOrdersRequest,
    OrchestratorServiceStub,
    RecordProofOfDeliveryRequest,
    RespondToTenderRequest,
    SubmitOrderRequest,
    WatchOrdersRequest,
    orchestrator_service_pb2,
)
from logistics.order.v1 import Order
from logistics.pod.v1 import PodLine, PodMethod, ProofOfDelivery
from logistics.type.v1 import ExternalReference, Money, ReferenceType
from services.orchestrator.main import assemble
from services.orchestrator.read_model import Projector
from services.orchestrator.settings import OrchestratorSettings
from tests.adapters.read_model.story import Story, name
from tests.adapters.serving.door import Issuer, bearer
from tests.simulation.world import an_order, pieces

if TYPE_CHECKING:
    from logistics.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceAsyncStub

Stub: TypeAlias = "OrchestratorServiceAsyncStub"
LIMITED = {
    "GetOrder", "ListOrders", "WatchOrders", "GetLoad", "ListLoads", "RecordProofOfDelivery", "RespondToTender",
    "RecordCarrierInvoice", "GetPayable", "ListPayables", "AnswerDispute",
}  # fmt: skip
"""Methods that others than our own may call; each has a test below."""


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.fixture
async def stub(settings: OrchestratorSettings, issuer: Issuer) -> AsyncIterator[Stub]:
    """A client of an orchestrator that asks for tokens. Its processes rest, so that loads stay as they are told."""

    async def build(process: ServiceProcess[OrchestratorSettings]) -> None:
        ports, _ = await assemble(process)
        process.add_task("projector", Projector(ports.store, ports.read_model).run)

    guarded = settings.model_copy(update={"jwks": str(issuer.jwks)})
    async with (
        ServiceProcess("orchestrator", guarded).serving(build) as running,
        grpc.aio.insecure_channel(running.target) as channel,
    ):
        yield OrchestratorServiceStub(channel)


@pytest.fixture
def story(nats_connection: Client) -> Story:
    return Story(JetStreamEventStore(nats_connection, source="test"), VirtualClock())


@pytest.fixture
def staff(issuer: Issuer) -> Any:
    return bearer(issuer.token(sub="clerk", scope="orders.write orders.read loads.read pods.write invoices.read"))


def customer(issuer: Issuer, code: str) -> Any:
    scope = "orders.read loads.read invoices.read"
    return bearer(issuer.token(sub=f"portal-{code}", aud="gladhand.customer", scope=scope, party=f"books:{code}"))


def carrier(issuer: Issuer, scac: str) -> Any:
    scope = "orders.read loads.read pods.write tenders.answer"
    return bearer(issuer.token(sub=scac, aud="gladhand.partner", scope=scope, party=f"SCAC:{scac}"))


async def submitted(stub: Stub, staff: Any, number: str, code: str) -> Order:
    order = an_order(number)
    kind = ReferenceType.REFERENCE_TYPE_PARTY
    order.customer.references.append(ExternalReference(system="books", type=kind, value=code))
    request = SubmitOrderRequest(request_id=str(uuid4()), order=order)
    recorded = (await call(stub.SubmitOrder(request, metadata=staff))).order
    await call(stub.GetOrder(GetOrderRequest(order_id=recorded.order_id, at_least_version=1), metadata=staff))
    return recorded


async def refusal(answer: Any) -> GladhandError:
    with pytest.raises(GladhandError) as caught:
        await call(answer)
    return caught.value


def test_nothing_is_open_to_others_that_does_not_look_whose_it_is() -> None:
    methods = read_contracts(orchestrator_service_pb2.DESCRIPTOR.services_by_name.values())
    assert {each.name for each in methods.values() if each.audience != {AUDIENCE_INTERNAL}} == LIMITED


async def test_a_customer_sees_its_own_orders_and_of_others_not_even_that_they_are(
    stub: Stub, staff: Any, issuer: Issuer
) -> None:
    mine, other = await submitted(stub, staff, "SO-1", "K1"), await submitted(stub, staff, "SO-2", "K2")
    who = customer(issuer, "K1")
    shown = await call(stub.GetOrder(GetOrderRequest(order_id=mine.order_id), metadata=who))
    assert shown.order.order_id == mine.order_id
    listed = await call(stub.ListOrders(ListOrdersRequest(), metadata=who))
    assert [order.order_id for order in listed.orders] == [mine.order_id]
    assert not (await call(stub.ListOrders(ListOrdersRequest(reference="SO-2"), metadata=who))).orders
    told = []
    for order_id in (other.order_id, str(uuid4())):
        error = await refusal(stub.GetOrder(GetOrderRequest(order_id=order_id), metadata=who))
        assert isinstance(error, NotFound)
        told.append((error.message.replace(order_id, "X"), error.reason, sorted(error.metadata)))
    assert told[0] == told[1]


async def test_a_page_token_of_one_customer_is_worth_nothing_to_another(stub: Stub, staff: Any, issuer: Issuer) -> None:
    for number in range(4):
        await submitted(stub, staff, f"SO-{number}", f"K{number % 2 + 1}")
    page = await call(stub.ListOrders(ListOrdersRequest(page_size=1), metadata=customer(issuer, "K1")))
    stolen = ListOrdersRequest(page_size=1, page_token=page.next_page_token)
    error = await refusal(stub.ListOrders(stolen, metadata=customer(issuer, "K2")))
    assert error.reason == "PAGE_TOKEN_INVALID"


async def test_a_customer_watches_its_own_orders_alone(stub: Stub, staff: Any, issuer: Issuer) -> None:
    mine, other = await submitted(stub, staff, "SO-1", "K1"), await submitted(stub, staff, "SO-2", "K2")
    who = customer(issuer, "K1")
    watching: Any = stub.WatchOrders(WatchOrdersRequest(from_beginning=True), metadata=who)
    first = await watching.read()
    assert first.event.order_id == mine.order_id
    assert first.event.received.order.customer.references[0].value == "K1"
    assert not first.event.HasField("actor")
    later = await submitted(stub, staff, "SO-3", "K2"), await submitted(stub, staff, "SO-4", "K1")
    assert (await watching.read()).event.order_id == later[1].order_id
    watching.cancel()
    foreign = WatchOrdersRequest(order_ids=[mine.order_id, other.order_id], from_beginning=True)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.WatchOrders(foreign, metadata=who).read()
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_carrier_sees_its_own_loads_alone_and_proves_deliveries_of_its_own_alone(
    stub: Stub, staff: Any, issuer: Issuer, story: Story
) -> None:
    order = await submitted(stub, staff, "SO-1", "K1")
    mine = await story.plan("mine", order.order_id, carrier="MGCT")
    other = await story.plan("other", order.order_id, carrier="ABCD")
    who = carrier(issuer, "MGCT")

    async def both_known() -> bool:
        return len((await call(stub.ListLoads(ListLoadsRequest(), metadata=staff))).loads) == 2

    await eventually(both_known)
    listed = await call(stub.ListLoads(ListLoadsRequest(order_id=order.order_id), metadata=who))
    assert [load.load_id for load in listed.loads] == [mine]
    assert (await call(stub.GetLoad(GetLoadRequest(load_id=mine), metadata=who))).load.carrier_scac == "MGCT"
    assert isinstance(await refusal(stub.GetLoad(GetLoadRequest(load_id=other), metadata=who)), NotFound)

    def proof(word: str, load_id: str) -> RecordProofOfDeliveryRequest:
        line = PodLine(
            order_id=order.order_id, line_id="1", delivered=pieces(9), accepted=pieces(9), rejected=pieces(0)
        )
        methods = [PodMethod.POD_METHOD_PHOTO]
        pod = ProofOfDelivery(pod_id=str(uuid4()), stop_id=name(f"{word}/1"), methods=methods, lines=[line])
        pod.load_id = load_id
        pod.capture_time.GetCurrentTime()
        return RecordProofOfDeliveryRequest(request_id=str(uuid4()), pod=pod)

    foreign = await refusal(stub.RecordProofOfDelivery(proof("other", other), metadata=who))
    never = await refusal(stub.RecordProofOfDelivery(proof("never", mine), metadata=who))
    assert foreign.reason == never.reason == "STOP_NOT_FOUND"
    own = await refusal(stub.RecordProofOfDelivery(proof("mine", mine), metadata=who))
    assert own.reason in {"POD_LINES_DO_NOT_ADD_UP", "POD_INVALID"}


async def test_a_carrier_answers_its_own_offers_alone_and_sees_no_others(
    stub: Stub, staff: Any, issuer: Issuer, story: Story
) -> None:
    load_id = await story.plan("offered", (await submitted(stub, staff, "SO-1", "K1")).order_id)
    offers = [
        TenderOffer(
            tender_id=str(uuid4()),
            carrier_scac=scac,
            tender_revision=number,
            state=TenderState.TENDER_STATE_SENT,
            offered_rate=Money(currency="USD", units=900 + number),
        )
        for number, scac in enumerate(("MGCT", "ABCD"), 1)
    ]
    for each in offers:
        each.respond_by_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    await story.tell("load", load_id, LoadTendered(carrier_scac="MGCT", offers=offers, tender_revision=1))
    who = carrier(issuer, "MGCT")

    def answer(tender_id: str, scac: str = "") -> RespondToTenderRequest:
        return RespondToTenderRequest(
            request_id=str(uuid4()),
            load_id=load_id,
            tender_id=tender_id,
            carrier_scac=scac,
            answer=CarrierAnswer.CARRIER_ANSWER_ACCEPTED,
        )

    request = GetLoadRequest(load_id=load_id, at_least_version=2)
    shown = (await call(stub.GetLoad(request, metadata=who))).load
    assert [each.carrier_scac for each in shown.tenders] == ["MGCT"]
    for foreign in (answer(offers[1].tender_id), answer(offers[0].tender_id, "ABCD"), answer("unknown")):
        assert (await refusal(stub.RespondToTender(foreign, metadata=who))).reason == "TENDER_NOT_FOUND"
    assert isinstance(
        await refusal(stub.RespondToTender(answer(""), metadata=customer(issuer, "K1"))), PermissionDenied
    )
    taken = await call(stub.RespondToTender(answer(offers[0].tender_id), metadata=who))
    assert taken.load_state == LoadState.LOAD_STATE_ACCEPTED
    late = await refusal(stub.RespondToTender(answer(offers[1].tender_id), metadata=carrier(issuer, "ABCD")))
    assert late.reason == "TENDER_CLOSED"


async def test_what_is_not_opened_stays_shut(stub: Stub, issuer: Issuer) -> None:
    shut: list[tuple[Any, Any, Any]] = [
        (stub.ListInvoices, ListInvoicesRequest(), customer(issuer, "K1")),
        (stub.ListLoads, ListLoadsRequest(), customer(issuer, "K1")),
        (stub.ListOrders, ListOrdersRequest(), carrier(issuer, "MGCT")),
    ]
    for method, request, who in shut:
        assert isinstance(await refusal(method(request, metadata=who)), PermissionDenied)
    nobodys = bearer(issuer.token(aud="gladhand.customer", scope="orders.read"))
    error = await refusal(stub.ListOrders(ListOrdersRequest(), metadata=nobodys))
    assert "names no party" in error.message
