"""What was once accepted is accepted still, and every stored log folds to the state that it folded to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message_factory import GetMessageClass

from gladhand.envelope import EnvelopeType
from gladhand.lifecycle import lifecycle_of
from services.orchestrator.journal import DECIDERS
from tests.contract import catalog
from tools.corpus import accepting, entry, folding
from tools.corpus.released import Released, versions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def in_the_root(found: Any) -> Any:
    """Collect at import time, wherever pytest was started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return found()


LOGS = in_the_root(lambda: [(version, *log) for version in entry.versions() for log in entry.logs(version)])
MESSAGES = in_the_root(lambda: [(version, *one) for version in entry.versions() for one in entry.messages(version)])

every_log = pytest.mark.parametrize(
    ("version", "aggregate", "name", "log"), LOGS, ids=["-".join(map(str, log[:3])) for log in LOGS]
)
every_message = pytest.mark.parametrize(
    ("version", "kind", "name", "content"), MESSAGES, ids=["-".join(map(str, one[:3])) for one in MESSAGES]
)


@every_message
def test_a_message_once_accepted_is_accepted(version: str, kind: str, name: str, content: Any) -> None:
    found = {message.full_name: message for message in catalog.messages()}
    assert kind in found, f"{version} had {kind}; a message type does not leave"
    assert accepting.faults(GetMessageClass(found[kind]), content) == []


@every_log
def test_a_stored_log_folds_to_the_recorded_state(version: str, aggregate: str, name: str, log: entry.Log) -> None:
    assert folding.faults(DECIDERS[aggregate], log, Released.of(version)) == []


@every_log
def test_every_stored_event_keeps_the_rules(version: str, aggregate: str, name: str, log: entry.Log) -> None:
    kind = EnvelopeType.of(DECIDERS[aggregate].envelope)
    for step in log.steps:
        event = kind.decode(step.payload)
        if kind.knows(event):
            assert accepting.faults(kind.message, dict(step.event)) == []


def test_every_released_version_has_a_corpus() -> None:
    lacking = set(versions()) - set(entry.versions())
    assert lacking == set(), "run make corpus VERSION=… for it and commit what it writes"


@pytest.mark.parametrize("version", in_the_root(entry.versions))
def test_a_corpus_knows_every_aggregate_and_every_request(version: str) -> None:
    aggregates = {aggregate for aggregate, _, _ in entry.logs(version)}
    types = {kind for kind, _, _ in entry.messages(version)}
    known = added_since(version)
    envelopes = {name: decider.envelope.DESCRIPTOR.full_name for name, decider in DECIDERS.items()}
    assert aggregates == {name for name, envelope in envelopes.items() if envelope not in known}
    assert {method.input_type.full_name for method in catalog.methods()} <= types | known
    assert set(envelopes.values()) <= types | known


def added_since(version: str) -> set[str]:
    """Requests and envelopes that a version did not have."""
    released = Released.of(version)

    def had(name: str) -> bool:
        try:
            released.read(name, b"")
        except KeyError:
            return False
        return True

    asked = [method.input_type.full_name for method in catalog.methods()]
    return {name for name in (*asked, *(each.full_name for each in catalog.envelopes())) if not had(name)}


def terminal_states() -> set[str]:
    """The ends of every aggregate that a released version has."""
    return {
        state
        for decider in (DECIDERS[name] for name in {log[1] for log in LOGS})
        for state in lifecycle_of(decider.machines(decider.initial)[""].enum).terminal
    }


def test_the_logs_reach_every_end_that_can_be_reached() -> None:
    reached = {state for *_, log in LOGS for step in log.steps for state in step.then.values()}
    assert terminal_states() - reached == set()


class TestANewerWriter:
    """Every aggregate has a log whose last event has a body that nobody here knows."""

    newer = pytest.mark.parametrize(
        ("aggregate", "log"),
        [(log[1], log[3]) for log in LOGS if log[2] == "newer_writer"],
        ids=lambda one: str(one)[:12],
    )

    @newer
    def test_may_add_what_can_be_ignored(self, aggregate: str, log: entry.Log) -> None:
        *_, (known, before), (unknown, after) = folding.fold(DECIDERS[aggregate], log.payloads)
        assert known.WhichOneof("body")
        assert unknown.WhichOneof("body") is None
        assert after is before

    @newer
    def test_stops_every_reader_otherwise(self, aggregate: str, log: entry.Log) -> None:
        kind: EnvelopeType[Any] = EnvelopeType.of(DECIDERS[aggregate].envelope)
        event = kind.decode(log.payloads[-1])
        event.may_ignore = False
        last = replace(log.steps[-1], payload=event.SerializeToString())
        faults = folding.faults(DECIDERS[aggregate], replace(log, steps=(*log.steps[:-1], last)), Released.of("v1.0.0"))
        assert any("UnknownEvent" in fault and "upgrade this service first" in fault for fault in faults)

    def test_leaves_bytes_that_a_rewriting_reader_keeps(self) -> None:
        for _version, aggregate, name, log in LOGS:
            if name == "newer_writer":
                event = EnvelopeType.of(DECIDERS[aggregate].envelope).decode(log.payloads[-1])
                assert event.SerializeToString() == log.payloads[-1]
