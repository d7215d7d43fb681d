"""Every way in which an order of one line on one load can end other than clean, and what holds in all of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from google.protobuf.message import Message

from gladhand.lifecycle import lifecycle_of
from logistics.order.v1 import (
    ClaimOrder,
    ClaimState,
    CloseOrder,
    ConcludeOrderValidation,
    ConfirmOrderCancel,
    DecideOrderClaim,
    DisposeGoods,
    Disposition,
    DispositionOrigin,
    EndOrder,
    GoodsDisposition,
    LayDisposition,
    LineQuantity,
    OpenOrderReview,
    OrderClaim,
    OrderCommand,
    OrderCredited,
    OrderLine,
    OrderState,
    PlanOrder,
    ReceiveOrder,
    RecordOrderCredit,
    RecordOrderDelivery,
    RecordOrderDispatch,
    RecordOrderInvoice,
    RecordOrderPickup,
    RecordOrderReturn,
    RecordOrderValidation,
    ReleaseOrderBilling,
    ReviseOrder,
    UnlayDisposition,
)
from services.orchestrator.deciders import order
from services.orchestrator.deciders.order import State
from services.orchestrator.quantities import decimal_of, total
from tests.model.explorer import Walk, explore, left_wrongly
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    INVOICE,
    LOAD,
    NEWER_POD,
    OTHER_LOAD,
    PICKUP,
    POD,
    SECOND,
    ask_order,
    moved,
    passed,
    pieces,
    sale,
    set_down,
)

ENDED = frozenset({OrderState.ORDER_STATE_REJECTED, OrderState.ORDER_STATE_CLOSED, OrderState.ORDER_STATE_CANCELLED})
REFUSED, ABOARD, HOME = INVOICE[:-2] + "b1", INVOICE[:-2] + "b2", INVOICE[:-2] + "b3"
CLAIM, MEMO = INVOICE[:-2] + "c1", INVOICE[:-2] + "c2"


def part(count: int) -> LineQuantity:
    return LineQuantity(line_id="a", quantity=pieces(count))


def delivery(stop_id: str, kept: int, back: int, pod_id: str) -> RecordOrderDelivery:
    lines = [set_down("a", kept, back)]
    return RecordOrderDelivery(load_id=LOAD, stop_id=stop_id, pod_id=pod_id, lines=lines, proof_verified=True)


def returned(disposition_id: str, load_id: str, count: int) -> RecordOrderReturn:
    return RecordOrderReturn(
        disposition_id=disposition_id, load_id=load_id, stop_id=HOME, pod_id=POD, lines=[part(count)]
    )


def goods(disposition: Disposition.ValueType) -> DisposeGoods:
    return DisposeGoods(
        disposition=GoodsDisposition(
            disposition_id=REFUSED,
            disposition=disposition,
            origin=DispositionOrigin.DISPOSITION_ORIGIN_REJECTED,
            source_load_id=LOAD,
            source_stop_id=FIRST,
            lines=[part(3)],
        )
    )


def aboard(count: int) -> DisposeGoods:
    return DisposeGoods(
        disposition=GoodsDisposition(
            disposition_id=ABOARD,
            disposition=Disposition.DISPOSITION_RETURN,
            origin=DispositionOrigin.DISPOSITION_ORIGIN_TURNED_BACK,
            source_load_id=LOAD,
            lines=[part(count)],
        )
    )


def billed(count: int) -> RecordOrderInvoice:
    return RecordOrderInvoice(invoice_id=f"{INVOICE[:-2]}d{count:x}", lines=[moved("a", count)])


def decided(state: ClaimState.ValueType) -> DecideOrderClaim:
    return DecideOrderClaim(claim_id=CLAIM, state=state)


COUNTS = (1, 2, 3, 4, 5, 6, 9, 10)
INVOICES = tuple(f"invoice {count}" for count in COUNTS)
WISHES: dict[str, Message] = {
    "receive": ReceiveOrder(order=sale(a=10), content_sha256="one"),
    "checks pass": RecordOrderValidation(checks=[passed()]),
    "conclude": ConcludeOrderValidation(),
    "plan": PlanOrder(load_id=LOAD, line_ids=["a"], stop_ids=[FIRST, SECOND]),
    "dispatch": RecordOrderDispatch(load_id=LOAD),
    "pick up": RecordOrderPickup(load_id=LOAD, stop_id=PICKUP, lines=[moved("a", 10)]),
    "order less": ReviseOrder(order=sale(a=9), content_sha256="two"),
    "order more": ReviseOrder(order=sale(a=11), content_sha256="three"),
    "deliver seven, three are refused": delivery(FIRST, 4, 3, POD),
    "deliver the rest": delivery(SECOND, 3, 0, POD),
    "a newer proof takes one back": delivery(SECOND, 2, 1, NEWER_POD),
    "cancel": EndOrder(reason="no"),
    "confirm cancel": ConfirmOrderCancel(),
    "return what was refused": goods(Disposition.DISPOSITION_RETURN),
    "destroy what was refused": goods(Disposition.DISPOSITION_DESTROY),
    "bring what was refused once more": goods(Disposition.DISPOSITION_RESHIP),
    "fetch what was refused": LayDisposition(disposition_id=REFUSED, load_id=OTHER_LOAD, stop_id=HOME),
    "the load that fetches is gone": UnlayDisposition(disposition_id=REFUSED, load_id=OTHER_LOAD),
    "what was refused is back": returned(REFUSED, OTHER_LOAD, 3),
    "it is delivered after all": RecordOrderDelivery(
        load_id=OTHER_LOAD, stop_id=HOME, pod_id=POD, lines=[set_down("a", 3)], proof_verified=True
    ),
    "take all back": aboard(10),
    "take the rest back": aboard(3),
    "a stop for the way back": LayDisposition(disposition_id=ABOARD, load_id=LOAD, stop_id=HOME),
    "all is back": returned(ABOARD, LOAD, 10),
    "the rest is back": returned(ABOARD, LOAD, 3),
    "decide": OpenOrderReview(reason="PARTIAL_REJECTION", decided=True),
    "release billing": ReleaseOrderBilling(),
    "invoice": RecordOrderInvoice(invoice_id=INVOICE, lines=[moved("a", 7)]),
    **{f"invoice {count}": billed(count) for count in COUNTS},
    "claim two": ClaimOrder(claim=OrderClaim(claim_id=CLAIM, lines=[part(2)], reason="broken")),
    "approve": decided(ClaimState.CLAIM_STATE_APPROVED),
    "decline": decided(ClaimState.CLAIM_STATE_DECLINED),
    "take in": decided(ClaimState.CLAIM_STATE_TAKEN_IN),
    "credit": RecordOrderCredit(claim_id=CLAIM, invoice_id=INVOICE, credit_invoice_id=MEMO),
    "close": CloseOrder(reason="done"),
}
COMMANDS: dict[str, OrderCommand] = {name: ask_order(wish) for name, wish in WISHES.items()}


WAY = (
    "receive", "checks pass", "conclude", "plan", "dispatch", "pick up", "deliver seven, three are refused",
    "deliver the rest", "decide", "release billing", "invoice", *INVOICES, "close",
)  # fmt: skip
WORLDS: dict[str, tuple[str, ...]] = {
    "turned back": (
        *WAY, "cancel", "confirm cancel", "take all back", "take the rest back", "a stop for the way back",
        "all is back", "the rest is back",
    ),
    "refused at the door": (
        *WAY, "a newer proof takes one back", "return what was refused", "destroy what was refused",
        "bring what was refused once more", "fetch what was refused", "the load that fetches is gone",
        "what was refused is back", "it is delivered after all",
    ),
    "claimed": (
        *WAY, "a newer proof takes one back", "cancel", "confirm cancel", "claim two", "approve", "decline", "take in",
        "credit",
    ),
    "changed": (*WAY, "order less", "order more", "cancel", "confirm cancel"),
}  # fmt: skip
"""Worlds that together hold every end; each is small enough to be walked whole."""


@pytest.fixture(scope="module")
def walks() -> dict[str, Walk[State]]:
    found = {}
    for world, wishes in WORLDS.items():
        commands = {name: COMMANDS[name] for name in wishes}
        found[world] = explore(order.DECIDER, commands, told_again=["cancel_reversed"])
        print(f"\nends of an order, {world}: {found[world]}")  # noqa: T201 - the size of the world is part of the answer
    return found


@pytest.fixture(params=WORLDS)
def walk(request: pytest.FixtureRequest, walks: dict[str, Walk[State]]) -> Walk[State]:
    return walks[request.param]


def quantities_wrong(state: State) -> list[str]:
    """What of the nine quantities, and of what came back and was credited, does not add up."""
    shown = state.order
    if shown is None:
        return []
    again = total(
        decimal_of(line.quantity)
        for known in shown.dispositions
        if known.disposition == Disposition.DISPOSITION_RESHIP
        for line in known.lines
    )
    taken_back = total(
        decimal_of(line.quantity)
        for known in shown.dispositions
        if known.origin == DispositionOrigin.DISPOSITION_ORIGIN_TURNED_BACK
        for line in known.lines
    )
    return [wrong for line in shown.lines for wrong in line_wrong(line, again, taken_back)]


def line_wrong(line: OrderLine, again: Decimal, taken_back: Decimal) -> list[str]:
    q = line.quantities
    wrong = []
    if decimal_of(q.delivered) != total((decimal_of(q.accepted), decimal_of(q.rejected))):
        wrong.append("delivered is not accepted and rejected")
    if decimal_of(q.returned) > total((decimal_of(q.rejected), taken_back)):
        wrong.append("more came back than was refused or taken back")
    if decimal_of(q.invoiced) > decimal_of(q.accepted):
        wrong.append("more is invoiced, credits taken off, than was accepted")
    if total((decimal_of(q.cancelled), decimal_of(q.delivered))) > total((decimal_of(q.ordered), again)):
        wrong.append("more is cancelled and delivered than was ordered")
    return wrong


def test_the_lifecycle_never_has_to_refuse_what_the_decider_granted(walk: Walk[State]) -> None:
    assert walk.illegal == []


def test_no_wish_comes_true_twice(walk: Walk[State]) -> None:
    assert walk.unsettled == []


def test_quantities_add_up_in_every_state(walk: Walk[State]) -> None:
    assert [(wrong, state.order) for state in walk.states for wrong in quantities_wrong(state)] == []


def test_an_end_can_be_reached_from_everywhere(walk: Walk[State]) -> None:
    # What is left of a partial invoice is anybody's sum: the world has not one for each, and a clean one for all.
    over = ENDED | {OrderState.ORDER_STATE_PARTIALLY_INVOICED}
    stuck = walk.dead_ends(lambda state: state.order is not None and state.order.state in over)
    assert [walk.states[index].order for index in stuck] == []


def test_a_terminal_state_is_left_only_by_its_named_edges(walk: Walk[State]) -> None:
    assert left_wrongly(order.DECIDER, walk) == []


def test_goods_are_never_asked_back_twice(walk: Walk[State]) -> None:
    for state in walk.states:
        claims = state.order.claims if state.order is not None else []
        for line in state.order.lines if state.order is not None else ():
            standing = [c for c in claims if c.state in {ClaimState.CLAIM_STATE_OPEN, ClaimState.CLAIM_STATE_APPROVED}]
            asked = total(decimal_of(part.quantity) for claim in standing for part in claim.lines)
            assert asked <= decimal_of(line.quantities.accepted)


@pytest.mark.parametrize(
    "edge",
    [
        ("PLANNED", "amended", "RECEIVED"),
        ("DISPATCHED", "amended", "DISPATCHED"),
        ("IN_EXECUTION", "amended", "IN_EXECUTION"),
        ("PARTIALLY_DELIVERED", "amended", "PARTIALLY_DELIVERED"),
        ("IN_EXECUTION", "turned_back", "IN_EXECUTION"),
        ("IN_EXECUTION", "returned", "DELIVERY_REVIEW"),
        ("PARTIALLY_DELIVERED", "returned", "DELIVERY_REVIEW"),
        ("PARTIALLY_DELIVERED", "remainder_cancelled", "DELIVERY_REVIEW"),
        ("CANCEL_REQUESTED", "cancel_reversed", "IN_EXECUTION"),
        ("DISPATCHED", "cancel_requested", "CANCEL_REQUESTED"),
        ("BILLABLE", "claimed", "BILLABLE"),
        ("BILLABLE", "claim_decided", "BILLABLE"),
        ("INVOICED", "claimed", "INVOICED"),
        ("INVOICED", "claim_decided", "INVOICED"),
        ("INVOICED", "credited", "INVOICED"),
        ("CLOSED", "credited", "CLOSED"),
        ("DELIVERY_REVIEW", "disposition_decided", "DELIVERY_REVIEW"),
        ("DELIVERY_REVIEW", "disposition_laid", "DELIVERY_REVIEW"),
        ("DELIVERY_REVIEW", "disposition_unlaid", "DELIVERY_REVIEW"),
        ("DELIVERY_REVIEW", "returned", "DELIVERY_REVIEW"),
        ("DELIVERED", "amendment_refused", "DELIVERED"),
    ],
)
def test_the_walks_take_the_edges_of_other_ends(walks: dict[str, Walk[State]], edge: tuple[str, str, str]) -> None:
    table = lifecycle_of(OrderState)
    assert table.allows(f"ORDER_STATE_{edge[0]}", edge[1], f"ORDER_STATE_{edge[2]}")
    assert any(edge in taken(walk) for walk in walks.values())


def taken(walk: Walk[State]) -> set[tuple[str, str, str]]:
    names = [
        OrderState.Name(state.order.state).removeprefix("ORDER_STATE_") if state.order is not None else ""
        for state in walk.states
    ]
    return {(names[step.before], step.event, names[step.after]) for step in walk.steps}


def test_a_credit_beyond_what_was_claimed_is_found() -> None:
    """The check of the quantities is worth something: a memo that takes back more than was billed is caught."""

    def careless(state: State, command: OrderCommand) -> Message | None:
        if command.WhichOneof("body") == "record_credit" and state.order is not None and state.order.claims:
            known = state.order.claims[0]
            if known.state == ClaimState.CLAIM_STATE_APPROVED:
                return OrderCredited(invoice_id=INVOICE, credit_invoice_id=MEMO, claim_id=CLAIM, lines=[part(11)])
        return order.DECIDER.decide(state, command)

    short = (
        "receive", "checks pass", "conclude", "plan", "dispatch", "pick up", "deliver seven, three are refused",
        "deliver the rest", "decide", "release billing", "invoice", "claim two", "approve", "credit",
    )  # fmt: skip
    found = explore(replace(order.DECIDER, decide=careless), {name: COMMANDS[name] for name in short})
    signs = {
        wrong
        for state in found.states
        for line in (state.order.lines if state.order is not None else ())
        for wrong in (["negative"] if decimal_of(line.quantities.accepted) < 0 else [])
    }
    assert signs
