"""Tells whether a message that was once accepted still is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from gladhand.validation import violations


def faults(kind: type[Message], content: Mapping[str, Any]) -> list[str]:
    """Return why a message of the corpus is refused today, in sentences; empty where it is taken as ever."""
    try:
        message = ParseDict(dict(content), kind())
    except ParseError as error:
        return [f"it cannot be read any more: {error}"]
    return [f"{found.field or 'the message'} {found.description} ({found.rule})" for found in violations(message)]
