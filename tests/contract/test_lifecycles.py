"""Every lifecycle is sound: no state out of reach, none without a way out, no edge that no event can take."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from google.protobuf.descriptor import EnumDescriptor

from gladhand.lifecycle import Lifecycle, lifecycle_of
from tests.contract import catalog

every_lifecycle = pytest.mark.parametrize("enum", catalog.lifecycles(), ids=lambda enum: str(enum.full_name))


def events_of(table: Lifecycle) -> set[str]:
    return {edge.event for edge in table.edges | table.births} | table.anywhere


def closure(start: Iterable[str], steps: Iterable[tuple[str, str]]) -> set[str]:
    """All states that can be reached from `start` by any number of steps."""
    reached, known = set(start), set(steps)
    while new := {target for source, target in known if source in reached} - reached:
        reached |= new
    return reached


def steps_of(table: Lifecycle) -> list[tuple[str, str]]:
    return [(edge.source, edge.target) for edge in table.edges if edge.source is not None]


@every_lifecycle
def test_objects_are_born_in_initial_states(enum: EnumDescriptor) -> None:
    table = lifecycle_of(enum)
    assert table.initial
    assert {birth.target for birth in table.births} <= table.initial
    assert enum.values[0].name not in table.initial | table.terminal


@every_lifecycle
def test_every_state_can_be_reached(enum: EnumDescriptor) -> None:
    table = lifecycle_of(enum)
    assert set(table.states) - closure(table.initial, steps_of(table)) == set()


@every_lifecycle
def test_a_terminal_state_can_be_reached_from_every_state(enum: EnumDescriptor) -> None:
    table = lifecycle_of(enum)
    assert table.terminal
    backwards = [(target, source) for source, target in steps_of(table)]
    assert set(table.states) - closure(table.terminal, backwards) == set()


@every_lifecycle
def test_its_events_are_bodies_of_one_envelope_of_its_package(enum: EnumDescriptor) -> None:
    named = events_of(lifecycle_of(enum))
    unknown = {
        message.name: named - {field.name for field in catalog.bodies(message)}
        for message in catalog.envelopes()
        if message.file.package == enum.file.package
    }
    assert unknown, f"package {enum.file.package} has a lifecycle but no event envelope"
    assert not min(unknown.values(), key=len), f"no envelope knows every event of the lifecycle: {unknown}"
