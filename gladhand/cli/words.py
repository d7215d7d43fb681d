"""Words of the contract, as people read them (pure)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from logistics.load.v1.load_pb2 import Load, LoadState, Stop, StopKind, StopState
from logistics.order.v1.order_pb2 import CheckResult, Order, OrderState
from logistics.type.v1.reference_pb2 import ExternalReference, ReferenceType


def enum_word(enum: Any, value: int, prefix: str) -> str:
    """The name of an enum's value without its prefix; the number where the value is newer than this program."""
    if value not in enum.values():
        return str(value)
    return str(enum.Name(value)).removeprefix(prefix)


def order_state(order: Order) -> str:
    """For example RELEASED."""
    return enum_word(OrderState, order.state, "ORDER_STATE_")


def load_state(load: Load) -> str:
    """For example DISPATCHED."""
    return enum_word(LoadState, load.state, "LOAD_STATE_")


def stop_state(stop: Stop) -> str:
    """For example ARRIVED."""
    return enum_word(StopState, stop.state, "STOP_STATE_")


def stop_kind(stop: Stop) -> str:
    """For example pickup."""
    return enum_word(StopKind, stop.kind, "STOP_KIND_").lower()


def moment(stamp: Timestamp, present: bool = True) -> str:
    """UTC to the second; empty where unset."""
    if not present or not stamp.seconds:
        return ""
    return stamp.ToDatetime(dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def reference(references: Iterable[ExternalReference], kind: ReferenceType.ValueType) -> str:
    """The first reference of that kind; empty where there is none."""
    return next((each.value for each in references if each.type == kind), "")


def sale(order: Order) -> str:
    """The ERP's number of the order."""
    return reference(order.references, ReferenceType.REFERENCE_TYPE_SALES_ORDER)


def purchase_order(order: Order) -> str:
    """The customer's own number of the order."""
    return reference(order.references, ReferenceType.REFERENCE_TYPE_PURCHASE_ORDER)


def refusal(order: Order) -> str:
    """Why the order was refused: each failed check with its reason and words."""
    failed = [check for check in order.checks if check.result == CheckResult.CHECK_RESULT_FAIL]
    return "; ".join(f"{check.reason}: {check.message}" if check.message else check.reason for check in failed)


def short(identity: str, others: Sequence[str] = ()) -> str:
    """The shortest end of an id that none of the others shares, at least eight characters."""
    for length in range(8, len(identity)):
        if not any(other != identity and other.endswith(identity[-length:]) for other in others):
            return identity[-length:]
    return identity
