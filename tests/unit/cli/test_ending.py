"""What people decide about orders: which claim and which goods are meant, and what is asked of the orchestrator."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gladhand.cli.ending import claimed, credited, disposed, show_ending
from gladhand.cli.failure import Failure
from logistics.orchestrator.v1 import orchestrator_service_pb2 as api
from logistics.order.v1 import (
    ClaimState,
    Disposition,
    GoodsDisposition,
    LineQuantities,
    LineQuantity,
    Order,
    OrderClaim,
    OrderLine,
)
from logistics.type.v1 import Quantity


def pieces(count: int) -> Quantity:
    return Quantity(value=str(count), unit_code="C62")


def an_order(*claims: tuple[str, int], goods: int = 1) -> Order:
    return Order(
        order_id="o",
        lines=[OrderLine(line_id="1", sku="CRATE", quantities=LineQuantities(ordered=pieces(10)))],
        claims=[
            OrderClaim(claim_id=claim_id, state=cast(Any, state), lines=[LineQuantity(line_id="1", quantity=pieces(2))])
            for claim_id, state in claims
        ],
        dispositions=[GoodsDisposition(disposition_id=f"g{number}") for number in range(goods)],
    )


class Asked:
    """A client of an orchestrator that notes what is asked of it."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.requests: list[Any] = []
        self.stub = SimpleNamespace(
            ClaimGoods=self._note(api.ClaimGoodsResponse(order=order, claim_id="c")),
            ApproveCredit=self._note(api.ApproveCreditResponse(order=order)),
            DecideDisposition=self._note(api.DecideDispositionResponse(order=order)),
        )

    async def order(self, _name: str) -> Order:
        return self._order

    def _note(self, answer: Any) -> Any:
        async def method(request: Any) -> Any:
            self.requests.append(request)
            return answer

        return method


def client(order: Order) -> Any:
    return Asked(order)


async def test_the_only_open_claim_is_the_one_that_is_meant() -> None:
    asked = client(an_order(("done", ClaimState.CLAIM_STATE_CREDITED), ("open", ClaimState.CLAIM_STATE_OPEN)))
    await credited(asked, "SO-1", "", "fair", decline=False)
    assert [(each.claim_id, each.decline, each.note) for each in asked.requests] == [("open", False, "fair")]


@pytest.mark.parametrize("claims", [[], [("a", ClaimState.CLAIM_STATE_OPEN), ("b", ClaimState.CLAIM_STATE_OPEN)]])
async def test_none_or_several_claims_must_be_named(claims: list[tuple[str, int]]) -> None:
    asked = client(an_order(*claims))
    with pytest.raises(Failure, match="claim"):
        await credited(asked, "SO-1", "", "", decline=True)
    assert asked.requests == []


async def test_quantities_are_asked_back_in_the_unit_of_their_line() -> None:
    asked = client(an_order())
    await claimed(asked, "SO-1", ["1=3"], "broken")
    assert list(asked.requests[0].lines) == [LineQuantity(line_id="1", quantity=pieces(3))]
    with pytest.raises(Failure, match="LINE=QUANTITY"):
        await claimed(asked, "SO-1", ["2=3"], "broken")


async def test_one_of_several_goods_must_be_named() -> None:
    asked = client(an_order(goods=2))
    with pytest.raises(Failure, match="more than one"):
        await disposed(asked, "SO-1", "", Disposition.DISPOSITION_DESTROY)
    await disposed(asked, "SO-1", "g1", Disposition.DISPOSITION_DESTROY)
    assert asked.requests[0].disposition_id == "g1"


def test_what_a_decision_did_is_told_with_its_goods_and_claims(capsys: pytest.CaptureFixture[str]) -> None:
    show_ending(an_order(("c", ClaimState.CLAIM_STATE_OPEN)), "It is cancelled.", as_json=False)
    told = capsys.readouterr().out
    assert "It is cancelled." in told
    assert "claim c: OPEN 2 of line 1" in told
