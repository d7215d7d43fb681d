"""Histories, straight from the log: of one aggregate, or of everything in an order's journey."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from gladhand.decider import Decider
from gladhand.envelope import EnvelopeType
from gladhand.errors import InvalidArgument, NotFound
from gladhand.log.port import Recorded
from gladhand.masking import BLOT, masked
from logistics.orchestrator.v1 import GetHistoryRequest, GetHistoryResponse, HistoryEntry
from logistics.type.v1 import ActorKind
from services.orchestrator.journal import DECIDERS
from services.orchestrator.servicer.desk import Methods

_AT_ONCE: Final = 16
"""Histories that are read from the log at the same time."""

_NO_PERSONS: Final = frozenset(
    {ActorKind.ACTOR_KIND_SERVICE, ActorKind.ACTOR_KIND_PARTNER, ActorKind.ACTOR_KIND_DEVICE}
)
"""Actors whose names are no personal data."""

_UNKNOWN: Final = "unknown"
"""The name of an event whose body this program does not know."""


class HistoryMethods(Methods):
    """The part of the service that tells what happened."""

    async def GetHistory(
        self, request: GetHistoryRequest, context: grpc.aio.ServicerContext[GetHistoryRequest, GetHistoryResponse]
    ) -> GetHistoryResponse:
        """Read every event of an aggregate, oldest first; with `journey`, of everything that belongs to its orders.

        An order may be named by any of its external references or by the ERP's number of its invoice as well.
        """
        if request.aggregate not in DECIDERS:
            raise InvalidArgument(
                f"there is no aggregate {request.aggregate!r}", field="aggregate", remedy=f"give {_kinds()}"
            )
        entries = await self._history(request.aggregate, request.id)
        aggregate_id = request.id
        if not entries and request.aggregate == "order":
            aggregate_id = await self._named(request.id)
            entries = await self._history("order", aggregate_id)
        if not entries:
            raise NotFound(request.aggregate, request.id)
        if request.journey:
            entries = await self._journey(request.aggregate, aggregate_id, entries)
        return GetHistoryResponse(entries=entries)

    async def _named(self, term: str) -> str:
        """Return the order that a term names. Raises NotFound, and InvalidArgument where it names several."""
        found = await self._desk.read_model.find_order(term)
        if not found:
            raise NotFound("order", term)
        if len(found) > 1:
            raise InvalidArgument(
                f"{len(found)} orders are known as {term!r}: {', '.join(found)}",
                field="id",
                remedy="name one of them by its id",
            )
        return found[0]

    async def _journey(self, aggregate: str, aggregate_id: str, own: list[HistoryEntry]) -> list[HistoryEntry]:
        """Merge the histories of everything in the journeys of an aggregate's orders, in the order of recording."""
        model = self._desk.read_model
        # What was recorded a moment ago may not stand in the read model yet; the aggregate itself is always shown.
        order_ids = [aggregate_id] if aggregate in {"order", "fulfilment"} else []
        order_ids += [name for name in await model.orders_of(aggregate, aggregate_id) if name not in order_ids]
        related: dict[tuple[str, str], None] = {}
        for order_id in order_ids:
            related |= dict.fromkeys([("order", order_id), ("fulfilment", order_id), *await model.related(order_id)])
        related.pop((aggregate, aggregate_id), None)
        turn = asyncio.Semaphore(_AT_ONCE)

        async def read(name: tuple[str, str]) -> list[HistoryEntry]:
            async with turn:
                return await self._history(*name)

        others = await asyncio.gather(*(read(name) for name in related))
        merged = [*own, *(entry for entries in others for entry in entries)]
        return sorted(merged, key=lambda e: (e.record_time.ToNanoseconds(), e.stream, e.sequence))

    async def _history(self, aggregate: str, aggregate_id: str) -> list[HistoryEntry]:
        """Return the entries of one aggregate, oldest first; empty where it does not exist."""
        decider = DECIDERS[aggregate]
        kind = EnvelopeType.of(decider.envelope)
        if aggregate == "order" and not _is_uuid(aggregate_id):
            return []
        return entries_of(kind, decider, await self._desk.store.read(kind, aggregate_id))


def entries_of(
    kind: EnvelopeType[Any], decider: Decider[Any, Any, Any], history: Sequence[Recorded[Any]]
) -> list[HistoryEntry]:
    """Return an aggregate's history as entries, each with the state that its event led to; personal data is masked.

    Raises UnknownEvent where an event that must not be ignored is unknown: the states behind it would be wrong.
    """
    state = decider.initial
    entries = []
    for recorded in history:
        if kind.knows(recorded.event):
            state = decider.evolve(state, recorded.event)
        entries.append(_entry(kind, recorded, _state_name(decider, state)))
    return entries


def _entry(kind: EnvelopeType[Any], recorded: Recorded[Any], state: str) -> HistoryEntry:
    event: Any = recorded.event
    body = event.WhichOneof("body")
    entry = HistoryEntry(
        aggregate=kind.aggregate,
        aggregate_id=kind.aggregate_id(event),
        version=event.version,
        event_id=event.event_id,
        event=body or _UNKNOWN,
        causation_id=event.causation_id,
        correlation_id=event.correlation_id,
        body_json=_json(getattr(event, body)) if body else "{}",
        stream=kind.stream,
        sequence=recorded.sequence,
        state=state,
    )
    for name in ("occur_time", "record_time", "receive_time"):
        if event.HasField(name):
            getattr(entry, name).CopyFrom(getattr(event, name))
    if event.HasField("actor"):
        entry.actor.CopyFrom(event.actor)
        if event.actor.kind not in _NO_PERSONS:
            entry.actor.id = BLOT
    return entry


def _state_name(decider: Decider[Any, Any, Any], state: Any) -> str:
    machine = decider.machines(state)[""]
    return machine.enum.DESCRIPTOR.values_by_number[machine.value].name if machine.value else ""


def _json(body: Message) -> str:
    return json.dumps(masked(body), ensure_ascii=False, separators=(",", ":"))


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _kinds() -> str:
    names = list(DECIDERS)
    return f"{', '.join(names[:-1])} or {names[-1]}"
