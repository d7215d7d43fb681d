"""Buckets of values and files in memory, with the meaning of the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace

from gladhand.bus.documents import digest_of
from gladhand.bus.port import AlreadyTaken, Entry, StoredObject
from gladhand.bus.subjects import matches


class MemoryBucket:
    """`KeyValue` in memory."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._entries: dict[str, Entry] = {}
        self._revision = 0
        self._changed = asyncio.Event()
        self._changes: list[Entry] = []

    async def get(self, key: str) -> Entry | None:
        """Return the newest value; see `KeyValue.get`."""
        await asyncio.sleep(0)
        entry = self._entries.get(key)
        return None if entry is None or entry.deleted else entry

    async def put(self, key: str, value: bytes) -> int:
        """Store a value whatever was there; see `KeyValue.put`."""
        await asyncio.sleep(0)
        return self._write(key, value)

    async def create(self, key: str, value: bytes) -> int:
        """Store the first value of a key; see `KeyValue.create`."""
        await asyncio.sleep(0)
        entry = self._entries.get(key)
        if entry is not None and not entry.deleted:
            raise AlreadyTaken(f"{self._name}/{key} has another value")
        return self._write(key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Replace the value that has `revision`; see `KeyValue.update`."""
        await asyncio.sleep(0)
        entry = self._entries.get(key)
        if (entry.revision if entry else 0) != revision:
            raise AlreadyTaken(f"{self._name}/{key} has another value")
        return self._write(key, value)

    async def delete(self, key: str) -> None:
        """Remove a key; see `KeyValue.delete`."""
        await asyncio.sleep(0)
        self._write(key, b"", deleted=True)

    async def keys(self) -> list[str]:
        """Return the keys that have a value, sorted."""
        await asyncio.sleep(0)
        return sorted(entry.key for entry in self._entries.values() if not entry.deleted)

    async def watch(self, key: str = ">") -> AsyncGenerator[Entry | None]:
        """Iterate values and their changes; see `KeyValue.watch`."""
        position = len(self._changes)
        for entry in sorted(self._entries.values(), key=lambda entry: entry.revision):
            if matches(key, entry.key) and not entry.deleted:
                yield entry
        yield None
        while True:
            changed = self._changed
            for entry in self._changes[position:]:
                position += 1
                if matches(key, entry.key):
                    yield entry
            if position == len(self._changes):
                await changed.wait()

    def _write(self, key: str, value: bytes, *, deleted: bool = False) -> int:
        self._revision += 1
        entry = self._entries[key] = Entry(key, value, self._revision, deleted)
        self._changes.append(entry)
        self._changed.set()
        self._changed = asyncio.Event()
        return self._revision


class MemoryDocuments:
    """`ObjectStore` in memory."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[StoredObject, bytes]] = {}

    async def put(self, name: str, content: bytes, headers: Mapping[str, str] | None = None) -> StoredObject:
        """Store a file; see `ObjectStore.put`."""
        await asyncio.sleep(0)
        stored = StoredObject(name, len(content), digest_of(content), dict(headers or {}))
        self._files[name] = (stored, content)
        return replace(stored)

    async def get(self, name: str) -> bytes | None:
        """Return a file's content; see `ObjectStore.get`."""
        await asyncio.sleep(0)
        return self._files[name][1] if name in self._files else None

    async def stat(self, name: str) -> StoredObject | None:
        """Return what is known about a file; see `ObjectStore.stat`."""
        await asyncio.sleep(0)
        return self._files[name][0] if name in self._files else None

    async def delete(self, name: str) -> None:
        """Remove a file; see `ObjectStore.delete`."""
        await asyncio.sleep(0)
        self._files.pop(name, None)
