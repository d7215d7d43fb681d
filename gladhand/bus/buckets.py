"""Buckets of small values on JetStream, laid out like every other NATS client lays them out."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nats.aio.client import Client

from gladhand.bus.port import AlreadyTaken, BusUnavailable, Entry, StreamFull, StreamMissing
from gladhand.bus.request import FULL, WRONG_LAST, Patience, Refused, Unanswered, ask_patiently
from gladhand.errors import Internal, InvalidArgument
from gladhand.ids import new_id
from gladhand.log.port import StoredMessage
from gladhand.log.replay import replay

_MIB = 1 << 20
_KEY = re.compile(r"[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*\Z")
_WATCHED = re.compile(r"[-/_=.*>A-Za-z0-9]+\Z")
_NO_MESSAGE = 10037
_IN_USE = 10058
_NOT_FOUND = 10059
_OPERATION = "KV-Operation"


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """One bucket of values."""

    name: str
    description: str = ""
    keep: timedelta = timedelta(0)
    """Age at which values go; zero means never."""
    max_bytes: int = 64 * _MIB
    replicas: int = 1


STANDARD_BUCKETS = (
    BucketSpec("IDEMPOTENCY", "First answers by request id.", keep=timedelta(days=7), max_bytes=128 * _MIB),
    BucketSpec("CURSORS", "How far pollers of outside systems have got.", max_bytes=16 * _MIB),
    # Every version for ever: an order may name it as long as it lives.
    BucketSpec("POLICIES", "Layers of process policy: each version, and which one is in force.", max_bytes=32 * _MIB),
    BucketSpec("CLOCK", "The offset of a warped mesh clock.", max_bytes=_MIB),
    BucketSpec("INBOX_KEYS", "Which inbox message brought a report first.", keep=timedelta(days=7)),
    # Four heartbeats (gladhand.registry.store): a process that dies without a word is taken for live no longer.
    BucketSpec("REGISTRY", "Who lives by which contract.", keep=timedelta(seconds=60), max_bytes=16 * _MIB),
    BucketSpec("CONTRACTS", "Contracts of those who were ever registered, by digest.", max_bytes=64 * _MIB),
)


async def open_bucket(connection: Client, spec: BucketSpec, patience: Patience) -> JetStreamBucket:
    """Return a bucket, created where missing. Raises BusUnavailable, StreamFull where its limit does not fit."""
    bucket = JetStreamBucket(connection, spec.name, patience)
    config: dict[str, object] = {
        "name": f"KV_{spec.name}",
        "description": spec.description,
        "subjects": [f"$KV.{spec.name}.>"],
        "max_msgs_per_subject": 1,
        "max_bytes": spec.max_bytes,
        "max_age": spec.keep // timedelta(microseconds=1) * 1000,
        "duplicate_window": min(spec.keep or timedelta(minutes=2), timedelta(minutes=2))
        // timedelta(microseconds=1)
        * 1000,
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "allow_rollup_hdrs": True,
        "allow_direct": True,
        "deny_delete": True,
        "num_replicas": spec.replicas,
    }
    try:
        # Somebody may have made it with other limits: theirs hold. Only few may make one, so look first.
        await bucket.api(f"$JS.API.STREAM.INFO.KV_{spec.name}", b"")
    except Refused as missing:
        if missing.error_code != _NOT_FOUND:
            raise _refusal(spec.name, missing) from missing
        try:
            await bucket.api(f"$JS.API.STREAM.CREATE.KV_{spec.name}", json.dumps(config).encode())
        except Refused as refused:
            if refused.error_code != _IN_USE:
                raise _refusal(spec.name, refused) from refused
    return bucket


class JetStreamBucket:
    """`KeyValue` on a stream; get one from `open_bucket`. Writes are repeated until answered and then settled."""

    def __init__(self, connection: Client, name: str, patience: Patience) -> None:
        self._connection = connection
        self._name = name
        self._patience = patience
        self._stream = f"KV_{name}"
        self._prefix = f"$KV.{name}."

    async def get(self, key: str) -> Entry | None:
        """Return the newest value; see `KeyValue.get`."""
        entry = await self._newest(key)
        return entry if entry is not None and not entry.deleted else None

    async def put(self, key: str, value: bytes) -> int:
        """Store a value whatever was there; see `KeyValue.put`."""
        return await self._write(key, value, {})

    async def create(self, key: str, value: bytes) -> int:
        """Store the first value of a key; see `KeyValue.create`."""
        try:
            return await self._write(key, value, _expecting(0))
        except AlreadyTaken:
            newest = await self._newest(key)
            if newest is None or not newest.deleted:
                raise
            return await self._write(key, value, _expecting(newest.revision))

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Replace the value that has `revision`; see `KeyValue.update`."""
        return await self._write(key, value, _expecting(revision))

    async def delete(self, key: str) -> None:
        """Remove a key; see `KeyValue.delete`."""
        await self._write(key, b"", {_OPERATION: "DEL"})

    async def keys(self) -> list[str]:
        """Return the keys that have a value, sorted."""
        found: set[str] = set()
        async with aclosing(self._replay(">", 1, follow=False)) as messages:
            async for message in messages:
                entry = self._entry(message)
                (found.discard if entry.deleted else found.add)(entry.key)
        return sorted(found)

    async def watch(self, key: str = ">") -> AsyncGenerator[Entry | None]:
        """Iterate values and their changes; see `KeyValue.watch`."""
        if not _WATCHED.match(key):
            raise InvalidArgument(f"{key!r} is no key", field="key", remedy="give a key, or > for all")
        try:
            info = await self.api(f"$JS.API.STREAM.INFO.{self._stream}", b"")
        except Refused as refused:
            raise StreamMissing(f"bucket {self._name} cannot be watched: {refused.description}") from refused
        position = int(info["state"]["last_seq"])
        async with aclosing(self._replay(key, 1, follow=False)) as present:
            async for message in present:
                position = max(position, message.sequence)
                entry = self._entry(message)
                if not entry.deleted:
                    yield entry
        yield None
        async with aclosing(self._replay(key, position + 1, follow=True)) as changes:
            async for message in changes:
                yield self._entry(message)

    async def api(self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Ask JetStream until it answers. Raises BusUnavailable, Refused."""
        try:
            return (await ask_patiently(self._connection, subject, payload, headers, self._patience))[0]
        except Unanswered as error:
            raise BusUnavailable(f"bucket {self._name}: {error}") from error

    def _replay(self, key: str, start: int, *, follow: bool) -> AsyncGenerator[StoredMessage]:
        filters = (f"{self._prefix}{key}",)
        return replay(
            self._connection, self._stream, start=start, filters=filters, follow=follow, patience=self._patience
        )

    def _entry(self, message: StoredMessage) -> Entry:
        deleted = _OPERATION in message.headers
        return Entry(message.subject.removeprefix(self._prefix), message.payload, message.sequence, deleted)

    async def _newest(self, key: str) -> Entry | None:
        found = await self._last(key)
        return found[0] if found else None

    async def _last(self, key: str) -> tuple[Entry, bytes] | None:
        """Return the newest message of a key and its raw headers, as the stream's leader knows them."""
        order = json.dumps({"last_by_subj": f"{self._prefix}{_checked(key)}"}).encode()
        try:
            answer = await self.api(f"$JS.API.STREAM.MSG.GET.{self._stream}", order)
        except Refused as refused:
            if refused.error_code == _NO_MESSAGE:
                return None
            raise _refusal(self._name, refused) from refused
        message = answer["message"]
        headers = base64.b64decode(message.get("hdrs") or "")
        value = base64.b64decode(message.get("data") or "")
        return Entry(key, value, int(message["seq"]), deleted=_OPERATION.encode() in headers), headers

    async def _write(self, key: str, value: bytes, headers: dict[str, str]) -> int:
        """Write once, however often the request has to be repeated: by its id it knows itself again."""
        write_id = new_id()
        headers = {**headers, "Nats-Msg-Id": write_id}
        try:
            answer = await self.api(f"{self._prefix}{_checked(key)}", value, headers)
        except Refused as refused:
            if refused.error_code not in WRONG_LAST:
                raise _refusal(self._name, refused) from refused
            found = await self._last(key)
            if found is not None and write_id.encode() in found[1]:
                return found[0].revision
            raise AlreadyTaken(f"{self._name}/{key} has another value") from refused
        return int(answer["seq"])


def _expecting(revision: int) -> dict[str, str]:
    return {"Nats-Expected-Last-Subject-Sequence": str(revision)}


def _checked(key: str) -> str:
    if not _KEY.match(key):
        raise InvalidArgument(f"{key!r} is no key", field="key", remedy="use letters, digits, - _ / = and . between")
    return key


def _refusal(bucket: str, refused: Refused) -> Exception:
    if refused.error_code in FULL:
        return StreamFull(f"bucket {bucket}: {refused}")
    return Internal(f"bucket {bucket}: {refused}")
