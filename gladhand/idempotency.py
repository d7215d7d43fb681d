"""A request id makes its request happen once: the first answer is kept and given again.

Rules, for methods whose policy says `requires_request_id` and whose servicer is not idempotent by itself:

- the same id and the same request: the first answer, byte for byte; while the first call still runs, the second waits
  for it within its deadline, on this replica or on another;
- the same id and another request: RequestIdReused with the digest of the first;
- only an answer (status OK) is kept. A definite refusal did nothing, so the id is free again, and asking once more
  is judged anew: what was refused for the state of the world may be possible later;
- after an unclear end (deadline, lost connection, fault, killed process) the id stays bound to its request, and the
  same request runs again: the work itself finds out what had happened, by its business key;
- where the store is out of reach the call is refused with Unavailable, before it does anything.

Requests are compared by SHA-256 over their deterministic serialisation, so that clients may order map entries as they
like. What a replica cannot know is bounded by time: a claim is renewed while its work goes on, and one that was not
renewed for three seconds belongs to a replica that died or hangs, so that a twin takes it over. Its holder may come
back to life and finish the same work: there too the business key is what makes it happen once.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from google.protobuf.message import Message

from gladhand.bus.port import AlreadyTaken, KeyValue
from gladhand.clock import Clock, SystemClock
from gladhand.errors import GladhandError, RequestIdReused, Unavailable
from gladhand.refusals import as_error

__all__ = ["BucketIdempotency", "Held", "IdempotencyStore", "MemoryIdempotency", "Once", "Record", "State"]

_log = logging.getLogger(__name__)

_HEAD = struct.Struct(">B32sq")
_CLAIM_S = 60.0
"""Seconds that a claim without a deadline lasts."""

_MARGIN_S = 5.0
"""Seconds that a claim outlives the deadline of its call: for the skew of clocks and the last write."""

_RENEW_S, _LEASE_S = 1.0, 3.0
"""Seconds between two renewals, and without one after which a claim is taken over; by each replica's own clock."""

_ATTEMPTS = 16
"""Rounds that a call competes for its id before it gives up; to wait for a twin is none."""

_UNCLEAR = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "CANCELLED", "UNAVAILABLE", "INTERNAL"})
"""Ends after which the work may have been done, in whole or in part."""


class State(IntEnum):
    """How far the request with an id got."""

    RUNNING = 1
    UNCLEAR = 2
    ANSWERED = 3
    FREE = 4


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept under a request id."""

    state: State
    digest: bytes
    """SHA-256 of the request."""

    until_ms: int = 0
    """Unix milliseconds at which a running claim expires."""

    answer: bytes = b""
    """The serialized response, where answered."""

    def encode(self) -> bytes:
        """Return the record as bytes: state, digest, expiry, answer."""
        return _HEAD.pack(self.state, self.digest, self.until_ms) + self.answer

    @classmethod
    def decode(cls, raw: bytes) -> Record:
        """Return the record in `raw`. Raises ValueError where there is none."""
        try:
            state, digest, until_ms = _HEAD.unpack_from(raw)
        except struct.error as error:
            raise ValueError(f"no idempotency record: {error}") from error
        return cls(State(state), digest, until_ms, raw[_HEAD.size :])


@dataclass(frozen=True, slots=True)
class Held:
    """A record as it stands in the store."""

    record: Record
    revision: int


class IdempotencyStore(Protocol):
    """A map with compare-and-set whose entries expire. Every method may raise Unavailable."""

    async def get(self, key: str) -> Held | None:
        """Return what stands under the key, None where nothing does."""
        ...

    async def create(self, key: str, record: Record) -> int | None:
        """Store the record where nothing stands; return its revision, None where something does."""
        ...

    async def replace(self, key: str, record: Record, revision: int) -> int | None:
        """Store the record over the one with that revision; return the new one, None where another stands there."""
        ...

    async def changed(self, key: str, revision: int, timeout_s: float) -> None:
        """Return when something else than that revision stands under the key, or after `timeout_s`; may be early."""
        ...


class MemoryIdempotency:
    """A store in the memory of one process: for tests, and for services of one replica that can lose it.

    Beyond `capacity` entries the oldest are forgotten.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._entries: dict[str, Held] = {}
        self._revision = 0
        self._moved = asyncio.Condition()

    async def get(self, key: str) -> Held | None:
        """Return what stands under the key."""
        return self._entries.get(key)

    async def create(self, key: str, record: Record) -> int | None:
        """Store the record where nothing stands."""
        return None if key in self._entries else await self._put(key, record)

    async def replace(self, key: str, record: Record, revision: int) -> int | None:
        """Store the record over the one with that revision."""
        held = self._entries.get(key)
        return await self._put(key, record) if held is not None and held.revision == revision else None

    async def changed(self, key: str, revision: int, timeout_s: float) -> None:
        """Wait until something else stands under the key."""

        def moved() -> bool:
            held = self._entries.get(key)
            return held is None or held.revision != revision

        scope = asyncio.timeout(timeout_s)
        try:
            async with scope, self._moved:
                await self._moved.wait_for(moved)
        except TimeoutError:
            if not scope.expired():
                raise

    async def _put(self, key: str, record: Record) -> int:
        self._revision += 1
        self._entries[key] = Held(record, self._revision)
        if len(self._entries) > self._capacity:
            del self._entries[next(iter(self._entries))]
        async with self._moved:
            self._moved.notify_all()
        return self._revision


