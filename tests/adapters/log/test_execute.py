"""The shell around deciders, on every broker."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.message import Message

from gladhand import ids
from gladhand.clock import SystemClock
from gladhand.decider import Decider, Rejected
from gladhand.envelope import BadToken, EnvelopeType, UnknownEvent
from gladhand.errors import Internal, InvalidArgument
from gladhand.execute import Executor
from gladhand.lifecycle import IllegalTransition
from gladhand.log.port import Conflict
from gladhand.testing import VirtualClock
from tests.adapters.log.mesh import Mesh
from tests.adapters.log.parcel import (
    DECIDER,
    DELIVERED,
    KIND,
    REGISTERED,
    SEEN,
    SHIPPED,
    Close,
    Note,
    Parcel,
    ParcelEvent,
    Register,
    Scan,
    Ship,
    event,
    pb,
    stamp,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def executor(mesh: Mesh) -> Executor:
    return Executor(mesh.store, VirtualClock(NOW))


def other(mesh: Mesh) -> Executor:
    """Another process on the same log."""
    return Executor(mesh.store, SystemClock())


async def test_a_command_becomes_an_event_and_a_state(executor: Executor) -> None:
    request = str(uuid4())
    outcome = await executor.execute(DECIDER, "p1", Register(250), stamp(request_id=request, correlation_id="corr"))
    assert (outcome.version, outcome.sequence, outcome.repeated) == (1, 1, False)
    assert outcome.state == Parcel(REGISTERED, 250)
    (recorded,) = await executor.history(ParcelEvent, "p1")
    assert recorded.event == outcome.event
    stored: Any = recorded.event
    assert stored.event_id == ids.event_id(request, "p1")
    assert (stored.parcel_id, stored.version, stored.region) == ("p1", 1, "eu")
    assert (stored.request_id, stored.correlation_id, stored.causation_id) == (request, "corr", "")
    assert stored.record_time.ToDatetime(UTC) == stored.occur_time.ToDatetime(UTC) == NOW
    assert not stored.HasField("receive_time")


async def test_metadata_follows_the_aggregate(executor: Executor) -> None:
    occurred = datetime(2026, 2, 28, 23, 59, tzinfo=UTC)
    born = await executor.execute(DECIDER, "p1", Register(), stamp(correlation_id="first"))
    later = await executor.execute(
        DECIDER,
        "p1",
        Ship(),
        stamp(
            region="",
            correlation_id="second",
            occur_time=occurred,
            receive_time=NOW,
            actor=pb.Person(name="ann"),
            provenance=pb.Person(name="gps"),
            policy_version="eu@3",
            classifier=4,
        ),
    )
    found: Any = later.event
    assert found.region == "eu"
    assert found.correlation_id == "first"
    assert found.causation_id == born.event.event_id  # type: ignore[union-attr]
    assert found.occur_time.ToDatetime(UTC) == occurred
    assert (found.actor.name, found.provenance.name, found.policy_version, found.classifier) == (
        "ann",
        "gps",
        "eu@3",
        4,
    )
    caused: Any = (await executor.execute(DECIDER, "p1", Note("n"), stamp(causation_id="e-77"))).event
    assert caused.causation_id == "e-77"


async def test_the_correlation_of_an_aggregate_born_without_one_is_its_request(executor: Executor) -> None:
    outcome = await executor.execute(DECIDER, "p1", Register(), stamp(request_id=(request := str(uuid4()))))
    assert outcome.event.correlation_id == request  # type: ignore[union-attr]


async def test_a_decider_may_set_what_it_knows_better(mesh: Mesh) -> None:
    occurred = datetime(2020, 1, 1, tzinfo=UTC)

    def decide(_: Parcel, command: Register) -> Message:
        envelope = ParcelEvent(registered=pb.Registered(weight_g=command.weight_g), classifier=2, may_ignore=True)
        envelope.occur_time.FromDatetime(occurred)
        return envelope  # type: ignore[no-any-return]

    decider: Decider[Parcel, Register, Any] = Decider(
        ParcelEvent, DECIDER.initial, decide, DECIDER.evolve, DECIDER.machines
    )
    outcome = await Executor(mesh.store, VirtualClock(NOW)).execute(decider, "p1", Register(5), stamp(classifier=9))
    found: Any = outcome.event
    assert (found.classifier, found.may_ignore, found.occur_time.ToDatetime(UTC)) == (2, True, occurred)


async def test_the_same_request_again_answers_what_was_recorded(executor: Executor, mesh: Mesh) -> None:
    first = stamp()
    born = await executor.execute(DECIDER, "p1", Register(), first)
    await executor.execute(DECIDER, "p1", Ship(), stamp())
    for process in (executor, other(mesh)):
        again = await process.execute(DECIDER, "p1", Register(), first)
        assert (again.event, again.version, again.sequence) == (born.event, 1, born.sequence)
        assert again.repeated
        assert again.state.state == SHIPPED
    assert len(await executor.history(ParcelEvent, "p1")) == 2


async def test_nothing_new_is_no_event(executor: Executor) -> None:
    await executor.execute(DECIDER, "p1", Register(), stamp())
    shipped = await executor.execute(DECIDER, "p1", Ship(), stamp())
    again = await executor.execute(DECIDER, "p1", Ship(), stamp())
    assert (again.event, again.version, again.sequence, again.repeated) == (None, 2, shipped.sequence, False)


async def test_a_refusal_records_nothing(executor: Executor) -> None:
    with pytest.raises(Rejected) as caught:
        await executor.execute(DECIDER, "p1", Register(0), stamp())
    assert caught.value.reason == "CONTRACT_VIOLATION"
    assert caught.value.metadata == {"weight_g": "0"}
    assert (await executor.load(DECIDER, "p1")).version == 0


async def test_a_second_birth_is_refused(executor: Executor) -> None:
    await executor.execute(DECIDER, "p1", Register(), stamp())
    with pytest.raises(IllegalTransition) as caught:
        await executor.execute(DECIDER, "p1", Register(), stamp())
    assert (caught.value.state, caught.value.event) == ("PARCEL_STATE_REGISTERED", "registered")
    assert len(await executor.history(ParcelEvent, "p1")) == 1


async def test_no_code_takes_an_edge_that_the_contract_lacks(executor: Executor) -> None:
    with pytest.raises(IllegalTransition) as caught:
        await executor.execute(DECIDER, "p1", Close(), stamp())
    assert caught.value.state is None
    assert [edge.event for edge in caught.value.open_edges] == ["registered"]
    await executor.execute(DECIDER, "p2", Register(pieces=("x",)), stamp())
    await executor.execute(DECIDER, "p2", Scan("x"), stamp())
    with pytest.raises(IllegalTransition) as caught:
        await executor.execute(DECIDER, "p2", Scan("unheard-of"), stamp())
    assert (caught.value.machine, caught.value.state) == ("piece/unheard-of", None)
    assert (await executor.load(DECIDER, "p2")).state.pieces == {"x": SEEN}


async def test_no_refusal_is_given_on_a_stale_state(executor: Executor, mesh: Mesh) -> None:
    await executor.execute(DECIDER, "p1", Register(), stamp())
    await other(mesh).execute(DECIDER, "p1", Ship(), stamp())
    outcome = await executor.execute(DECIDER, "p1", Close(), stamp())
    assert outcome.state.state == DELIVERED
    assert outcome.version == 3


async def test_nothing_new_is_not_judged_on_a_stale_state(executor: Executor, mesh: Mesh) -> None:
    await executor.execute(DECIDER, "p1", Register(pieces=("a", "b")), stamp())
    await other(mesh).execute(DECIDER, "p1", Note("b"), stamp())
    outcome = await executor.execute(DECIDER, "p1", Note("b"), stamp())
    assert outcome.event is None
    assert outcome.version == 2


async def test_loading_sees_what_another_process_wrote(executor: Executor, mesh: Mesh) -> None:
    await executor.execute(DECIDER, "p1", Register(), stamp())
    shipped = await other(mesh).execute(DECIDER, "p1", Ship(), stamp())
    loaded = await executor.load(DECIDER, "p1")
    assert (loaded.state.state, loaded.version, loaded.sequence) == (SHIPPED, 2, shipped.sequence)
    assert (loaded.region, loaded.last_event_id) == ("eu", shipped.event.event_id)  # type: ignore[union-attr]


async def test_many_processes_write_one_aggregate_without_loss(mesh: Mesh) -> None:
    processes = [Executor(mesh.store, SystemClock(), attempts=40) for _ in range(4)]
    await processes[0].execute(DECIDER, "p1", Register(), stamp())
    commands = [(process, f"{number}/{n}") for number, process in enumerate(processes) for n in range(6)]
    await asyncio.gather(*(process.execute(DECIDER, "p1", Note(text), stamp()) for process, text in commands))
    history = await processes[0].history(ParcelEvent, "p1")
    assert [recorded.event.version for recorded in history] == list(range(1, 26))
    assert sorted(recorded.event.noted.text for recorded in history[1:]) == sorted(text for _, text in commands)


async def test_one_request_on_many_processes_has_one_effect(mesh: Mesh) -> None:
    request = stamp()
    outcomes = await asyncio.gather(
        *(Executor(mesh.store, SystemClock()).execute(DECIDER, "p1", Register(7), request) for _ in range(8))
    )
    assert {outcome.sequence for outcome in outcomes} == {1}
    assert len({outcome.event.SerializeToString(deterministic=True) for outcome in outcomes}) == 1  # type: ignore[union-attr]
    assert sum(not outcome.repeated for outcome in outcomes) == 1


async def test_a_request_is_known_again_after_many_others(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gladhand.execute._REMEMBERED", 20)
    executor = Executor(mesh.store, SystemClock())
    first = stamp()
    born = await executor.execute(DECIDER, "p1", Register(), first)
    for number in range(30):
        await executor.execute(DECIDER, "p1", Note(f"n{number}"), stamp())
    again = await executor.execute(DECIDER, "p1", Register(), first)
    assert (again.repeated, again.event) == (True, born.event)


async def test_a_full_cache_forgets_and_loads_again(mesh: Mesh) -> None:
    executor = Executor(mesh.store, SystemClock(), cache_size=2)
    for name in ("a", "b", "c"):
        await executor.execute(DECIDER, name, Register(), stamp())
    for name in ("a", "b", "c"):
        assert (await executor.execute(DECIDER, name, Ship(), stamp())).version == 2
    assert len(executor._cache) == 2


async def test_validation_stands_between_decision_and_log(mesh: Mesh) -> None:
    def validate(message: Message) -> None:
        raise InvalidArgument("too heavy", field="weight_g")

    executor = Executor(mesh.store, SystemClock(), validate=validate)
    with pytest.raises(InvalidArgument):
        await executor.execute(DECIDER, "p1", Register(), stamp())
    assert await executor.history(ParcelEvent, "p1") == []


async def test_bad_input_is_named(executor: Executor) -> None:
    with pytest.raises(InvalidArgument, match="no UUID"):
        await executor.execute(DECIDER, "p1", Register(), stamp(request_id="7"))
    with pytest.raises(BadToken, match="region"):
        await executor.execute(DECIDER, "p1", Register(), stamp(region="E.U"))
    with pytest.raises(BadToken, match="parcel_id"):
        await executor.execute(DECIDER, "p.1", Register(), stamp())


async def test_an_unknown_event_stops_the_reader_unless_it_may_be_ignored(executor: Executor, mesh: Mesh) -> None:
    await executor.execute(DECIDER, "p1", Register(), stamp())
    newer = pb.NewerParcelEvent(
        event_id=str(uuid4()), parcel_id="p1", version=2, region="eu", may_ignore=True, repainted=pb.Noted(text="red")
    )
    await append_newer(mesh, newer, expected=1)
    loaded = await executor.load(DECIDER, "p1")
    assert (loaded.version, loaded.state.state) == (2, REGISTERED)
    assert (await executor.execute(DECIDER, "p1", Ship(), stamp())).version == 3
    newer.may_ignore, newer.version, newer.event_id = False, 4, str(uuid4())
    await append_newer(mesh, newer, expected=3)
    with pytest.raises(UnknownEvent):
        await executor.load(DECIDER, "p1")
    with pytest.raises(UnknownEvent):
        await executor.execute(DECIDER, "p1", Close(), stamp())


async def append_newer(mesh: Mesh, newer: Any, *, expected: int) -> None:
    """As a newer writer would: its own envelope type on the same subject."""
    await mesh.store.append(EnvelopeType(pb.NewerParcelEvent), newer, expected=expected)


async def test_a_gap_in_the_versions_is_a_fault_and_not_a_state(executor: Executor, mesh: Mesh) -> None:
    await executor.execute(DECIDER, "p1", Register(), stamp())
    await mesh.store.append(KIND, event(pb.Shipped(), "p1", 5), expected=1)
    with pytest.raises(Internal, match="gap"):
        await executor.load(DECIDER, "p1")


async def test_endless_contention_ends_in_a_conflict(mesh: Mesh) -> None:
    executor = Executor(mesh.store, SystemClock(), attempts=3)
    await executor.execute(DECIDER, "p1", Register(), stamp())
    rival = other(mesh)

    class Beaten:
        """A store on which somebody else is always first."""

        def __getattr__(self, name: str) -> Any:
            return getattr(mesh.store, name)

        async def append(self, *args: Any, **kwargs: Any) -> Any:
            await rival.execute(DECIDER, "p1", Note(str(uuid4())), stamp())
            return await mesh.store.append(*args, **kwargs)

    with pytest.raises(Conflict):
        await Executor(Beaten(), SystemClock(), attempts=3).execute(DECIDER, "p1", Ship(), stamp())
    assert (await rival.load(DECIDER, "p1")).state.state == REGISTERED
