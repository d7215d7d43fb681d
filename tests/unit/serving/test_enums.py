from __future__ import annotations

import pytest

from gladhand.enums import EnumType, short_name
from logistics.error.v1 import ErrorReason
from logistics.invoice.v1 import GateCheckKind
from logistics.order.v1 import OrderState


@pytest.mark.parametrize(
    ("enum", "value", "name"),
    [
        (OrderState, OrderState.ORDER_STATE_RELEASED, "RELEASED"),
        (GateCheckKind, GateCheckKind.GATE_CHECK_KIND_NO_BILLING_HOLD, "NO_BILLING_HOLD"),
        (ErrorReason, ErrorReason.ERROR_REASON_STOCK_SHORT, "STOCK_SHORT"),
        (OrderState, 0, "UNSPECIFIED"),
        (OrderState, 9_999, "9999"),
    ],
)
def test_a_value_is_shown_without_its_enum_and_an_unknown_one_by_number(enum: EnumType, value: int, name: str) -> None:
    assert short_name(enum, value) == name
