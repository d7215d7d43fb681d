"""The messages of a check as buf and a plugin exchange them (PluginRPC 1, check v1), declared by shape (pure).

They are buf's, so they are not part of our contract and no generated code of ours carries them. Only the fields that
are used stand here; others pass unread. A FileDescriptorProto stays bytes: it belongs to the pool that knows the
annotations, and these messages to a pool of their own.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "gladhand.plugin"
_SCALARS = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
}
_SHAPES = {
    "Packed": "type_url:1 string, value:2 bytes",
    "Request": "value:1 Packed",
    "Error": "code:1 int32, message:2 string",
    "Response": "value:1 Packed, error:2 Error",
    "File": "descriptor:1 bytes, is_import:2 bool",
    "Value": "string_value:4 string",
    "Option": "key:1 string, value:2 Value",
    "CheckRequest": "files:1 File*, against_files:2 File*, options:3 Option*, rule_ids:4 string*",
    "Location": "file_name:1 string, source_path:2 int32*",
    "Annotation": "rule_id:1 string, message:2 string, file_location:3 Location, against_file_location:4 Location",
    "CheckResponse": "annotations:1 Annotation*",
}


def _field(shape: str) -> FieldDescriptorProto:
    named, kind = shape.split(" ")
    name, number = named.split(":")
    single = kind.rstrip("*")
    scalar = _SCALARS.get(single)
    return FieldDescriptorProto(
        name=name,
        number=int(number),
        label=FieldDescriptorProto.LABEL_OPTIONAL if kind == single else FieldDescriptorProto.LABEL_REPEATED,
        type=scalar or FieldDescriptorProto.TYPE_MESSAGE,
        type_name=None if scalar else f".{_PACKAGE}.{single}",
    )


def _pool() -> DescriptorPool:
    file = FileDescriptorProto(name="gladhand/plugin.proto", package=_PACKAGE, syntax="proto3")
    for name, shape in _SHAPES.items():
        file.message_type.add(name=name).field.extend(_field(field) for field in shape.split(", "))
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _pool()


def message(name: str) -> Any:
    """Return the class of a message by its name."""
    return GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
