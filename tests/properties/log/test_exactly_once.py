"""Whatever answers get lost, whoever races whom and however often a request is repeated: one request, one effect."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from gladhand.bus.deadletters import DeadLetters
from gladhand.bus.port import Backoff, Delivery, Poison, Retry, Subscription
from gladhand.bus.streams import standard_streams
from gladhand.clock import SystemClock
from gladhand.decider import Rejected
from gladhand.execute import Executor
from gladhand.lifecycle import IllegalTransition, lifecycle_of
from gladhand.log.port import Conflict, Unavailable
from gladhand.testing import MemoryBroker, MemoryBus, MemoryEventStore, eventually
from tests.adapters.log.parcel import (
    DECIDER,
    PARCELS,
    Close,
    Note,
    ParcelEvent,
    Register,
    Scan,
    Ship,
    pb,
    stamp,
)

COMMANDS = st.one_of(
    st.just(Register(5, ("a", "b"))),
    st.just(Ship()),
    st.sampled_from([Close(lost=True), Close()]),
    st.builds(Scan, st.sampled_from(["a", "b", "c"])),
    st.builds(Note, st.sampled_from(["x", "y", "z"])),
)
STEPS = st.lists(st.tuples(COMMANDS, st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=25)
SETTINGS = settings(max_examples=60, deadline=timedelta(seconds=5), derandomize=True)


@SETTINGS
@given(steps=STEPS, cluster=st.booleans(), batch=st.integers(1, 6))
def test_histories_are_legal_and_without_gaps_and_every_request_has_one_effect(
    steps: list[tuple[Any, int, int]], cluster: bool, batch: int
) -> None:
    """Each step: a command, the process that carries it out, and how many answers get lost around it."""

    async def run() -> None:
        broker = MemoryBroker(SystemClock(), (PARCELS,), cluster=cluster)
        processes = [Executor(MemoryEventStore(broker), SystemClock(), chance=lambda: 0.0) for _ in range(3)]
        answered: dict[str, str] = {}

        async def carry_out(number: int, command: Any, process: int, losses: int) -> None:
            request = stamp(request_id=str(UUID(int=number + 1, version=4)))
            broker.lose_answers += losses
            for repeat in range(4):
                try:
                    outcome = await processes[(process + repeat) % 3].execute(DECIDER, "p", command, request)
                except (Unavailable, Conflict):
                    continue
                except (IllegalTransition, Rejected):
                    return
                if outcome.event is None:
                    return
                known = answered.setdefault(request.request_id, outcome.event.event_id)
                assert known == outcome.event.event_id

        numbered = list(enumerate(steps))
        for begin in range(0, len(numbered), batch):
            group = numbered[begin : begin + batch]
            await asyncio.gather(*(carry_out(number, *step) for number, step in group))
        broker.lose_answers = 0
        history = [recorded.event for recorded in await processes[0].history(ParcelEvent, "p")]
        assert [event.version for event in history] == list(range(1, len(history) + 1))
        assert len({event.request_id for event in history}) == len(history)
        assert set(answered.values()) <= {event.event_id for event in history}
        check_legality(history)
        states = [(await process.load(DECIDER, "p")).state for process in processes]
        assert states == [DECIDER.fold(history)] * 3

    asyncio.run(run())


def check_legality(history: list[Any]) -> None:
    """An own walk over the declared edges, not the product's."""
    table = lifecycle_of(pb.ParcelState)
    state, names = DECIDER.initial, table.numbers
    for event in history:
        after = DECIDER.evolve(state, event)
        step = (names[state.state] if state.state else None, event.WhichOneof("body"), names[after.state])
        assert step in table.births | table.edges or (step[1] in table.anywhere and step[0] == step[2])
        state = after


FATES = st.lists(st.sampled_from(["fine", "retry", "error", "poison"]), min_size=1, max_size=5)


@SETTINGS
@given(fates=st.lists(FATES, min_size=1, max_size=12), keys=st.integers(1, 4), concurrency=st.integers(1, 4))
def test_every_message_is_handled_or_parked_and_keys_stay_in_order(
    fates: list[list[str]], keys: int, concurrency: int
) -> None:
    """Each message has the fates of its attempts; the fourth attempt of three is never made."""

    async def run() -> None:
        bus = MemoryBus(MemoryBroker(SystemClock(), standard_streams()))
        store = MemoryEventStore(bus.broker)
        handled: list[int] = []
        attempts: dict[int, int] = {}

        async def handle(delivery: Delivery) -> None:
            number = int(delivery.payload)
            attempts[number] = attempts.get(number, 0) + 1
            fate = (fates[number] + ["fine"] * 3)[attempts[number] - 1]
            if fate == "retry":
                raise Retry("later", after=timedelta(0))
            if fate == "error":
                raise ValueError("bug")
            if fate == "poison":
                raise Poison("never")
            handled.append(number)

        for number in range(len(fates)):
            subject = f"logistics.observation.eu.k{number % keys}.seen"
            await bus.publish(subject, str(number).encode(), message_id=f"m{number}")
        consumer = await bus.subscribe(
            Subscription(
                stream="OBSERVATIONS",
                durable="d",
                handler=handle,
                concurrency=concurrency,
                max_deliver=3,
                backoff=Backoff(first=0, longest=0),
            )
        )
        letters = DeadLetters(bus, store)

        async def at_rest() -> bool:
            lag = await consumer.lag()
            return lag.waiting == lag.in_flight == 0

        await eventually(at_rest)
        await consumer.stop()
        parked = [int(letter.payload) for letter in await letters.list()]
        assert sorted(handled + parked) == list(range(len(fates)))
        assert all(count <= 3 for count in attempts.values())
        for key in range(keys):
            mine = [number for number in handled if number % keys == key]
            assert mine == sorted(mine)

    asyncio.run(run())
