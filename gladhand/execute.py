"""The shell around every decider: load, decide, check against the contract, append; again where somebody was first.

The append is the publish: nothing else is written and nothing else is sent.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast
from weakref import WeakValueDictionary

from google.protobuf.message import Message
from opentelemetry import trace

from gladhand import ids
from gladhand.clock import Clock
from gladhand.decider import Decider
from gladhand.envelope import EnvelopeType, Stamp
from gladhand.errors import GladhandError, Internal, InvalidArgument
from gladhand.lifecycle import check_step
from gladhand.log.port import Conflict, EventStore, Recorded

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E", bound=Message)

_tracer = trace.get_tracer("gladhand.execute")

_REMEMBERED = 4096
_LONGEST_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S]):
    """An aggregate as its history tells it. `version` 0 means that it does not exist."""

    state: S
    version: int = 0
    sequence: int = 0
    """Stream sequence of the newest event, 0 where there is none."""
    region: str = ""
    correlation_id: str = ""
    last_event_id: str = ""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S, E]):
    """What became of a command."""

    state: S
    """The state after it; after a repeated request the present state."""
    version: int
    """The version of `event`, or the present one where nothing new was true."""
    event: E | None
    """The event recorded for this request, or None where nothing new was true."""
    sequence: int
    """Stream sequence of `event`, or of the newest one; a reader that got there has seen it."""
    repeated: bool = False
    """Whether the request had been carried out before."""


@dataclass(frozen=True, slots=True)
class _Kept(Generic[S]):
    """What the cache holds: the aggregate, and the sequence of each of its newest events by event id.

    All generations of one aggregate share `recent`: where an event stands never changes.
    """

    loaded: Loaded[S]
    recent: dict[str, int]


class Executor:
    """Carries out commands on aggregates. One per process; safe for concurrent use.

    `validate` is called with every event before it is stored and raises on a broken rule. States are cached, at most
    `cache_size`, which the log's sequence check makes safe: a stale state can cost a second round, never a wrong
    event, and no refusal is given on a state that was not read afresh.
    """

    def __init__(
        self,
        store: EventStore,
        clock: Clock,
        *,
        validate: Callable[[Message], None] | None = None,
        cache_size: int = 4096,
        attempts: int = 8,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._clock = clock
        self._validate = validate
        self._cache: OrderedDict[tuple[str, str], _Kept[Any]] = OrderedDict()
        self._cache_size = cache_size
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._attempts = attempts
        self._chance = chance

    async def execute(
        self,
        decider: Decider[S, C, E],
        aggregate_id: str,
        command: C,
        stamp: Stamp,
        *,
        policy_of: Callable[[S], str] | None = None,
    ) -> Outcome[S, E]:
        """Decide a command and record the event it causes, at most one and at most once per request id.

        `policy_of` names the policy by the state that the command meets, where the stamp names none.
        Raises Rejected and IllegalTransition where it may not be, InvalidArgument on a bad request id or region,
        Conflict where others were first `attempts` times, and whatever the store and `validate` raise; in each case
        nothing is recorded, except that after Unavailable it may be. The same request id settles that.
        """
        kind = EnvelopeType.of(decider.envelope)
        event_id = _event_id(stamp.request_id, aggregate_id)
        attributes = {"gladhand.aggregate": kind.aggregate, "gladhand.aggregate_id": aggregate_id}
        with _tracer.start_as_current_span(f"{kind.aggregate} execute", attributes=attributes):
            async with self._turn(kind, aggregate_id):
                return await self._execute(decider, kind, aggregate_id, command, stamp, event_id, policy_of)

    async def load(self, decider: Decider[S, C, E], aggregate_id: str) -> Loaded[S]:
        """Return an aggregate as it is now, never older than a write that was answered before the call."""
        kind = EnvelopeType.of(decider.envelope)
        kept: _Kept[S] = self._cached(kind, aggregate_id) or _Kept(Loaded(decider.initial), {})
        return (await self._catch_up(decider, kind, aggregate_id, kept)).loaded

    async def history(self, envelope: type[E], aggregate_id: str) -> list[Recorded[E]]:
        """Return every event of an aggregate, oldest first; empty where it does not exist."""
        return list(await self._store.read(EnvelopeType.of(envelope), aggregate_id))

    async def _execute(
        self,
        decider: Decider[S, C, E],
        kind: EnvelopeType[E],
        aggregate_id: str,
        command: C,
        stamp: Stamp,
        event_id: str,
        policy_of: Callable[[S], str] | None,
    ) -> Outcome[S, E]:
        cached = self._cached(kind, aggregate_id)
        kept: _Kept[S] = cached or _Kept(Loaded(decider.initial), {})
        fresh = cached is None
        conflict: Conflict | None = None
        mine: E | None = None
        for attempt in range(self._attempts):
            if fresh or kept.recent.get(event_id, 0) > kept.loaded.sequence:
                kept = await self._catch_up(decider, kind, aggregate_id, kept)
            done = await self._recorded(kind, aggregate_id, kept, event_id)
            if done is not None:
                return Outcome(kept.loaded.state, _version(done.event), done.event, done.sequence, done.event != mine)
            try:
                named = _naming(stamp, policy_of, kept.loaded.state)
                decided = self._decide(decider, kind, aggregate_id, command, named, kept.loaded, event_id)
            except GladhandError:
                if fresh:
                    raise
                decided = None
            if decided is None and fresh:
                return Outcome(kept.loaded.state, kept.loaded.version, None, kept.loaded.sequence)
            fresh = True
            if decided is None:
                continue
            mine, state = decided
            try:
                appended = await self._store.append(kind, mine, expected=kept.loaded.sequence)
            except Conflict as error:
                conflict = error
                await asyncio.sleep(_LONGEST_PAUSE_S * self._chance() * min(attempt, 4) / 4)
                continue
            if not appended.repeated:
                self._keep(kind, aggregate_id, _advanced(kept, mine, state, appended.sequence))
                return Outcome(state, _version(mine), mine, appended.sequence)
            # An earlier attempt had stored it, perhaps on another state than the one in hand: the history tells.
        raise conflict or Internal(f"{kind.aggregate} {aggregate_id}: no decision after {self._attempts} attempts")

    def _decide(
        self,
        decider: Decider[S, C, E],
        kind: EnvelopeType[E],
        aggregate_id: str,
        command: C,
        stamp: Stamp,
        loaded: Loaded[S],
        event_id: str,
    ) -> tuple[E, S] | None:
        decision = decider.decide(loaded.state, command)
        if decision is None:
            return None
        whole = replace(
            stamp,
            region=loaded.region or stamp.region,
            correlation_id=loaded.correlation_id or stamp.correlation_id or stamp.request_id,
            causation_id=stamp.causation_id or loaded.last_event_id,
        )
        event = kind.stamp(
            decision,
            whole,
            aggregate_id=aggregate_id,
            event_id=event_id,
            version=loaded.version + 1,
            recorded=self._clock.now(),
        )
        state = decider.evolve(loaded.state, event)
        check_step(decider.machines(loaded.state), kind.body(event).name, decider.machines(state))
        if self._validate is not None:
            self._validate(event)
        return event, state

    async def _catch_up(
        self, decider: Decider[S, C, E], kind: EnvelopeType[E], aggregate_id: str, kept: _Kept[S]
    ) -> _Kept[S]:
        for recorded in await self._store.read(kind, aggregate_id, after=kept.loaded.sequence):
            event = recorded.event
            if _version(event) != kept.loaded.version + 1:
                raise Internal(
                    f"{kind.aggregate} {aggregate_id}: version {_version(event)} follows {kept.loaded.version}; "
                    f"the history has a gap at sequence {recorded.sequence}"
                )
            state = decider.evolve(kept.loaded.state, event) if kind.knows(event) else kept.loaded.state
            kept = _advanced(kept, event, state, recorded.sequence)
        if kept.loaded.version:
            self._keep(kind, aggregate_id, kept)
        return kept

    async def _recorded(
        self, kind: EnvelopeType[E], aggregate_id: str, kept: _Kept[Any], event_id: str
    ) -> Recorded[E] | None:
        """Return the event that the request has caused already, if it has."""
        sequence = kept.recent.get(event_id, 0)
        if not sequence and kept.loaded.version <= len(kept.recent):
            return None
        for recorded in await self._store.read(kind, aggregate_id, after=max(sequence - 1, 0)):
            if cast("Any", recorded.event).event_id == event_id:
                return recorded
        return None

    def _turn(self, kind: EnvelopeType[Any], aggregate_id: str) -> asyncio.Lock:
        """Commands of this process on one aggregate wait for each other here instead of conflicting in the log."""
        return self._turns.setdefault((kind.aggregate, aggregate_id), asyncio.Lock())

    def _cached(self, kind: EnvelopeType[Any], aggregate_id: str) -> _Kept[Any] | None:
        key = (kind.aggregate, aggregate_id)
        kept = self._cache.get(key)
        if kept is not None:
            self._cache.move_to_end(key)
        return kept

    def _keep(self, kind: EnvelopeType[Any], aggregate_id: str, kept: _Kept[Any]) -> None:
        key = (kind.aggregate, aggregate_id)
        known = self._cache.get(key)
        if known is not None and known.loaded.sequence > kept.loaded.sequence:
            return
        self._cache[key] = kept
        self._cache.move_to_end(key)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)


def _version(event: Message) -> int:
    return cast("int", cast("Any", event).version)


def _advanced(kept: _Kept[S], event: Message, state: S, sequence: int) -> _Kept[S]:
    fields: Any = event
    recent = kept.recent
    recent[fields.event_id] = sequence
    if len(recent) > _REMEMBERED:
        del recent[next(iter(recent))]
    return _Kept(
        Loaded(
            state,
            version=fields.version,
            sequence=sequence,
            region=fields.region,
            correlation_id=kept.loaded.correlation_id or fields.correlation_id,
            last_event_id=fields.event_id,
        ),
        recent,
    )


def _event_id(request_id: str, aggregate_id: str) -> str:
    try:
        return ids.event_id(request_id, aggregate_id)
    except ValueError as error:
        raise InvalidArgument(
            f"{request_id!r} is no UUID", field="request_id", remedy="give a new UUID to each new request"
        ) from error


def _naming(stamp: Stamp, policy_of: Callable[[S], str] | None, state: S) -> Stamp:
    if policy_of is None or stamp.policy_version:
        return stamp
    return replace(stamp, policy_version=policy_of(state))
