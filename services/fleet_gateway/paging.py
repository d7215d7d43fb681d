"""Page tokens: where a listing goes on, tied to the question that it belongs to. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Final

from google.protobuf.message import Message

from gladhand.errors import InvalidArgument

DEFAULT_SIZE: Final = 50


def page_size(asked: int) -> int:
    """Return how many entries a page holds."""
    return asked or DEFAULT_SIZE


def token_after(key: Sequence[str], request: Message) -> str:
    """Return the token that goes on after `key` in the answer to `request`."""
    text = json.dumps([_question(request), *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def key_in(token: str, request: Message, length: int) -> tuple[str, ...] | None:
    """Return the key in a token, None where there is no token.

    Raises InvalidArgument PAGE_TOKEN_INVALID where it is not of this program, or belongs to another question.
    """
    if not token:
        return None
    try:
        raw = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise _invalid() from None
    match raw:
        case [question, *key] if question == _question(request) and len(key) == length:
            if all(isinstance(part, str) for part in key):
                return tuple(key)
    raise _invalid()


def _question(request: Message) -> str:
    plain = type(request)()
    plain.CopyFrom(request)
    plain.ClearField("page_token")
    plain.ClearField("page_size")
    body = plain.DESCRIPTOR.full_name.encode() + b"\0" + plain.SerializeToString(deterministic=True)
    return hashlib.sha256(body).hexdigest()[:12]


def _invalid() -> InvalidArgument:
    return InvalidArgument(
        "the page token does not belong to this question",
        field="page_token",
        remedy="use the token of the page before with the same filters, or none",
        reason="PAGE_TOKEN_INVALID",
        metadata={"field": "page_token"},
    )
