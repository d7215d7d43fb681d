"""A small world of freight: an order of two lines to two addresses, its load, and commands about both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from logistics.load.v1 import (
    Assignment,
    Load,
    LoadCommand,
    Stop,
    StopKind,
    StopTask,
    StopTime,
)
from logistics.order.v1 import (
    CheckResult,
    LineMovement,
    LineQuantities,
    Order,
    OrderCommand,
    OrderLine,
    ValidationCheck,
    ValidationKind,
)
from logistics.type.v1 import (
    Classifier,
    ExternalReference,
    Location,
    Party,
    Quantity,
    ReferenceType,
)

ORDER = "018f0000-0000-7000-8000-00000000000a"
OTHER_ORDER = "018f0000-0000-7000-8000-00000000000b"
LOAD = "018f0000-0000-7000-8000-0000000000c1"
OTHER_LOAD = "018f0000-0000-7000-8000-0000000000c2"
PICKUP = "018f0000-0000-7000-8000-0000000000d0"
FIRST = "018f0000-0000-7000-8000-0000000000d1"
SECOND = "018f0000-0000-7000-8000-0000000000d2"
POD = "018f0000-0000-7000-8000-0000000000e1"
NEWER_POD = "018f0000-0000-7000-8000-0000000000e2"
INVOICE = "018f0000-0000-7000-8000-0000000000f1"
HOLD = "018f0000-0000-7000-8000-0000000000aa"
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def at(minutes: float) -> Timestamp:
    """A moment of the day, minutes after its start."""
    moment = Timestamp()
    moment.FromDatetime(START + timedelta(minutes=minutes))
    return moment


def pieces(value: int | str) -> Quantity:
    return Quantity(value=str(value), unit_code="C62")


def sale(**ordered: int) -> Order:
    """An order with lines `a` and `b` of ten and four pieces, unless told otherwise."""
    lines = ordered or {"a": 10, "b": 4}
    return Order(
        references=[
            ExternalReference(system="tryton-us", type=ReferenceType.REFERENCE_TYPE_SALES_ORDER, value="SO-17")
        ],
        erp_instance="tryton-us",
        region="us",
        customer=Party(name="Broadway Grocers"),
        ship_from=Location(name="Warehouse Broadway"),
        ship_to=Location(name="Shop One"),
        currency="USD",
        lines=[
            OrderLine(line_id=line_id, sku=f"SKU-{line_id}", quantities=LineQuantities(ordered=pieces(count)))
            for line_id, count in lines.items()
        ],
    )


def ask_order(wish: Message) -> OrderCommand:
    command = OrderCommand(order_id=ORDER, decide_time=at(0))
    ask(command, wish)
    return command


def ask_load(wish: Message, load_id: str = LOAD) -> LoadCommand:
    command = LoadCommand(load_id=load_id, decide_time=at(0))
    ask(command, wish)
    return command


def ask(command: Any, wish: Message) -> Any:
    """Set the body of a command by the type of the wish."""
    for choice in command.DESCRIPTOR.oneofs_by_name["body"].fields:
        if choice.message_type is wish.DESCRIPTOR:
            getattr(command, choice.name).CopyFrom(wish)
            getattr(command, choice.name).SetInParent()
    assert command.WhichOneof("body"), f"{command.DESCRIPTOR.name} has no {wish.DESCRIPTOR.name}"
    return command


def passed(kind: ValidationKind.ValueType = ValidationKind.VALIDATION_KIND_STOCK) -> ValidationCheck:
    return ValidationCheck(kind=kind, result=CheckResult.CHECK_RESULT_PASS)


def failed(reason: str = "STOCK_SHORT") -> ValidationCheck:
    return ValidationCheck(
        kind=ValidationKind.VALIDATION_KIND_STOCK,
        result=CheckResult.CHECK_RESULT_FAIL,
        reason=reason,
        message="0 of 10 in stock; order less",
    )


def moved(line_id: str, count: int | str) -> LineMovement:
    return LineMovement(line_id=line_id, quantity=pieces(count))


def set_down(line_id: str, accepted: int, rejected: int = 0) -> LineMovement:
    return LineMovement(
        line_id=line_id,
        quantity=pieces(accepted + rejected),
        accepted=pieces(accepted),
        rejected=pieces(rejected),
        reason="DAMAGED" if rejected else "",
    )


def task(line_id: str, count: int, order_id: str = ORDER) -> StopTask:
    return StopTask(order_id=order_id, line_id=line_id, expected=pieces(count))


def outcome(line_id: str, accepted: int, rejected: int = 0, order_id: str = ORDER) -> StopTask:
    return StopTask(order_id=order_id, line_id=line_id, accepted=pieces(accepted), rejected=pieces(rejected))


def truck() -> Load:
    """A load that takes line `a` to the first and line `b` to the second address."""
    return Load(
        load_id=LOAD,
        region="us",
        plan_version=1,
        stops=[
            Stop(
                stop_id=PICKUP,
                sequence=1,
                kind=StopKind.STOP_KIND_PICKUP,
                location=Location(name="Warehouse Broadway"),
                tasks=[task("a", 10), task("b", 4)],
            ),
            Stop(
                stop_id=FIRST,
                sequence=2,
                kind=StopKind.STOP_KIND_DELIVERY,
                location=Location(name="Shop One"),
                tasks=[task("a", 10)],
                pod_required=True,
            ),
            Stop(
                stop_id=SECOND,
                sequence=3,
                kind=StopKind.STOP_KIND_DELIVERY,
                location=Location(name="Shop Two"),
                tasks=[task("b", 4)],
                pod_required=True,
            ),
        ],
    )


def crew(epoch: int = 1, vehicle: str = "truck-1", start: float = 0) -> Assignment:
    return Assignment(epoch=epoch, vehicle_id=vehicle, driver_ids=["driver-1"], start_time=at(start))


def when(minutes: float, source: str = "geofence", evidence: str = "") -> StopTime:
    return StopTime(
        time=at(minutes),
        classifier=Classifier.CLASSIFIER_ACTUAL,
        source=source,
        evidence_id=evidence or f"{source}@{minutes}",
    )
