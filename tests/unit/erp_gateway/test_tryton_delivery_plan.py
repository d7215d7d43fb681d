from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.erp_gateway.adapters.tryton_delivery_plan import (
    TooMuchAcceptedError,
    TooMuchShippedError,
    UnknownLineError,
    plan_delivery,
    shipped_quantities,
)
from tests.unit.erp_gateway.sales import OTHER, SALE, USUAL, move, shipment, with_


def accepted(**by_line: str) -> dict[str, Decimal]:
    return {name.removeprefix("l").replace("_", "-"): Decimal(quantity) for name, quantity in by_line.items()}


def test_everything_accepted_completes_every_shipment() -> None:
    plan = plan_delivery(SALE, accepted(l11="10", l12="4"))
    assert (plan.complete, plan.cancel, plan.done) == ((1, 2), (), ())
    assert plan.quantities == {101: 10, 102: 4}


def test_a_line_not_accepted_cancels_its_shipment() -> None:
    plan = plan_delivery(SALE, accepted(l11="7", l12="0"))
    assert (plan.complete, plan.cancel) == ((1,), (2,))
    assert plan.quantities == {101: 7, 102: 0}


def test_a_line_not_named_is_not_accepted() -> None:
    assert plan_delivery(SALE, accepted(l11="10")).cancel == (2,)


def test_what_is_done_counts_and_the_remainder_is_cancelled() -> None:
    """As a crash leaves it: seven done, Tryton's own remainder of three waiting at the usual address."""
    sale = with_(
        moves=(move(101, 11, 1, "7", "done"), move(103, 11, 3, "3")),
        shipments=(shipment(1, OTHER, "done"), shipment(3, USUAL)),
    )
    plan = plan_delivery(sale, accepted(l11="7"))
    assert (plan.complete, plan.cancel, plan.done) == ((), (3,), (1,))
    assert plan_delivery(sale, accepted(l11="9")).quantities == {101: 7, 103: 2}


def test_parts_of_a_line_are_told_apart_by_address() -> None:
    sale = with_(moves=(move(101, 11, 1, "6"), move(103, 11, 2, "4"), move(102, 12, 2, "4")))
    plan = plan_delivery(sale, accepted(l11_7="6", l11_8="1", l12="4"))
    assert plan.quantities == {101: 6, 103: 1, 102: 4}
    assert shipped_quantities(sale, ["11-7", "11", "12"]) == {"11-7": 0, "11": 0, "12": 0}


def test_more_than_the_shipments_hold() -> None:
    with pytest.raises(TooMuchAcceptedError) as refused:
        plan_delivery(SALE, accepted(l11="11", l12="4"))
    assert (refused.value.line_id, refused.value.accepted, refused.value.shipped) == ("11", Decimal(11), Decimal(10))


def test_less_than_is_shipped_already() -> None:
    sale = with_(
        moves=(move(101, 11, 1, "10", "done"), SALE.moves[1]), shipments=(shipment(1, state="done"), shipment(2, OTHER))
    )
    with pytest.raises(TooMuchShippedError):
        plan_delivery(sale, accepted(l11="9", l12="4"))


@pytest.mark.parametrize("names", [{"99": "1"}, {"11": "5", "11-7": "5"}])
def test_unknown_and_doubly_named_lines(names: dict[str, str]) -> None:
    with pytest.raises(UnknownLineError):
        plan_delivery(SALE, {name: Decimal(quantity) for name, quantity in names.items()})


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.data())
def test_shares_add_up_to_what_was_accepted(parts: list[int], data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, sum(parts)))
    sale = with_(
        moves=tuple(move(100 + at, 11, at, str(quantity)) for at, quantity in enumerate(parts, start=1)),
        shipments=tuple(shipment(at) for at in range(1, len(parts) + 1)),
    )
    plan = plan_delivery(sale, {"11": Decimal(kept)})
    assert sum(plan.quantities.values()) == kept
    assert set(plan.complete) | set(plan.cancel) == set(range(1, len(parts) + 1))
    assert all(plan.quantities[100 + at] > 0 for at in plan.complete)
