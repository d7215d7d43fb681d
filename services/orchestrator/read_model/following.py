"""Follows one stream: takes a batch, folds it, commits its rows with its position, and again."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from gladhand.bus.port import Backoff
from gladhand.errors import Unavailable
from gladhand.log.port import EventStore, StoredMessage
from services.orchestrator.read_model.arrivals import Arrivals
from services.orchestrator.read_model.database import Database
from services.orchestrator.read_model.folding import Batch, Folding, Unprojectable
from services.orchestrator.read_model.intake import Intake
from services.orchestrator.read_model.writing import Overtaken, Position, commit, read_position

T = TypeVar("T")

log = logging.getLogger(__name__)

_MOST: Final = 200
"""Messages of one commit at most."""

_LOOK_S: Final = 1.0
"""Seconds after which a stream that brings nothing looks whether the model begins anew."""

_ATTEMPTS: Final = 12
_BACKOFF: Final = Backoff(first=0.1, longest=5.0, jitter=0.5)


class Follower:
    """The projector's hand on one stream."""

    def __init__(
        self,
        stream: str,
        store: EventStore,
        database: Database,
        arrivals: Arrivals,
        folding: Folding,
    ) -> None:
        self.stream = stream
        self._store = store
        self._database = database
        self._arrivals = arrivals
        self._folding = folding
        self._intake: Intake | None = None
        self._halted = False

    def halt(self) -> None:
        """Let `run` return after the batch in hand."""
        self._halted = True
        if self._intake is not None:
            self._intake.wake()

    async def run(self) -> None:
        """Follow the stream until halted. Raises Unprojectable, Superseded, Unavailable."""
        while not self._halted:
            position = (await patiently(self.stream, self._position)).sequence
            async with Intake(self._store, self.stream, position + 1) as self._intake:
                await self._follow(self._intake, position)

    async def is_on_this_log(self) -> bool:
        """Return whether the message at the position is the one that was projected there. Raises Unavailable."""
        position = await self._position()
        if not position.sequence:
            return True
        async with aclosing(self._store.read_all(self.stream, start=position.sequence)) as messages:
            async for message in messages:
                return message.sequence == position.sequence and _digest(message) == position.digest
        return False

    async def _follow(self, intake: Intake, position: int) -> None:
        """Project until halted, or until the model begins anew."""
        taken: list[StoredMessage] = []
        while not self._halted:
            taken = taken or await intake.take(_MOST, _LOOK_S)
            moved = await self._project(taken, position) if taken else None
            if moved is None:
                moved = (await patiently(self.stream, self._position)).sequence
            if moved < position:
                log.warning("%s: the read model begins anew from %s", self.stream, moved)
                self._folding.forget()
                return
            position = moved
            # Where another projector got further, what it left over is still to be done.
            taken = [message for message in taken if message.sequence > position]

    async def _project(self, messages: list[StoredMessage], position: int) -> int | None:
        """Fold and commit a batch; return the new position, None where another projector moved it."""
        batch = self._folding.batch(self.stream)
        for message in messages:
            await patiently(self.stream, lambda message=message: batch.add(message))  # type: ignore[misc]
        after = Position(messages[-1].sequence, _digest(messages[-1]))
        try:
            await patiently(self.stream, lambda: self._commit(batch, position, after))
        except Overtaken:
            return None
        self._folding.keep(batch.changed)
        self._arrivals.announce(batch.changed)
        return after.sequence

    async def _commit(self, batch: Batch, position: int, after: Position) -> None:
        try:
            await commit(self._database, self.stream, position, after, batch.rows())
        except SQLAlchemyError as error:
            raise Unprojectable(self.stream, after.sequence, error) from error

    async def _position(self) -> Position:
        return await read_position(self._database, self.stream)


async def patiently(what: str, work: Callable[[], Awaitable[T]]) -> T:
    """Do something again while log or database stay silent; raises the Unavailable of the twelfth attempt."""
    for attempt in range(1, _ATTEMPTS):
        try:
            return await work()
        except Unavailable as error:
            log.warning("%s: attempt %s to project failed: %s", what, attempt, error.message)
            await asyncio.sleep(_BACKOFF.delay(attempt, random.random()))
    return await work()


def _digest(message: StoredMessage) -> str:
    return hashlib.sha256(message.payload).hexdigest()[:32]
