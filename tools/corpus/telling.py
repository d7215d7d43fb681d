"""Tells a story to the real orchestrator's journal, on a store in memory, and keeps the bytes that it stored.

The clock and every id follow from the story, so that the same code stores the same bytes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from gladhand.bus.streams import standard_streams
from gladhand.envelope import EnvelopeType
from gladhand.execute import Executor
from gladhand.testing import MemoryBroker, MemoryEventStore, VirtualClock
from gladhand.validation import check
from logistics.process.v1 import ProcessPolicy
from logistics.type.v1 import Actor, ActorKind
from services.orchestrator.journal import DECIDERS, Cause, Journal
from services.orchestrator.policies import FixedPolicies

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_PACE = timedelta(minutes=5)
_BODY_OF_THE_FUTURE = b"\xfa\x7c\x00"
"""Field 1999, a message without fields: the contract gives no body that number."""


class NothingNew(ValueError):
    """A wish of a story that caused no event: the story is told wrong."""


@dataclass(frozen=True, slots=True)
class Story:
    """What was asked of one aggregate, wish by wish; each wish makes something new true."""

    aggregate: str
    name: str
    """Names the file."""
    told: str
    aggregate_id: str
    wishes: tuple[Any, ...]
    actor: str = "anna"
    ends_with_the_unknown: bool = False
    """Whether a newer writer adds an event of a kind that nobody here knows and that may be ignored."""


def payloads(story: Story) -> tuple[bytes, ...]:
    """Return the events that the story's wishes cause, as stored. Raises Rejected, NothingNew and the like."""
    stored = asyncio.run(_told(story))
    return (*stored, _from_the_future(story, stored[-1])) if story.ends_with_the_unknown else stored


async def _told(story: Story) -> tuple[bytes, ...]:
    clock = VirtualClock(START)
    store = MemoryEventStore(MemoryBroker(clock, standard_streams()), source="corpus")
    journal = Journal(
        Executor(store, clock, validate=check), clock, FixedPolicies(ProcessPolicy(name="default", version=1))
    )
    command = getattr(journal, story.aggregate)
    for number, wish in enumerate(story.wishes, 1):
        cause = Cause(
            request_id=str(uuid5(NAMESPACE_URL, f"{story.aggregate}/{story.name}/{number}")),
            region="us",
            actor=Actor(kind=ActorKind.ACTOR_KIND_PERSON, id=story.actor, role="dispatcher"),
        )
        outcome = await command(story.aggregate_id, wish, cause)
        if outcome.event is None:
            raise NothingNew(f"{story.aggregate}/{story.name}: wish {number}, {type(wish).__name__}, changed nothing")
        clock.advance(_PACE)
    stream = EnvelopeType.of(DECIDERS[story.aggregate].envelope).stream
    return tuple([message.payload async for message in store.read_all(stream)])


def _from_the_future(story: Story, newest: bytes) -> bytes:
    """Return what a newer writer would store next."""
    kind = EnvelopeType.of(DECIDERS[story.aggregate].envelope)
    event: Any = kind.decode(newest)
    cause = event.event_id
    event.ClearField("body")
    event.version += 1
    event.event_id = str(uuid5(NAMESPACE_URL, f"{story.aggregate}/{story.name}/future"))
    event.causation_id = cause
    event.may_ignore = True
    payload: bytes = event.SerializeToString(deterministic=True)
    return payload + _BODY_OF_THE_FUTURE
