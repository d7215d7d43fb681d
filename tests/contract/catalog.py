"""Everything the contract declares, found through the generated descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
)

from gladhand.contracts import installed
from logistics.contract.v1 import envelope


@cache
def files() -> tuple[FileDescriptor, ...]:
    """Every file of the contract."""
    return tuple(installed.files())


def _nested(message: Descriptor) -> Iterator[Descriptor]:
    yield message
    for inner in message.nested_types:
        yield from _nested(inner)


def messages() -> Iterator[Descriptor]:
    """Every message, nested ones too."""
    for file in files():
        for message in file.message_types_by_name.values():
            yield from _nested(message)


def enums() -> Iterator[EnumDescriptor]:
    """Every enum, nested ones too."""
    for file in files():
        yield from file.enum_types_by_name.values()
    for message in messages():
        yield from message.enum_types


def methods() -> list[MethodDescriptor]:
    """Every RPC."""
    return [method for file in files() for service in file.services_by_name.values() for method in service.methods]


def envelopes() -> list[Descriptor]:
    """Every event envelope."""
    return [message for message in messages() if message.GetOptions().HasExtension(envelope)]


def bodies(message: Descriptor) -> list[FieldDescriptor]:
    """The fields of an envelope's `body`."""
    return list(message.oneofs_by_name["body"].fields)
