"""Every lifecycle that some files of a contract declare (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from gladhand.contracts.model import read
from gladhand.lifecycle import Lifecycle, lifecycle_of

__all__ = ["lifecycles"]


def lifecycles(files: Iterable[FileDescriptor]) -> list[Lifecycle]:
    """Return the lifecycles of the files' enums, nested ones too, by full name. Raises LifecycleError."""
    known = {file.name: file for file in files}
    contract = read(FileDescriptorProto.FromString(file.serialized_pb) for file in known.values())
    declared = sorted(enum.name for enum in contract.enums.values() if enum.lifecycle is not None)
    return [lifecycle_of(known[contract.enums[name].place.file].pool.FindEnumTypeByName(name)) for name in declared]
