"""Who brought a report first: one entry for each inbox key, in a bucket, for longer than any dedupe window.

A key is claimed by the inbox message that carries the report. Another message with the same content is a duplicate:
the first one is finished by whoever stored it, or by the durable consumer. Another content is a conflict (domain
reference 3.7 rule 2).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass

from gladhand.bus.port import AlreadyTaken, KeyValue, StreamFull
from gladhand.errors import AlreadyExists
from services.edge_gateway.inbox import InboxMessage
from services.edge_gateway.report import InboxKey

__all__ = ["BUCKET", "Claim", "Ledger"]

_log = logging.getLogger(__name__)

BUCKET = "INBOX_KEYS"


@dataclass(frozen=True, slots=True)
class Claim:
    """The inbox message that brought a report first."""

    sequence: int
    sha256: str
    """SHA-256 of that message, hex."""
    mine: bool
    """Whether it is the message at hand; otherwise the report is a duplicate."""


class Ledger:
    """Claims of inbox keys. Safe for concurrent use, also by several processes."""

    def __init__(self, bucket: KeyValue, most_remembered: int = 50_000) -> None:
        self._bucket = bucket
        self._most = most_remembered
        self._known: OrderedDict[str, bytes] = OrderedDict()

    async def claim(self, key: InboxKey, message: InboxMessage) -> Claim:
        """Claim a key for a message, or learn who had it first.

        Raises AlreadyExists with MESSAGE_CONFLICT where the same key came with other content, Unavailable. A ledger
        that is full lets the claim pass: then only the shorter dedupe window of the streams holds duplicates back.
        """
        wanted = f"{key.digest} {message.sequence} {message.sha256}".encode()
        value = self._known.get(key.id)
        if value is None:
            value = await self._create(key.id, wanted)
            self._known[key.id] = value
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        digest, sequence, sha256 = value.decode().split(" ")
        if digest != key.digest:
            raise AlreadyExists(
                f"{key.name} came before with other content; send a correction under an id of its own",
                reason="MESSAGE_CONFLICT",
                metadata={"key": key.name, "first": f"inbox:{sequence}"},
            )
        return Claim(int(sequence), sha256, mine=int(sequence) == message.sequence)

    async def _create(self, key_id: str, wanted: bytes) -> bytes:
        try:
            await self._bucket.create(key_id, wanted)
        except AlreadyTaken:
            entry = await self._bucket.get(key_id)
            if entry is not None:
                return entry.value
            await self._bucket.put(key_id, wanted)  # it aged out between the two questions
        except StreamFull as full:
            _log.error("the ledger of inbox keys is full; duplicates are known for two minutes only: %s", full)
        return wanted
