"""The test kit: a broker in memory, a clock that stands still, given-when-then for deciders, recorded reads, waiters.

Its pytest fixtures stand in `gladhand.testing.fixtures`.
"""

from gladhand.testing.clock import VirtualClock
from gladhand.testing.given import Given, given
from gladhand.testing.memory import MemoryBroker, MemoryEventStore
from gladhand.testing.memory_bus import MemoryBus
from gladhand.testing.proxy import FaultProxy
from gladhand.testing.reading import Reading
from gladhand.testing.waiting import eventually, let_others_run

__all__ = [
    "FaultProxy",
    "Given",
    "MemoryBroker",
    "MemoryBus",
    "MemoryEventStore",
    "Reading",
    "VirtualClock",
    "eventually",
    "given",
    "let_others_run",
]
