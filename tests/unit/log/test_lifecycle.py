"""Lifecycles as the contract declares them, against the rules written out by hand."""

from __future__ import annotations

import itertools

import pytest

from gladhand.lifecycle import Edge, IllegalTransition, LifecycleError, MachineState, check, check_step, lifecycle_of
from logistics.contract.v1 import event_pb2
from tests.adapters.log.parcel import pb

TABLE = lifecycle_of(pb.ParcelState)
PIECES = lifecycle_of(pb.PieceState)
UNBORN, REGISTERED, SHIPPED, DELIVERED, LOST = None, 1, 2, 3, 4

LEGAL = {
    (UNBORN, "registered", REGISTERED),
    (REGISTERED, "shipped", SHIPPED),
    (SHIPPED, "closed", DELIVERED),
    (SHIPPED, "closed", LOST),
} | {(state, event, state) for state in (REGISTERED, SHIPPED, DELIVERED, LOST) for event in ("noted", "scanned")}


def test_the_table_holds_what_is_declared() -> None:
    assert TABLE.initial == {"PARCEL_STATE_REGISTERED"}
    assert TABLE.terminal == {"PARCEL_STATE_DELIVERED", "PARCEL_STATE_LOST"}
    assert TABLE.anywhere == {"noted", "scanned"}
    assert TABLE.births == {Edge(None, "registered", "PARCEL_STATE_REGISTERED")}
    assert lifecycle_of(pb.ParcelState.DESCRIPTOR) is TABLE


@pytest.mark.parametrize("before", [UNBORN, REGISTERED, SHIPPED, DELIVERED, LOST])
@pytest.mark.parametrize("event", ["registered", "shipped", "scanned", "noted", "closed", "unheard_of"])
@pytest.mark.parametrize("after", [UNBORN, REGISTERED, SHIPPED, DELIVERED, LOST])
def test_every_step_is_legal_or_refused(before: int | None, event: str, after: int | None) -> None:
    if (before, event, after) in LEGAL:
        check(TABLE, before, event, after)
    else:
        with pytest.raises(IllegalTransition):
            check(TABLE, before, event, after)


def test_a_refusal_names_state_event_and_the_edges_that_are_open() -> None:
    with pytest.raises(IllegalTransition) as caught:
        check(TABLE, SHIPPED, "shipped", SHIPPED)
    error = caught.value
    assert (error.state, error.event, error.target) == ("PARCEL_STATE_SHIPPED", "shipped", "PARCEL_STATE_SHIPPED")
    assert [(edge.event, edge.target) for edge in error.open_edges] == [
        ("closed", "PARCEL_STATE_DELIVERED"),
        ("closed", "PARCEL_STATE_LOST"),
        ("noted", "PARCEL_STATE_SHIPPED"),
        ("scanned", "PARCEL_STATE_SHIPPED"),
    ]
    assert error.reason == "TRANSITION_NOT_ALLOWED"
    assert error.metadata["open"] == "closed, noted, scanned"
    assert error.preconditions[0].subject == "ParcelState"


def test_zero_and_none_both_mean_not_born() -> None:
    for unborn in (None, 0):
        check(TABLE, unborn, "registered", REGISTERED)
        assert TABLE.state(unborn) is None


def parts(**pieces: int) -> dict[str, MachineState]:
    return {"": MachineState(pb.ParcelState, SHIPPED)} | {
        f"piece/{name}": MachineState(pb.PieceState, state) for name, state in pieces.items()
    }


LEGAL_PARTS = {(0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (1, 0), (2, 0)}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(range(3), repeat=2)))
def test_a_part_is_born_initial_goes_along_its_edges_and_vanishes_only_from_an_end(before: int, after: int) -> None:
    if (before, after) in LEGAL_PARTS:
        check_step(parts(a=before), "scanned", parts(a=after))
    else:
        with pytest.raises(IllegalTransition) as caught:
            check_step(parts(a=before), "scanned", parts(a=after))
        assert caught.value.machine == "piece/a"


def test_a_part_changes_only_by_the_event_of_its_edge() -> None:
    with pytest.raises(IllegalTransition):
        check_step(parts(a=1), "noted", parts(a=2))


def test_a_part_that_appears_or_goes_missing_is_judged_too() -> None:
    check_step(parts(), "scanned", parts(a=1))
    check_step(parts(a=2), "scanned", parts())
    with pytest.raises(IllegalTransition):
        check_step(parts(), "scanned", parts(a=2))


def test_without_a_machine_of_its_own_an_aggregate_cannot_be_judged() -> None:
    with pytest.raises(LifecycleError):
        check_step({}, "noted", {})


def test_an_enum_without_lifecycle_and_a_number_without_value_are_faults() -> None:
    with pytest.raises(LifecycleError, match="declares no lifecycle"):
        lifecycle_of(event_pb2.Priority)
    with pytest.raises(LifecycleError, match="no value 77"):
        check(TABLE, 77, "noted", 77)


def test_open_edges_of_a_state_end_where_the_life_ends() -> None:
    assert {edge.event for edge in TABLE.open_edges("PARCEL_STATE_LOST")} == {"noted", "scanned"}
    assert [edge.target for edge in PIECES.open_edges("PIECE_STATE_EXPECTED")] == ["PIECE_STATE_SEEN"]
    assert [edge.event for edge in TABLE.open_edges(None)] == ["registered"]
