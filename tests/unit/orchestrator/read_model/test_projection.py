"""What rows are made of a state."""

from __future__ import annotations

from typing import Any

import pytest

from gladhand.lifecycle import lifecycle_of
from logistics.exception.v1 import Exception as LogisticsException
from logistics.load.v1 import Assignment, Load, LoadState, Stop, StopTask
from logistics.order.v1 import Order, OrderState
from logistics.process.v1 import FulfilmentState
from logistics.type.v1 import ExternalReference, Party, ReferenceType
from services.orchestrator.deciders import exception, fulfilment, load, order
from services.orchestrator.journal import DECIDERS
from services.orchestrator.read_model.projection import Folded, index_text, rows_of, vehicle_of
from services.orchestrator.read_model.queries import OPEN_LOADS, OPEN_ORDERS
from services.orchestrator.read_model.schema import PARTS, TABLES


def folded(state: Any) -> Folded:
    return Folded(state, version=3, sequence=9, created_us=1, updated_us=2, region="eu")


def named(system: str, value: str) -> ExternalReference:
    return ExternalReference(system=system, type=ReferenceType.REFERENCE_TYPE_SALES_ORDER, value=value)


def test_every_aggregate_of_the_log_has_a_table() -> None:
    assert TABLES.keys() == DECIDERS.keys()


def test_an_order_with_each_reference_once() -> None:
    code = ExternalReference(system="erp", type=ReferenceType.REFERENCE_TYPE_PARTY, value="K1")
    shown = Order(
        order_id="o",
        state=OrderState.ORDER_STATE_RELEASED,
        references=[named("erp", "1"), named("erp", "1")],
        customer=Party(name="Alpine Foods", references=[code, code, named("erp", "no party")]),
    )
    rows = rows_of("order", "o", folded(order.State(order=shown)))
    assert dict(rows.row) == {
        "id": "o",
        "version": 3,
        "created_us": 1,
        "updated_us": 2,
        "state": OrderState.ORDER_STATE_RELEASED,
        "region": "eu",
        "body": shown.SerializeToString(),
    }
    assert rows.parts == {
        "order_references": (
            {"owner_id": "o", "system": "erp", "type": ReferenceType.REFERENCE_TYPE_SALES_ORDER, "value": "1"},
        ),
        "order_parties": ({"owner_id": "o", "system": "erp", "value": "K1"},),
    }


def test_a_load_with_every_order_that_it_ever_carried() -> None:
    stops = [Stop(stop_id="s1", tasks=[StopTask(order_id="a"), StopTask(order_id="b")]), Stop(stop_id="s2")]
    shown = Load(load_id="l", order_ids=["a", "gone"], stops=stops)
    rows = rows_of("load", "l", folded(load.State(load=shown)))
    assert [row["order_id"] for row in rows.parts["load_orders"]] == ["a", "gone", "b"]
    assert [row["stop_id"] for row in rows.parts["load_stops"]] == ["s1", "s2"]


def test_rows_have_the_columns_of_their_tables() -> None:
    states = {"order": order.State(order=Order()), "load": load.State(load=Load()), "fulfilment": fulfilment.State()}
    for aggregate, state in states.items():
        rows = rows_of(aggregate, "x", folded(state))
        assert set(rows.row) == set(TABLES[aggregate].c.keys())
        assert set(rows.parts) == {part.name for part in PARTS.get(aggregate, ())}


def test_a_history_without_its_beginning_has_no_rows() -> None:
    with pytest.raises(ValueError, match="does not begin with the order"):
        rows_of("order", "o", folded(order.State()))


def test_a_process_that_waits_for_a_person() -> None:
    state = fulfilment.State(state=FulfilmentState.FULFILMENT_STATE_PARKED, order_id="o", parked_message="no stock")
    row = rows_of("fulfilment", "o", folded(state)).row
    assert (row["parked"], row["finished"], row["waits_for"]) == (True, False, "no stock")


def test_the_vehicle_of_a_load() -> None:
    shown = Load()
    assert vehicle_of(shown) == ""
    shown.assignments.append(Assignment(epoch=1, vehicle_id="one"))
    shown.assignments.append(Assignment(epoch=2, vehicle_id="two"))
    assert vehicle_of(shown) == "two"
    shown.assignments[1].end_time.seconds = 1
    assert vehicle_of(shown) == ""
    shown.state = LoadState.LOAD_STATE_COMPLETED
    assert vehicle_of(shown) == "two"


def test_index_columns_take_no_nul_and_no_endless_text() -> None:
    assert index_text("a\0b") == "ab"
    assert len(index_text("x" * 5000)) == 200
    shown = LogisticsException(exception_id="e", order_id="\0" + "x" * 5000)
    row = rows_of("exception", "e", folded(exception.State(exception=shown))).row
    assert row["order_id"] == "x" * 200


def test_open_states_are_those_that_the_contract_leaves_open() -> None:
    names = {OrderState.DESCRIPTOR.values_by_number[state].name for state in OPEN_ORDERS}
    assert not names & set(lifecycle_of(OrderState).terminal)
    assert "ORDER_STATE_INVOICED" not in names
    assert {"ORDER_STATE_RECEIVED", "ORDER_STATE_BILLABLE", "ORDER_STATE_CANCEL_REQUESTED"} <= names
    assert {LoadState.DESCRIPTOR.values_by_number[state].name for state in OPEN_LOADS} & set(
        lifecycle_of(LoadState).terminal
    ) == set()
