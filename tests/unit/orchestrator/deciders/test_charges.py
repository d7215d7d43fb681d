"""What an order is charged beside the goods: proved, once per cause, until the gate opens (domain reference 2.9)."""

from __future__ import annotations

import pytest

from logistics.invoice.v1 import Charge, ChargeBasis
from logistics.order.v1 import ChargeOrder, WaiveOrderCharge
from logistics.type.v1 import Money, Quantity
from tests.unit.orchestrator.deciders.freight import FIRST, LOAD, ask_order
from tests.unit.orchestrator.deciders.order_story import CANCEL, DELIVERED, DISPATCHED, ON_BOARD, RELEASE, after

DETENTION = "018f3b1e-0000-7000-8000-0000000000d7"


def detention(hours: str = "1.5", units: int = 90, currency: str = "USD", *evidence: str) -> ChargeOrder:
    return ChargeOrder(
        charge=Charge(
            charge_id=DETENTION,
            charge_code="DTU",
            basis=ChargeBasis.CHARGE_BASIS_PER_HOUR,
            quantity=Quantity(value=hours, unit_code="HUR"),
            rate=Money(currency=currency, units=60),
            amount=Money(currency=currency, units=units),
            load_id=LOAD,
            stop_id=FIRST,
            evidence_ids=evidence or ("arrived", "departed"),
        )
    )


def test_a_charge_stands_on_the_order_with_its_evidence() -> None:
    charged = after(detention(), past=ON_BOARD)
    assert charged.state.order is not None
    (found,) = charged.state.order.charges
    assert (found.charge_code, found.amount.units, list(found.evidence_ids)) == ("DTU", 90, ["arrived", "departed"])


def test_the_same_charge_again_is_nothing() -> None:
    after(detention(), past=ON_BOARD).when(ask_order(detention())).then_nothing()


def test_a_corrected_charge_replaces_what_was_charged_for_the_same_cause() -> None:
    corrected = after(detention(), detention("2", 120), past=ON_BOARD)
    assert corrected.state.order is not None
    assert [charge.amount.units for charge in corrected.state.order.charges] == [120]


def test_a_charge_whose_cause_is_gone_is_taken_back_once() -> None:
    gone = after(detention(), WaiveOrderCharge(charge_id=DETENTION, reason="it left in time"), past=ON_BOARD)
    assert gone.state.order is not None
    assert not gone.state.order.charges
    gone.when(ask_order(WaiveOrderCharge(charge_id=DETENTION))).then_nothing()


@pytest.mark.parametrize(
    "wish",
    [detention(currency="EUR"), detention(units=0), detention("0", -5)],
    ids=["another currency", "nothing", "less than nothing"],
)
def test_what_is_no_charge_of_this_order_is_refused(wish: ChargeOrder) -> None:
    ON_BOARD.when(ask_order(wish)).then_rejected("CONTRACT_VIOLATION")


def test_what_nothing_proves_is_not_charged() -> None:
    bare = detention()
    del bare.charge.evidence_ids[:]
    ON_BOARD.when(ask_order(bare)).then_rejected("CONTRACT_VIOLATION")


def test_past_the_billing_gate_a_charge_is_too_late_and_a_repeat_is_still_nothing() -> None:
    billable = after(detention(), RELEASE, past=DELIVERED)
    billable.when(ask_order(detention())).then_nothing()
    billable.when(ask_order(detention("2", 120))).then_rejected("CHARGE_TOO_LATE")
    billable.when(ask_order(WaiveOrderCharge(charge_id=DETENTION))).then_rejected("CHARGE_TOO_LATE")


def test_a_cancelled_dispatch_may_be_charged() -> None:
    charged = after(CANCEL, detention(), past=DISPATCHED)
    assert charged.state.order is not None
    assert len(charged.state.order.charges) == 1
