"""What the recorder of reads sees, and how a declaration is held against it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict

from gladhand.testing import Reading
from logistics.order.v1 import ORDER_STATE_RECEIVED, Order, OrderEvent, OrderLine, OrderReceived
from logistics.type.v1 import Party


def an_event() -> OrderEvent:
    order = Order(order_id="O", state=ORDER_STATE_RECEIVED, customer=Party(name="Ada"), load_ids=["L1", "L2"])
    order.lines.extend([OrderLine(line_id="1"), OrderLine(line_id="2", sku="S")])
    order.create_time.seconds = 7
    return OrderEvent(event_id="E", order_id="O", received=OrderReceived(order=order))


def whole(event: OrderEvent) -> object:
    return MessageToDict(event.received.order)


READS: list[tuple[str, Callable[[OrderEvent], object], list[str]]] = [
    ("a value", lambda e: e.order_id, ["order_id"]),
    ("a value deep inside", lambda e: e.received.order.customer.name, ["received.order.customer.name"]),
    ("an enum", lambda e: e.received.order.state, ["received.order.state"]),
    ("a message on the way alone", lambda e: e.received.order, []),
    ("presence", lambda e: e.received.HasField("order"), ["received.order"]),
    ("which of a oneof", lambda e: e.WhichOneof("body"), ["received"]),
    ("a list of values", lambda e: list(e.received.order.load_ids), ["received.order.load_ids"]),
    ("the length of a list", lambda e: len(e.received.order.lines), ["received.order.lines"]),
    ("each of a list", lambda e: [x.sku for x in e.received.order.lines], ["received.order.lines.sku"]),
    ("one of a list", lambda e: e.received.order.lines[1].sku, ["received.order.lines.sku"]),
    ("the end of a list", lambda e: e.received.order.lines[-1:][0].sku, ["received.order.lines.sku"]),
    ("a list as a condition", lambda e: bool(e.received.order.lines), ["received.order.lines"]),
    ("a time", lambda e: e.received.order.create_time.ToNanoseconds(), ["received.order.create_time.*"]),
    ("bytes of it", lambda e: e.received.SerializeToString(), ["received.*"]),
    ("all of it as JSON", whole, ["received.order.*"]),
    ("text of it", lambda e: str(e.received.order.customer), ["received.order.customer.*"]),
    ("a comparison", lambda e: e.received.order.customer == Party(name="Ada"), ["received.order.customer.*"]),
]


@pytest.mark.parametrize(("read", "paths"), [pytest.param(*each[1:], id=each[0]) for each in READS])
def test_a_read_is_recorded_as_a_path(read: Callable[[OrderEvent], object], paths: list[str]) -> None:
    reading = Reading(OrderEvent)
    value = read(reading.of(an_event()))
    assert reading.paths == paths
    assert value == read(an_event())


@pytest.mark.parametrize(
    ("read", "paths"),
    [
        pytest.param(lambda s: s.fields["a"].string_value, ["fields.key", "fields.value.string_value"], id="value"),
        pytest.param(lambda s: "a" in s.fields, ["fields.key"], id="key"),
        pytest.param(lambda s: len(s.fields), ["fields"], id="length"),
        pytest.param(
            lambda s: [v.number_value for v in s.fields.values()],
            ["fields.key", "fields.value.number_value"],
            id="every value",
        ),
    ],
)
def test_maps_are_read_by_key_and_value(read: Callable[[Any], object], paths: list[str]) -> None:
    reading = Reading(struct_pb2.Struct)
    message = struct_pb2.Struct(fields={"a": struct_pb2.Value(string_value="x")})
    assert read(reading.of(message)) == read(message)
    assert reading.paths == paths


def test_a_key_that_is_missing_is_missing() -> None:
    recorded = Reading(struct_pb2.Struct).of(struct_pb2.Struct())
    assert recorded.fields.get("a") is None


def test_the_right_declaration_passes_and_may_be_wider() -> None:
    reading = Reading(OrderEvent)
    event = reading.of(an_event())
    assert event.received.order.customer.name
    assert event.WhichOneof("body")
    reading.check(["received.order.customer.name"])
    reading.check(["received.order.*"])
    reading.check(["*"])


def test_what_is_read_and_not_declared_fails_and_is_named() -> None:
    reading = Reading(OrderEvent)
    event = reading.of(an_event())
    assert event.order_id
    assert event.received.order.order_id
    with pytest.raises(AssertionError, match=r"not declared: \['received.order.order_id'\]"):
        reading.check(["order_id"])


def test_what_is_declared_and_never_read_fails_and_is_named() -> None:
    reading = Reading(OrderEvent)
    assert reading.of(an_event()).order_id
    with pytest.raises(AssertionError, match=r"never read: \['received.order.lines.sku'\]"):
        reading.check(["order_id", "received.order.lines.sku"])


def test_reading_the_whole_of_a_message_needs_the_whole_of_it_declared() -> None:
    reading = Reading(OrderEvent)
    assert reading.of(an_event()).received.SerializeToString()
    with pytest.raises(AssertionError, match=r"not declared: \['received.\*'\]"):
        reading.check(["received.order.order_id"])


def test_a_recorded_message_goes_into_no_other_and_says_so_at_once() -> None:
    with pytest.raises(TypeError):
        OrderReceived(order=Reading(OrderEvent).of(an_event()).received.order)
    with pytest.raises(TypeError, match="read only"):
        Reading(OrderEvent).of(an_event()).order_id = "other"


def test_the_next_message_adds_to_what_was_read() -> None:
    reading = Reading(OrderEvent)
    for event in (an_event(), OrderEvent(event_id="F")):
        recorded = reading.of(event)
        assert recorded.order_id or recorded.event_id
    assert reading.paths == ["event_id", "order_id"]
