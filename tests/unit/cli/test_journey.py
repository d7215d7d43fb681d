"""The tree of an order's journey."""

from __future__ import annotations

from typing import Any

from gladhand.cli.journey import Node, as_tree, details, elapsed, grow, outside_cause
from logistics.orchestrator.v1.orchestrator_service_pb2 import HistoryEntry


def entry(event_id: str, cause: str = "", aggregate: str = "order", second: int = 0, **more: Any) -> HistoryEntry:
    made = HistoryEntry(
        event_id=event_id,
        causation_id=cause,
        aggregate=aggregate,
        aggregate_id=f"{aggregate}-1",
        event=event_id,
        **more,
    )
    made.record_time.FromSeconds(1000 + second)
    return made


def shape(nodes: list[Node]) -> list[object]:
    return [node.entry.event_id if not node.children else (node.entry.event_id, shape(node.children)) for node in nodes]


def test_events_of_one_aggregate_stand_side_by_side() -> None:
    entries = [entry("received"), entry("validated", "received", second=1), entry("released", "validated", second=2)]
    assert shape(grow(entries)) == ["received", "validated", "released"]


def test_another_aggregate_hangs_under_what_caused_it() -> None:
    entries = [
        entry("received"),
        entry("began", "received", "fulfilment", 1),
        entry("checked", "began", "fulfilment", 2),
        entry("validated", "checked", second=3),
    ]
    assert shape(grow(entries)) == [("received", ["began", ("checked", ["validated"])])]


def test_an_unknown_cause_makes_a_root_and_is_named() -> None:
    entries = [entry("arrived", "observation-7", "load")]
    (root,) = grow(entries)
    assert outside_cause(root, entries) == "observation-7"


def test_known_causes_are_not_named_as_outside() -> None:
    entries = [entry("received"), entry("validated", "received", second=1)]
    assert [outside_cause(root, entries) for root in grow(entries)] == ["", ""]


def test_a_circle_of_causes_loses_no_event() -> None:
    entries = [entry("one", "two", "order"), entry("two", "one", "load", 1)]
    roots = grow(entries)
    found = [event["event_id"] for event in flat(as_tree(roots))]
    assert sorted(found) == ["one", "two"]


def flat(tree: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for node in tree for each in (node, *flat(node["caused"]))]


def test_order_is_by_record_time_then_sequence() -> None:
    entries = [entry("c", second=5), entry("b", second=2, sequence=9), entry("a", second=2, sequence=3)]
    assert shape(grow(entries)) == ["a", "b", "c"]


def test_details_name_what_tells_a_person_something() -> None:
    told = details(entry("failed", body_json='{"action": "post_invoice", "reason": "ERP_BUSY", "lines": []}'))
    assert told == "action=post_invoice reason=ERP_BUSY"


def test_details_of_an_unreadable_body_are_empty() -> None:
    assert details(entry("x", body_json="{")) == ""


def test_elapsed_is_hours_minutes_seconds() -> None:
    assert elapsed(entry("b", second=3_671), entry("a")) == "+1:01:11.000"
