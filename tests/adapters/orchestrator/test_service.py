"""The orchestrator's service as its callers meet it: a good order, every kind of bad one, and what is refused why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from uuid import uuid4

import pytest

from gladhand import ids
from gladhand.client import call
from gladhand.errors import (
    AlreadyExists,
    FailedPrecondition,
    GladhandError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    RequestIdReused,
)
from gladhand.testing import eventually
from logistics.exception.v1 import Gate, Hold, HoldKind
from logistics.load.v1 import Load, LoadState
from logistics.orchestrator.v1 import (
    AmendOrderRequest,
    CancelOrderRequest,
    GetHistoryRequest,
    GetLoadRequest,
    GetOrderRequest,
    ListExceptionsRequest,
    ListLoadsRequest,
    ListOrdersRequest,
    PlaceHoldRequest,
    RecordProofOfDeliveryRequest,
    ReleaseHoldRequest,
    StartPlanningWaveRequest,
    SubmitOrderRequest,
    WatchOrdersRequest,
)
from logistics.order.v1 import Order, OrderState
from logistics.pod.v1 import PodLine, PodMethod, ProofOfDelivery
from tests.adapters.orchestrator.gateways import Gateways
from tests.simulation.world import an_order, pieces

if TYPE_CHECKING:
    from logistics.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceAsyncStub

T = TypeVar("T")
Stub: TypeAlias = "OrchestratorServiceAsyncStub"


async def submit(stub: Stub, order: Order, request_id: str = "") -> Order:
    answer = await call(stub.SubmitOrder(SubmitOrderRequest(request_id=request_id or str(uuid4()), order=order)))
    return answer.order


async def in_state(stub: Stub, order_id: str, state: OrderState.ValueType) -> Order:
    async def reached() -> Order | None:
        found = (await call(stub.GetOrder(GetOrderRequest(order_id=order_id, at_least_version=1)))).order
        return found if found.state == state else None

    found = await eventually(reached, within=15, what=OrderState.Name(state))
    assert found is not None
    return found


async def dispatched(stub: Stub, load_id: str) -> Load:
    async def reached() -> Load | None:
        # Planned, assigned, dispatched: the third event of a load.
        found = (await call(stub.GetLoad(GetLoadRequest(load_id=load_id, at_least_version=3)))).load
        return found if found.state == LoadState.LOAD_STATE_DISPATCHED else None

    found = await eventually(reached, within=15, what="a dispatched load")
    assert found is not None
    return found


async def refusal(answer: Awaitable[T]) -> GladhandError:
    with pytest.raises(GladhandError) as caught:
        await call(answer)
    return caught.value


async def test_an_order_is_validated_planned_and_dispatched(orchestrator: Stub, gateways: Gateways) -> None:
    submitted = await submit(orchestrator, an_order("SO-1", ("CRATE", 4)))
    order = await in_state(orchestrator, submitted.order_id, OrderState.ORDER_STATE_DISPATCHED)
    load = await dispatched(orchestrator, order.load_ids[0])
    await eventually(lambda: gateways.erp.confirmed[(order.order_id, load.load_id)] >= 1)
    expected = ["order.received", "order.validated", "order.released", "load.planned", "order.dispatched"]

    async def told() -> bool:
        # Which loads belong to the journey is the read model's knowledge, which follows the log.
        journey = GetHistoryRequest(aggregate="order", id=order.order_id, journey=True)
        entries = (await call(orchestrator.GetHistory(journey))).entries
        assert all(entry.causation_id for entry in entries if entry.version > 1)
        events = [f"{entry.aggregate}.{entry.event}" for entry in entries]
        assert [event for event in events if event in expected] == expected
        return True

    await eventually(told)


async def test_the_same_sale_again_is_the_same_order(orchestrator: Stub) -> None:
    order = an_order("SO-1")
    first = await submit(orchestrator, order)
    again = await call(orchestrator.SubmitOrder(SubmitOrderRequest(request_id=str(uuid4()), order=order)))
    assert again.order.order_id == first.order_id
    assert not again.created


async def test_the_same_request_gives_the_first_answer_and_another_body_is_refused(orchestrator: Stub) -> None:
    request_id = str(uuid4())
    first = await submit(orchestrator, an_order("SO-1"), request_id)
    assert (await submit(orchestrator, an_order("SO-1"), request_id)).order_id == first.order_id
    other = SubmitOrderRequest(request_id=request_id, order=an_order("SO-1", ("CRATE", 9)))
    refused = await refusal(orchestrator.SubmitOrder(other))
    assert isinstance(refused, RequestIdReused | AlreadyExists)


async def test_another_wish_under_a_used_request_id_is_refused_and_never_taken_for_done(
    orchestrator: Stub, gateways: Gateways
) -> None:
    gateways.erp.short.add("GHOST")
    order = await submit(orchestrator, an_order("SO-1", ("GHOST", 1)))
    await in_state(orchestrator, order.order_id, OrderState.ORDER_STATE_REJECTED)
    unwanted = await submit(orchestrator, an_order("SO-2"))
    amending, cancelling, planning = (str(uuid4()) for _ in range(3))

    def amend(count: int) -> AmendOrderRequest:
        amended = an_order("SO-1", ("GHOST", count))
        return AmendOrderRequest(request_id=amending, order_id=order.order_id, order=amended)

    def cancel(reason: str) -> CancelOrderRequest:
        return CancelOrderRequest(request_id=cancelling, order_id=unwanted.order_id, reason=reason)

    def plan(region: str) -> StartPlanningWaveRequest:
        return StartPlanningWaveRequest(request_id=planning, region=region)

    ways: list[tuple[Callable[[Any], Awaitable[Any]], Any, Any]] = [
        (orchestrator.AmendOrder, amend(2), amend(3)),
        (orchestrator.StartPlanningWave, plan("eu"), plan("apac")),
        (orchestrator.CancelOrder, cancel("no longer wanted"), cancel("fraud")),
    ]
    for method, first, other in ways:
        answer = await call(method(first))
        assert await call(method(first)) == answer
        refused = await refusal(method(other))
        assert isinstance(refused, RequestIdReused)
        assert len(refused.first_digest) == 64


async def test_a_changed_sale_is_an_amendment_until_it_is_planned(orchestrator: Stub, gateways: Gateways) -> None:
    gateways.erp.short.add("GHOST")
    first = await submit(orchestrator, an_order("SO-1", ("GHOST", 1)))
    rejected = await in_state(orchestrator, first.order_id, OrderState.ORDER_STATE_REJECTED)
    assert [check.reason for check in rejected.checks] == ["STOCK_SHORT"]
    mended = await submit(orchestrator, an_order("SO-1", ("CRATE", 2)))
    assert mended.order_id == first.order_id
    assert mended.revision == rejected.revision + 1
    await in_state(orchestrator, first.order_id, OrderState.ORDER_STATE_DISPATCHED)
    late = SubmitOrderRequest(request_id=str(uuid4()), order=an_order("SO-1", ("CRATE", 3)))
    refused = await refusal(orchestrator.SubmitOrder(late))
    assert refused.reason == "REFERENCE_CONFLICT"
    amend = AmendOrderRequest(request_id=str(uuid4()), order_id=first.order_id, order=an_order("SO-1", ("CRATE", 3)))
    assert (await refusal(orchestrator.AmendOrder(amend))).reason == "AMEND_NOT_POSSIBLE"
    order = (await call(orchestrator.GetOrder(GetOrderRequest(order_id=first.order_id)))).order
    assert order.lines[0].quantities.ordered.value == "2"


async def test_a_rejected_order_is_told_of_by_an_exception(orchestrator: Stub, gateways: Gateways) -> None:
    gateways.erp.short.add("GHOST")
    order = await submit(orchestrator, an_order("SO-1", ("GHOST", 1)))

    async def told() -> bool:
        page = await call(orchestrator.ListExceptions(ListExceptionsRequest(order_id=order.order_id)))
        return any("nothing of GHOST is in stock" in each.message for each in page.exceptions)

    await eventually(told, within=15)


def _negative() -> Order:
    return an_order("SO-1", ("CRATE", -4))


def _without_number() -> Order:
    order = an_order("SO-1")
    order.references[0].system = "another-erp"
    return order


def _twice_the_same_line() -> Order:
    order = an_order("SO-1", ("CRATE", 1), ("PALLET", 1))
    order.lines[1].line_id = "1"
    return order


def _without_lines() -> Order:
    order = an_order("SO-1")
    del order.lines[:]
    return order


def _words_for_a_number() -> Order:
    order = an_order("SO-1")
    order.lines[0].quantities.ordered.value = "four"
    return order


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (_negative(), "order"),
        (_without_number(), "order.references"),
        (_twice_the_same_line(), "order"),
        (_without_lines(), "order.lines"),
        (_words_for_a_number(), "order.lines[0].quantities.ordered.value"),
    ],
)
async def test_a_wrong_order_is_refused_by_field_and_nothing_is_recorded(
    orchestrator: Stub, order: Order, field: str
) -> None:
    refused = await refusal(orchestrator.SubmitOrder(SubmitOrderRequest(request_id=str(uuid4()), order=order)))
    assert isinstance(refused, InvalidArgument)
    assert any(violation.field == field for violation in refused.violations)
    assert not (await call(orchestrator.ListOrders(ListOrdersRequest()))).orders


async def test_what_does_not_exist_is_named(orchestrator: Stub) -> None:
    nobody = str(uuid4())
    missing = await refusal(orchestrator.GetOrder(GetOrderRequest(order_id=nobody)))
    assert isinstance(missing, NotFound)
    assert missing.reason == "ORDER_NOT_FOUND"
    cancel = CancelOrderRequest(request_id=str(uuid4()), order_id=nobody, reason="no longer wanted")
    assert (await refusal(orchestrator.CancelOrder(cancel))).reason == "ORDER_NOT_FOUND"
    proof = ProofOfDelivery(
        pod_id=str(uuid4()),
        stop_id=nobody,
        methods=[PodMethod.POD_METHOD_PHOTO],
        lines=[PodLine(order_id=nobody, line_id="1", delivered=pieces(1), accepted=pieces(1), rejected=pieces(0))],
    )
    proof.capture_time.GetCurrentTime()
    record = RecordProofOfDeliveryRequest(request_id=str(uuid4()), pod=proof)
    assert (await refusal(orchestrator.RecordProofOfDelivery(record))).reason == "STOP_NOT_FOUND"


async def test_a_proof_whose_lines_do_not_add_up_is_kept_and_refused(orchestrator: Stub) -> None:
    submitted = await submit(orchestrator, an_order("SO-1", ("CRATE", 4)))
    order = await in_state(orchestrator, submitted.order_id, OrderState.ORDER_STATE_DISPATCHED)
    load = await dispatched(orchestrator, order.load_ids[0])
    proof = ProofOfDelivery(
        pod_id=ids.derive(load.load_id, "pod"),
        stop_id=load.stops[1].stop_id,
        methods=[PodMethod.POD_METHOD_SIGNATURE],
        signer_name="R. Ruiz",
        lines=[
            PodLine(order_id=order.order_id, line_id="1", delivered=pieces(4), accepted=pieces(3), rejected=pieces(1))
        ],
    )
    proof.capture_time.GetCurrentTime()
    record = RecordProofOfDeliveryRequest(request_id=str(uuid4()), pod=proof)
    refused = await refusal(orchestrator.RecordProofOfDelivery(record))
    assert isinstance(refused, InvalidArgument)
    assert refused.reason == "POD_LINES_DO_NOT_ADD_UP"
    history = await call(orchestrator.GetHistory(GetHistoryRequest(aggregate="pod", id=proof.pod_id)))
    assert [entry.event for entry in history.entries] == ["captured", "rejected"]
    after = (await call(orchestrator.GetLoad(GetLoadRequest(load_id=load.load_id)))).load
    assert after.state == LoadState.LOAD_STATE_DISPATCHED


async def test_a_hold_blocks_planning_until_somebody_else_releases_it(orchestrator: Stub, gateways: Gateways) -> None:
    gateways.erp.faults.plan("validate_order", FailedPrecondition("wait", reason="ERP_REFUSED"))
    order = await submit(orchestrator, an_order("SO-1"))
    hold = Hold(
        kind=HoldKind.HOLD_KIND_FINANCE,
        gates=[Gate.GATE_PLANNING],
        order_id=order.order_id,
        reason="credit is looked at",
        placed_by="ines",
        four_eyes=True,
        region="us",
    )
    hold.hold_id = str(uuid4())
    placed = (await call(orchestrator.PlaceHold(PlaceHoldRequest(request_id=str(uuid4()), hold=hold)))).hold
    held = (await call(orchestrator.GetOrder(GetOrderRequest(order_id=order.order_id, at_least_version=2)))).order
    assert list(held.hold_ids) == [placed.hold_id]
    own = ReleaseHoldRequest(request_id=str(uuid4()), hold_id=placed.hold_id, evidence="looks fine", released_by="ines")
    assert isinstance(await refusal(orchestrator.ReleaseHold(own)), PermissionDenied)
    other = ReleaseHoldRequest(
        request_id=str(uuid4()), hold_id=placed.hold_id, evidence="looks fine", released_by="omar"
    )
    assert (await call(orchestrator.ReleaseHold(other))).hold.released_by == "omar"


async def test_what_the_lifecycle_does_not_know_is_refused_with_the_state(orchestrator: Stub) -> None:
    order = await submit(orchestrator, an_order("SO-1"))
    cancel = CancelOrderRequest(request_id=str(uuid4()), order_id=order.order_id, reason="no longer wanted")
    await call(orchestrator.CancelOrder(cancel))
    cancelled = await in_state(orchestrator, order.order_id, OrderState.ORDER_STATE_CANCELLED)
    amend = AmendOrderRequest(
        request_id=str(uuid4()), order_id=cancelled.order_id, order=an_order("SO-1", ("CRATE", 2))
    )
    refused = await refusal(orchestrator.AmendOrder(amend))
    assert refused.reason == "AMEND_NOT_POSSIBLE"
    assert refused.metadata["state"] == "ORDER_STATE_CANCELLED"


async def test_lists_page_and_refuse_a_foreign_token(orchestrator: Stub) -> None:
    for number in range(3):
        await submit(orchestrator, an_order(f"SO-{number}"))

    async def all_listed() -> bool:
        return len((await call(orchestrator.ListOrders(ListOrdersRequest()))).orders) == 3

    await eventually(all_listed)
    first = await call(orchestrator.ListOrders(ListOrdersRequest(page_size=2)))
    rest = await call(orchestrator.ListOrders(ListOrdersRequest(page_size=2, page_token=first.next_page_token)))
    assert len(first.orders) == 2
    assert len({o.order_id for o in (*first.orders, *rest.orders)}) == 3
    foreign = await refusal(orchestrator.ListOrders(ListOrdersRequest(page_token="bm9uc2Vuc2U")))
    assert foreign.reason == "PAGE_TOKEN_INVALID"


async def test_a_watch_tells_every_event_of_an_order(orchestrator: Stub) -> None:
    order = await submit(orchestrator, an_order("SO-1"))
    watch = orchestrator.WatchOrders(WatchOrdersRequest(order_ids=[order.order_id], from_beginning=True))
    told = []
    async for answer in watch:
        told.append(answer.event.WhichOneof("body"))
        if told[-1] == "dispatched":
            break
    watch.cancel()
    assert told == ["received", "validated", "released", "planned", "dispatched"]


async def test_a_wave_is_planned_on_command_once_per_request(orchestrator: Stub) -> None:
    empty = await call(orchestrator.StartPlanningWave(StartPlanningWaveRequest(request_id=str(uuid4()), region="eu")))
    assert not empty.wave_id
    order = await submit(orchestrator, an_order("SO-1"))
    await in_state(orchestrator, order.order_id, OrderState.ORDER_STATE_DISPATCHED)
    loads = (await call(orchestrator.ListLoads(ListLoadsRequest(order_id=order.order_id)))).loads
    assert len(loads) == 1