class BucketIdempotency:
    """A store in a bucket of the bus, shared by all replicas; the bucket's own time to live forgets old entries."""

    def __init__(self, bucket: KeyValue) -> None:
        self._bucket = bucket

    async def get(self, key: str) -> Held | None:
        """Return what stands under the key."""
        entry = await self._bucket.get(key)
        return None if entry is None else Held(Record.decode(entry.value), entry.revision)

    async def create(self, key: str, record: Record) -> int | None:
        """Store the record where nothing stands."""
        try:
            return await self._bucket.create(key, record.encode())
        except AlreadyTaken:
            return None

    async def replace(self, key: str, record: Record, revision: int) -> int | None:
        """Store the record over the one with that revision."""
        try:
            return await self._bucket.update(key, record.encode(), revision)
        except AlreadyTaken:
            return None

    async def changed(self, key: str, revision: int, timeout_s: float) -> None:
        """Ask again and again, more slowly each time: waiting for a twin is rare, a watch would cost a consumer."""
        loop = asyncio.get_running_loop()
        stop, pause = loop.time() + timeout_s, 0.02
        while (left := stop - loop.time()) > 0:
            await asyncio.sleep(min(pause * (0.5 + random.random()), left))
            held = await self.get(key)
            if held is None or held.revision != revision:
                return
            pause = min(pause * 2, 0.5)


