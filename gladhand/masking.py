"""Messages as they may be shown: what the contract marks as PERSONAL or SECRET is blotted out."""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from logistics.contract.v1 import sensitivity_pb2

__all__ = ["BLOT", "is_sensitive", "masked", "masked_copy"]

BLOT = "***"
"""What stands in the place of a masked value."""


def masked(message: Message) -> dict[str, Any]:
    """Return the message as JSON-ready values under the contract's field names, every sensitive value as `***`.

    A masked list or map shows one `***` in place of all its entries, so that not even their number is told.
    """
    shown: dict[str, Any] = MessageToDict(masked_copy(message), preserving_proto_field_name=True)
    _blot(message, shown)
    return shown


def masked_copy(message: Message) -> Message:
    """Return a copy of the message without its sensitive values; unknown fields are left out too, for who knows."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    _clear(copy)
    return copy


def is_sensitive(field: FieldDescriptor) -> bool:
    """Return whether the contract marks the field as personal or secret; an Any counts, for who knows what it holds."""
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.Any":
        return True
    return bool(field.GetOptions().Extensions[sensitivity_pb2.sensitivity] != sensitivity_pb2.SENSITIVITY_UNSPECIFIED)


@cache
def _plan(kind: Descriptor) -> tuple[frozenset[str], tuple[FieldDescriptor, ...]]:
    """Return the sensitive fields of a message type, and those whose messages have to be walked."""
    sensitive = frozenset(field.name for field in kind.fields if is_sensitive(field))
    inner = tuple(
        field
        for field in kind.fields
        if field.name not in sensitive and field.message_type is not None and _reaches(field.message_type)
    )
    return sensitive, inner


@cache
def _reaches(kind: Descriptor) -> bool:
    seen: set[str] = set()
    waiting = [kind]
    while waiting:
        current = waiting.pop()
        if current.full_name in seen:
            continue
        seen.add(current.full_name)
        for field in current.fields:
            if is_sensitive(field):
                return True
            if field.message_type is not None:
                waiting.append(field.message_type)
    return False


def _children(message: Message, field: FieldDescriptor) -> list[tuple[object, Message]]:
    """Return the messages that a field holds, each with its key among its siblings (None for a single one)."""
    kind = field.message_type
    if kind is None:
        return []
    if kind.GetOptions().map_entry:
        if kind.fields_by_name["value"].message_type is None:
            return []
        return list(getattr(message, field.name).items())
    if field.is_repeated:
        return list(enumerate(getattr(message, field.name)))
    return [(None, getattr(message, field.name))] if message.HasField(field.name) else []


def _clear(message: Message) -> None:
    sensitive, inner = _plan(message.DESCRIPTOR)
    for name in sensitive:
        message.ClearField(name)
    for field in inner:
        for _key, child in _children(message, field):
            _clear(child)


def _blot(message: Message, shown: dict[str, Any]) -> None:
    sensitive, inner = _plan(message.DESCRIPTOR)
    for field, _value in message.ListFields():
        if field.name in sensitive:
            shown[field.name] = BLOT
    for field in inner:
        for key, child in _children(message, field):
            if key is None:
                _blot(child, shown.setdefault(field.name, {}))
            else:
                place: Any = shown[field.name]
                _blot(child, place[key if isinstance(place, list) else _json_key(key)])


def _json_key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
