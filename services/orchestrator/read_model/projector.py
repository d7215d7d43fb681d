"""The projector: follows the streams of business events and keeps the read model's rows.

A batch's rows and its stream's position are committed together, and only where the position still stands where the
projector left it. So a message that comes twice changes nothing, a crash at any moment loses nothing, and several
projectors on one database neither double nor undo each other's work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gladhand.decider import Decider
from gladhand.log.port import EventStore
from services.orchestrator.journal import DECIDERS
from services.orchestrator.read_model.folding import Folding
from services.orchestrator.read_model.following import Follower, patiently
from services.orchestrator.read_model.model import ReadModel
from services.orchestrator.read_model.schema import STREAMS
from services.orchestrator.read_model.writing import read_position

log = logging.getLogger(__name__)

_KEPT: Final = 4096
"""Aggregates of one stream that are kept folded."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the projector is behind one stream."""

    position: int
    """Sequence of the newest message that the rows show."""
    last_sequence: int
    """Sequence of the newest message of the stream."""

    @property
    def behind(self) -> int:
        """Messages that are not shown yet; all of them where the rows were built from another, longer log."""
        return self.last_sequence - (self.position if self.position <= self.last_sequence else 0)


class Projector:
    """Keeps a read model up to date. Several may work on one database; one of them is enough."""

    def __init__(
        self,
        store: EventStore,
        read_model: ReadModel,
        *,
        deciders: Mapping[str, Decider[Any, Any, Any]] = DECIDERS,
        kept: int = _KEPT,
    ) -> None:
        self._store = store
        self._model = read_model
        self._deciders = deciders
        self._kept = kept

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow every stream until `stopping` is set.

        Raises Unprojectable at an event that cannot be shown, Superseded where another version of the tables took
        over, and Unavailable where log or database stay silent through a dozen attempts. Whoever runs it must not go
        on without it: what is read would grow old unnoticed.
        """
        followers = [self._follower(stream) for stream in STREAMS]
        await patiently("projector", lambda: self._begin_anew_on_another_log(followers))
        tasks = {asyncio.create_task(each.run(), name=f"projector {each.stream}") for each in followers}
        asked = asyncio.create_task(stopping.wait(), name="projector stop")
        try:
            await asyncio.wait({*tasks, asked}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        finally:
            for follower in followers:
                follower.halt()
            asked.cancel()
            await asyncio.wait({*tasks, asked})
        failures = [(task.get_name(), task.exception()) for task in tasks]
        for name, failure in failures:
            if failure is not None:
                log.error("%s failed: %s", name, failure)
        for _, failure in failures:
            if failure is not None:
                raise failure

    async def lag(self) -> dict[str, Lag]:
        """Return how far the rows are behind, stream by stream. Raises Unavailable."""
        return {
            stream: Lag(
                (await read_position(self._model.database, stream)).sequence, await self._store.last_sequence(stream)
            )
            for stream in STREAMS
        }

    def _follower(self, stream: str) -> Follower:
        folding = Folding(self._store, self._deciders, self._kept)
        return Follower(stream, self._store, self._model.database, self._model.arrivals, folding)

    async def _begin_anew_on_another_log(self, followers: list[Follower]) -> None:
        """Rows that another log told, or one that was since restored from an older copy, are worth nothing."""
        for follower in followers:
            if not await follower.is_on_this_log():
                log.warning("the read model was not built from this log (%s differs): built anew", follower.stream)
                await self._model.rebuild()
                return