class _Claim:
    """What a call holds while its work goes on: renewed now and then, so that a twin elsewhere sees it live."""

    def __init__(self, store: IdempotencyStore, key: str, record: Record, revision: int) -> None:
        self.key = key
        self._store = store
        self._record = record
        self._revision = revision
        self._renewal: asyncio.Task[None] | None = None
        self._timer = self._later()

    async def end(self, record: Record) -> bool:
        """Put what came of it in place of the claim; whether it still was this call's."""
        self._timer.cancel()
        if self._renewal is not None:
            await asyncio.wait((self._renewal,))
            self._timer.cancel()
        return await self._store.replace(self.key, record, self._revision) is not None

    def record(self, state: State, answer: bytes = b"") -> Record:
        """Return the record of another state of the same request."""
        return Record(state, self._record.digest, answer=answer)

    def _later(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(_RENEW_S, self._renew)

    def _renew(self) -> None:
        self._renewal = asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        try:
            revision = await self._store.replace(self.key, self._record, self._revision)
        except GladhandError as error:
            _log.warning("claim not renewed", extra={"facts": {"key": self.key, "why": error.message}})
            revision = self._revision
        if revision is not None:
            self._revision = revision
            self._timer = self._later()


class Once:
    """Runs the work behind a request id once."""

    def __init__(self, store: IdempotencyStore, clock: Clock | None = None) -> None:
        """`clock` must be real time: replicas compare the expiry of claims by it."""
        self._store = store
        self._clock = clock or SystemClock()
        self._loose: set[asyncio.Task[None]] = set()

    async def run(
        self,
        scope: str,
        request_id: str,
        request: Message,
        remaining_s: float | None,
        work: Callable[[], Awaitable[bytes]],
    ) -> bytes:
        """Return the kept answer of the request, or do the work and keep its answer.

        `scope` names the method: the same id under another method is another request. Raises RequestIdReused,
        Unavailable, and what the work raises.
        """
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        claim = await self._claim(f"{scope}.{request_id}", request_id, digest, remaining_s)
        if isinstance(claim, bytes):
            return claim
        try:
            answer = await work()
        except BaseException as fault:
            await self._leave(claim, fault)
            raise
        await self._keep(claim, answer)
        return answer

    async def drain(self) -> None:
        """Wait for what calls that were broken off still have to write."""
        await asyncio.gather(*self._loose, return_exceptions=True)

    def _now_ms(self) -> int:
        return round(self._clock.now().timestamp() * 1000)

    async def _claim(self, key: str, request_id: str, digest: bytes, remaining_s: float | None) -> _Claim | bytes:
        allowed_s = _CLAIM_S if remaining_s is None else remaining_s
        stop_ms = self._now_ms() + round(allowed_s * 1000)
        monotonic = asyncio.get_running_loop().time
        attempts = 0
        while attempts < _ATTEMPTS:
            attempts += 1
            now_ms = self._now_ms()
            mine = Record(State.RUNNING, digest, stop_ms + round(_MARGIN_S * 1000))
            revision = await self._store.create(key, mine)
            if revision is not None:
                return _Claim(self._store, key, mine, revision)
            held = await self._store.get(key)
            if held is None:
                continue
            state = held.record.state
            if state is not State.FREE and held.record.digest != digest:
                raise RequestIdReused(request_id, held.record.digest.hex())
            if state is State.ANSWERED:
                return held.record.answer
            if state is State.RUNNING and held.record.until_ms > now_ms:
                if now_ms >= stop_ms:
                    break
                pause_s, since = (min(stop_ms, held.record.until_ms) - now_ms) / 1000, monotonic()
                await self._store.changed(key, held.revision, min(pause_s, _LEASE_S))
                if monotonic() - since < _LEASE_S:
                    attempts -= 1
                    continue
            revision = await self._store.replace(key, mine, held.revision)
            if revision is not None:
                return _Claim(self._store, key, mine, revision)
        raise Unavailable(
            f"the first call with request_id {request_id} still runs; repeat with the same id",
            metadata={"request_id": request_id},
        )

    async def _keep(self, claim: _Claim, answer: bytes) -> None:
        """Keep the answer. Where that fails the caller still gets it: the work is done, and its claim expires."""
        try:
            if not await claim.end(claim.record(State.ANSWERED, answer)):
                _log.warning("claim lost before its answer was kept", extra={"facts": {"key": claim.key}})
        except GladhandError as error:
            _log.warning("answer not kept", extra={"facts": {"key": claim.key, "why": error.message}})

    async def _leave(self, claim: _Claim, fault: BaseException) -> None:
        """Free the id after a definite refusal; bind it to its request after an unclear end."""
        unclear = not isinstance(fault, Exception) or as_error(fault).code in _UNCLEAR
        # The call may be cancelled already, so the write goes on in a task of its own.
        task = asyncio.ensure_future(self._release(claim, State.UNCLEAR if unclear else State.FREE))
        self._loose.add(task)
        task.add_done_callback(self._loose.discard)
        if isinstance(fault, Exception):
            await asyncio.shield(task)

    async def _release(self, claim: _Claim, state: State) -> None:
        try:
            await claim.end(claim.record(state))
        except GladhandError as error:
            _log.warning("claim not released", extra={"facts": {"key": claim.key, "why": error.message}})
