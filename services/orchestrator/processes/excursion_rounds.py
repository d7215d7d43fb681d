"""Finds excursions whose timers or messages were lost: a round of the watchdog."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Protocol

from gladhand.clock import Clock
from gladhand.errors import GladhandError
from services.orchestrator.processes.cold_chain import ColdChain

log = logging.getLogger(__name__)

_BATCH = 200
_PATIENCE = timedelta(seconds=15)


class OpenExcursions(Protocol):
    """Where it learns which excursions stand still."""

    async def open_excursions(self, unchanged_since: datetime, limit: int) -> list[str]:
        """Return excursions that wait for a decision, or for their hold, and did not change since, oldest first."""
        ...


class ExcursionRounds:
    """Looks at every excursion that stood still for a while."""

    def __init__(self, cold: ColdChain, waiting: OpenExcursions, clock: Clock) -> None:
        self._cold = cold
        self._waiting = waiting
        self._clock = clock

    async def look_all(self) -> None:
        """Look at each; one that cannot be looked at holds up nobody. Raises Unavailable."""
        for excursion_id in await self._waiting.open_excursions(self._clock.now() - _PATIENCE, _BATCH):
            try:
                await self._cold.look(excursion_id)
            except GladhandError as error:
                log.warning("excursion %s could not be looked at: %s", excursion_id, error.message)
