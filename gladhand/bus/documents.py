"""Files in a JetStream object store, laid out like every other NATS client lays them out."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from contextlib import aclosing

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.js import api
from nats.js.errors import (
    APIError,
    BucketNotFoundError,
    Error,
    NotFoundError,
    ServiceUnavailableError,
)
from nats.js.object_store import ObjectStore as NatsObjectStore

from gladhand.bus.port import BusUnavailable, Damaged, StoredObject, StreamFull
from gladhand.bus.request import FULL, Patience
from gladhand.log.replay import replay

_MIB = 1 << 20
_WAIT_S = 30.0


async def open_documents(
    connection: Client, bucket: str, *, max_bytes: int = 256 * _MIB, replicas: int = 1
) -> Documents:
    """Return an object store, created where missing. Raises BusUnavailable, StreamFull where its limit does not fit."""
    stream = connection.jetstream(timeout=_WAIT_S)
    try:
        try:
            return Documents(connection, await stream.object_store(bucket), bucket)
        except (BucketNotFoundError, NotFoundError):
            config = api.ObjectStoreConfig(bucket=bucket, max_bytes=max_bytes, replicas=replicas)
            return Documents(connection, await stream.create_object_store(bucket, config=config), bucket)
    except (Error, nats_errors.Error, TimeoutError) as error:
        raise _failure(bucket, error) from error


class Documents:
    """`ObjectStore` on JetStream; get one from `open_documents`. Read back by hash, so damage is noticed."""

    def __init__(self, connection: Client, store: NatsObjectStore, bucket: str) -> None:
        self._connection = connection
        self._store = store
        self._bucket = bucket

    async def put(self, name: str, content: bytes, headers: Mapping[str, str] | None = None) -> StoredObject:
        """Store a file; see `ObjectStore.put`."""
        known = await self.stat(name)
        if known is not None and known.digest == digest_of(content) and known.headers == dict(headers or {}):
            return known
        meta = api.ObjectMeta(name=name, headers=dict(headers or {}) or None)
        try:
            async with asyncio.timeout(_WAIT_S):
                return _stored(await self._store.put(name, content, meta=meta))
        except (Error, nats_errors.Error, TimeoutError) as error:
            raise _failure(self._bucket, error) from error

    async def get(self, name: str) -> bytes | None:
        """Return a file's content; see `ObjectStore.get`.

        Its chunks are read as any stream is: nats-py looks for the stream by a request that would list all of them.
        """
        try:
            info = await self._store.get_info(name)
        except NotFoundError:
            return None
        except (Error, nats_errors.Error, TimeoutError) as error:
            raise _failure(self._bucket, error) from error
        content = bytearray()
        chunks = replay(
            self._connection,
            f"OBJ_{self._bucket}",
            start=1,
            filters=(f"$O.{self._bucket}.C.{info.nuid}",),
            follow=False,
            patience=Patience(deadline=_WAIT_S),
        )
        async with aclosing(chunks):
            async for chunk in chunks:
                content += chunk.payload
        if digest_of(content) != _padded(info.digest or ""):
            raise Damaged(f"{self._bucket}/{name} does not match its hash")
        return bytes(content)

    async def stat(self, name: str) -> StoredObject | None:
        """Return what is known about a file; see `ObjectStore.stat`."""
        try:
            return _stored(await self._store.get_info(name))
        except NotFoundError:
            return None
        except (Error, nats_errors.Error, TimeoutError) as error:
            raise _failure(self._bucket, error) from error

    async def delete(self, name: str) -> None:
        """Remove a file; see `ObjectStore.delete`."""
        try:
            await self._store.delete(name)
        except NotFoundError:
            return
        except (Error, nats_errors.Error, TimeoutError) as error:
            raise _failure(self._bucket, error) from error


def digest_of(content: bytes | bytearray) -> str:
    """Return the hash under which the object store knows some content."""
    return f"SHA-256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()}"


def _padded(digest: str) -> str:
    """Clients disagree on whether the hash carries its padding."""
    return digest.rstrip("=") + "=" * (-len(digest.removeprefix("SHA-256=").rstrip("=")) % 4)


def _stored(info: api.ObjectInfo) -> StoredObject:
    return StoredObject(info.name, int(info.size or 0), info.digest or "", dict(info.headers or {}))


def _failure(bucket: str, error: Exception) -> Exception:
    if isinstance(error, APIError) and error.err_code in FULL:
        return StreamFull(f"object store {bucket}: {error.description}")
    if isinstance(error, APIError) and not isinstance(error, ServiceUnavailableError):
        return BusUnavailable(f"object store {bucket}: {error.description} ({error.code}/{error.err_code})")
    return BusUnavailable(f"object store {bucket}: {str(error) or type(error).__name__}")
