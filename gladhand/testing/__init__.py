"""The test kit: a broker in memory, a clock that stands still, given-when-then for deciders, waiters and fixtures."""

from gladhand.testing.clock import VirtualClock
from gladhand.testing.given import Given, given
from gladhand.testing.memory import MemoryBroker, MemoryEventStore
from gladhand.testing.memory_bus import MemoryBus
from gladhand.testing.proxy import FaultProxy
from gladhand.testing.waiting import eventually, let_others_run

__all__ = [
    "FaultProxy",
    "Given",
    "MemoryBroker",
    "MemoryBus",
    "MemoryEventStore",
    "VirtualClock",
    "eventually",
    "given",
    "let_others_run",
]
