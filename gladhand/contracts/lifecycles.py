"""Every lifecycle that some files of a contract declare (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor

from gladhand.lifecycle import Lifecycle, lifecycle_of
from logistics.contract.v1 import lifecycle_pb2

__all__ = ["lifecycles"]


def lifecycles(files: Iterable[FileDescriptor]) -> list[Lifecycle]:
    """Return the lifecycles of the files' enums, nested ones too, by full name. Raises LifecycleError."""
    found = [lifecycle_of(enum) for file in files for enum in _enums(file) if _declares(enum)]
    return sorted(found, key=lambda table: table.enum)


def _declares(enum: EnumDescriptor) -> bool:
    return enum.GetOptions().HasExtension(lifecycle_pb2.lifecycle)


def _enums(file: FileDescriptor) -> Iterator[EnumDescriptor]:
    yield from file.enum_types_by_name.values()
    for message in file.message_types_by_name.values():
        yield from _nested(message)


def _nested(message: Descriptor) -> Iterator[EnumDescriptor]:
    yield from message.enum_types
    for inner in message.nested_types:
        yield from _nested(inner)
