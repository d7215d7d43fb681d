"""The registry in the mesh: bucket `REGISTRY` of who is there, bucket `CONTRACTS` of the contracts they know.

What is in `REGISTRY` counts as live. Nobody compares times for that: an entry that its process does not write again
ages out by the server's clock, so machines whose clocks differ change nothing but what `last_seen_time` shows.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from gladhand.bus.port import AlreadyTaken, Bus, KeyValue
from gladhand.registry.images import packed, unpacked
from logistics.contract.v1.registration_pb2 import PARTICIPATION_UNSPECIFIED, Registration

__all__ = ["BEAT", "Live", "Registry", "Unreadable"]

BEAT = timedelta(seconds=15)
"""How often a process says that it lives; the bucket keeps an entry for four beats (`STANDARD_BUCKETS`)."""

_ENTRIES, _IMAGES = "REGISTRY", "CONTRACTS"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry of the bucket that is no registration."""

    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Live:
    """Who is there."""

    registrations: tuple[Registration, ...]
    unreadable: tuple[Unreadable, ...] = ()


class Registry:
    """Reads and writes the two buckets. Every method raises BusUnavailable where the mesh does not answer."""

    def __init__(self, entries: KeyValue, images: KeyValue) -> None:
        self._entries = entries
        self._images = images

    @classmethod
    async def opened(cls, bus: Bus) -> Registry:
        """Open the registry, made where missing."""
        return cls(await bus.key_value(_ENTRIES), await bus.key_value(_IMAGES))

    async def put(self, registration: Registration) -> None:
        """Enter a process, or say that it still lives."""
        await self._entries.put(key_of(registration), registration.SerializeToString())

    async def remove(self, registration: Registration) -> None:
        """Take a process out; nothing happens where it aged out before."""
        await self._entries.delete(key_of(registration))

    async def live(self) -> Live:
        """Return who is there, by name and instance.

        The bucket is read twice: an entry that is written again while it is read moves behind the end of the reading
        and is missed. That happens to no process in both, since it writes again only after a beat.
        """
        before, now = await self._values(), await self._values()
        for key in before.keys() - now.keys():
            entry = await self._entries.get(key)
            if entry is not None:
                now[key] = entry.value
        read = [_read(key, value) for key, value in sorted(now.items())]
        return Live(
            tuple(each for each in read if isinstance(each, Registration)),
            tuple(each for each in read if isinstance(each, Unreadable)),
        )

    async def _values(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        async with aclosing(self._entries.watch()) as entries:
            async for entry in entries:
                if entry is None:
                    break
                found[entry.key] = entry.value
        return found

    async def keep_image(self, digest: str, image: FileDescriptorSet) -> None:
        """Store a contract under its digest; once is enough for all that know it."""
        if await self._images.get(digest) is None:
            try:
                await self._images.create(digest, packed(image))
            except AlreadyTaken:
                return  # Another replica, this very moment: the same digest is the same image.

    async def image(self, digest: str) -> FileDescriptorSet | None:
        """Return the contract of a digest, None where nobody stored it. Raises Damaged."""
        entry = await self._images.get(digest)
        return unpacked(entry.value, digest) if entry is not None else None


def key_of(registration: Registration) -> str:
    """Return where a registration stands in the bucket."""
    return f"{registration.name}.{registration.instance}"


def _read(key: str, value: bytes) -> Registration | Unreadable:
    try:
        registration = Registration.FromString(value)
    except DecodeError as error:
        return Unreadable(key, f"no registration: {error}")
    if registration.participation == PARTICIPATION_UNSPECIFIED or key_of(registration) != key:
        return Unreadable(key, "no registration of the process that the key names")
    return registration
