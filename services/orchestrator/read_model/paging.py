"""Pages of a list, newest first, by the key of the last item seen (pure).

A page token holds the key where the page ended and a digest of what was asked: keys of one list mean nothing in
another. Items that are added meanwhile stand before the first page: nothing is seen twice and nothing is left out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from gladhand.errors import InvalidArgument

T = TypeVar("T")

_USUAL = 50
_MOST = 500
_DIGEST_BYTES = 8
_TIME_BYTES = 8


class Key(NamedTuple):
    """Where an item stands in its list."""

    created_us: int
    id: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    next_token: str
    """Gives the next page; empty where this is the last."""


def page_limit(page_size: int) -> int:
    """Return how many items a page holds: 50 where the caller does not say, never more than 500."""
    return min(page_size, _MOST) if page_size > 0 else _USUAL


def digest_of(listing: str, filters: Mapping[str, object]) -> bytes:
    """Return the digest of a question: the list and its filters, without the page size, which may change on the way."""
    asked = json.dumps([listing, filters], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(asked.encode()).digest()[:_DIGEST_BYTES]


def token_of(digest: bytes, key: Key) -> str:
    """Return the token of the page that begins behind `key`."""
    raw = digest + key.created_us.to_bytes(_TIME_BYTES, "big", signed=True) + key.id.encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def key_of(token: str, digest: bytes) -> Key | None:
    """Return the key in a token, None in an empty one.

    Raises InvalidArgument (PAGE_TOKEN_INVALID) where the token is damaged or belongs to another question.
    """
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        name = raw[_DIGEST_BYTES + _TIME_BYTES :].decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise _invalid() from error
    if not name or "\0" in name or raw[:_DIGEST_BYTES] != digest:
        raise _invalid()
    return Key(int.from_bytes(raw[_DIGEST_BYTES : _DIGEST_BYTES + _TIME_BYTES], "big", signed=True), name)


def _invalid() -> InvalidArgument:
    return InvalidArgument(
        "the page token belongs to another list, other filters, or is damaged",
        field="page_token",
        remedy="begin again without a token, or repeat it with the filters that it came with",
        reason="PAGE_TOKEN_INVALID",
    )
