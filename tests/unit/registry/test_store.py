"""Reading the registry while others write into it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from gladhand.bus.buckets import STANDARD_BUCKETS
from gladhand.bus.port import Entry
from gladhand.registry import Registry
from gladhand.registry.store import BEAT
from gladhand.testing.memory_buckets import MemoryBucket
from logistics.contract.v1.registration_pb2 import PARTICIPATION_CONSUMER, Registration


class Busy(MemoryBucket):
    """Misses a key in one of its readings, as the real one does where the key is written again meanwhile."""

    def __init__(self, missed: str, reading: int) -> None:
        super().__init__("REGISTRY")
        self._missed, self._left = missed, reading

    async def watch(self, key: str = ">") -> AsyncGenerator[Entry | None]:
        self._left -= 1
        hidden = self._missed if self._left == 0 else ""
        async for entry in super().watch(key):
            if entry is None or entry.key != hidden:
                yield entry


def entry(name: str) -> Registration:
    return Registration(name=name, instance="1", participation=PARTICIPATION_CONSUMER, image_digest="d")


@pytest.mark.parametrize("reading", [1, 2])
async def test_who_writes_a_heartbeat_while_the_bucket_is_read_is_not_missed(reading: int) -> None:
    registry = Registry(Busy("busy.1", reading), MemoryBucket("CONTRACTS"))
    for name in ("busy", "quiet"):
        await registry.put(entry(name))
    assert [each.name for each in (await registry.live()).registrations] == ["busy", "quiet"]


def test_the_bucket_keeps_an_entry_for_four_beats() -> None:
    (spec,) = (each for each in STANDARD_BUCKETS if each.name == "REGISTRY")
    assert spec.keep == 4 * BEAT


async def test_who_drained_while_the_bucket_was_read_is_gone() -> None:
    class Leaving(Busy):
        async def watch(self, key: str = ">") -> AsyncGenerator[Entry | None]:
            if self._left == 1:
                await self.delete(self._missed)
            async for each in super().watch(key):
                yield each

    registry = Registry(Leaving("leaving.1", 2), MemoryBucket("CONTRACTS"))
    await registry.put(entry("leaving"))
    assert (await registry.live()).registrations == ()
