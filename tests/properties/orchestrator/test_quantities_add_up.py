"""Whatever is asked of an order in whatever order, its nine quantities add up and no wish counts twice."""

from __future__ import annotations

from decimal import Decimal

from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from gladhand.decider import Rejected
from gladhand.envelope import EnvelopeType
from gladhand.lifecycle import check_step
from logistics.exception.v1 import Gate
from logistics.order.v1 import (
    ApplyOrderHold,
    CloseOrder,
    ConcludeOrderValidation,
    ConfirmOrderCancel,
    EndOrder,
    LiftOrderHold,
    LineMovement,
    OpenOrderReview,
    Order,
    OrderEvent,
    PlanOrder,
    ReceiveOrder,
    RecordOrderDelivery,
    RecordOrderDispatch,
    RecordOrderInvoice,
    RecordOrderPickup,
    RecordOrderValidation,
    ReleaseOrderBilling,
)
from logistics.type.v1 import Quantity
from services.orchestrator.deciders import order
from services.orchestrator.quantities import ZERO, decimal_of, quantity_of, total
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    HOLD,
    INVOICE,
    LOAD,
    NEWER_POD,
    PICKUP,
    POD,
    SECOND,
    ask_order,
    passed,
    sale,
)

amounts = st.decimals(min_value=0, max_value=11, places=3)
lines = st.sampled_from(["a", "b"])


def quantity(number: Decimal) -> Quantity:
    return quantity_of(number, "C62")


def delivery(stop_id: str, line_id: str, kept: Decimal, back: Decimal, pod_id: str) -> RecordOrderDelivery:
    moved = LineMovement(
        line_id=line_id, quantity=quantity(total((kept, back))), accepted=quantity(kept), rejected=quantity(back)
    )
    return RecordOrderDelivery(load_id=LOAD, stop_id=stop_id, pod_id=pod_id, lines=[moved], proof_verified=bool(pod_id))


def picked(line_id: str, number: Decimal) -> RecordOrderPickup:
    moved = [LineMovement(line_id=line_id, quantity=quantity(number))]
    return RecordOrderPickup(load_id=LOAD, stop_id=PICKUP, lines=moved)


def billed(line_id: str, number: Decimal, suffix: str) -> RecordOrderInvoice:
    moved = [LineMovement(line_id=line_id, quantity=quantity(number))]
    return RecordOrderInvoice(invoice_id=INVOICE[:-1] + suffix, lines=moved)


wishes: st.SearchStrategy[Message] = st.one_of(
    st.builds(picked, lines, amounts),
    st.builds(
        delivery, st.sampled_from([FIRST, SECOND]), lines, amounts, amounts, st.sampled_from(["", POD, NEWER_POD])
    ),
    st.builds(billed, lines, amounts, st.sampled_from("123")),
    st.just(EndOrder(reason="no")),
    st.just(ConfirmOrderCancel()),
    st.just(ReleaseOrderBilling()),
    st.just(OpenOrderReview(reason="SHORTAGE", decided=True)),
    st.just(ApplyOrderHold(hold_id=HOLD, gates=[Gate.GATE_BILLING])),
    st.just(LiftOrderHold(hold_id=HOLD)),
    st.just(CloseOrder()),
)
BEGUN: tuple[Message, ...] = (
    ReceiveOrder(order=sale(), content_sha256="x"),
    RecordOrderValidation(checks=[passed()]),
    ConcludeOrderValidation(),
    PlanOrder(load_id=LOAD, line_ids=["a", "b"], stop_ids=[FIRST, SECOND]),
    RecordOrderDispatch(load_id=LOAD),
)


def asked(state: order.State, wish: Message) -> order.State:
    """The state after a wish, whether it was granted or refused; a granted one is nothing new when it comes again."""
    try:
        decided = order.DECIDER.decide(state, ask_order(wish))
    except Rejected:
        return state
    if decided is None:
        return state
    kind = EnvelopeType.of(OrderEvent)
    event = kind.wrap(decided)
    after = order.DECIDER.evolve(state, event)
    name = kind.body(event).name
    check_step(order.DECIDER.machines(state), name, order.DECIDER.machines(after))
    if name != "cancel_reversed":  # goods on board: the cancelling is off, and the fact itself must be told again
        assert order.DECIDER.decide(after, ask_order(wish)) is None
    return after


def add_up(shown: Order) -> None:
    for line in shown.lines:
        q = line.quantities
        ordered, delivered = decimal_of(q.ordered), decimal_of(q.delivered)
        assert delivered == total((decimal_of(q.accepted), decimal_of(q.rejected)))
        assert delivered <= ordered
        assert decimal_of(q.shipped) <= ordered
        assert decimal_of(q.invoiced) <= decimal_of(q.accepted)
        assert total((delivered, decimal_of(q.cancelled))) <= ordered
        assert min(decimal_of(getattr(q, name)) for name in q.DESCRIPTOR.fields_by_name) >= ZERO


@settings(max_examples=200, deadline=None)
@given(st.lists(wishes, max_size=25))
def test_quantities_add_up_after_every_wish(story: list[Message]) -> None:
    state = order.State()
    for wish in BEGUN:
        state = asked(state, wish)
    for wish in story:
        state = asked(state, wish)
        assert state.order is not None
        add_up(state.order)
