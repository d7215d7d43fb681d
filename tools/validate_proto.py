"""Prints `buf/validate/validate.proto` from the descriptor that the protovalidate wheel carries.

The contract imports that file, it is published as a source only in buf's schema registry, and a build must not need
the registry. So the descriptor is printed back to a source in a buf module of its own. What makes this safe is a test:
compiling the printed file gives a descriptor equal to the wheel's (tests/contract/test_validate_proto.py).

    python -m tools.validate_proto      writes third_party/proto/buf/validate/validate.proto
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    text_format,
    timestamp_pb2,
)
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto
from google.protobuf.message import Message
from protovalidate._gen.buf.validate import validate_pb

from tools.toolchain import must

VENDORED = Path("third_party/proto/buf/validate/validate.proto")

# The end of a tag range in a descriptor is exclusive; this one is written `max` in the source.
_MAX_TAG_END = 536870912

_LABELS = {
    FieldDescriptorProto.LABEL_OPTIONAL: "optional ",
    FieldDescriptorProto.LABEL_REPEATED: "repeated ",
    FieldDescriptorProto.LABEL_REQUIRED: "required ",
}


def wheel_descriptor() -> bytes:
    """The serialized FileDescriptorProto of validate.proto as the installed protovalidate carries it."""
    return validate_pb.desc().proto.to_binary()


def reader(schema: bytes) -> Any:
    """The class FileDescriptorProto that knows the extensions which a serialized file declares.

    The file goes into a pool beside descriptor.proto; the FileDescriptorProto of that pool then reads the file's own
    options as values and not as unknown bytes.
    """
    pool = descriptor_pool.DescriptorPool()
    for needed in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        pool.AddSerializedFile(needed.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(schema)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorProto"))


def _literal(value: Any) -> str:
    if isinstance(value, Message):
        return "{\n" + text_format.MessageToString(value) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)


def _options(options: Message) -> list[str]:
    out: list[str] = []
    for field, value in options.ListFields():
        name = f"({field.full_name})" if field.is_extension else field.name
        values = value if field.is_repeated else [value]
        out.extend(f"{name} = {_literal(item)}" for item in values)
    return out


def _type_name(field: FieldDescriptorProto) -> str:
    if field.type_name:
        return field.type_name.removeprefix(".")
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _field(field: FieldDescriptorProto, *, in_oneof: bool = False) -> str:
    label = "" if in_oneof else _LABELS[field.label]
    options = _options(field.options)
    if field.default_value:
        options.insert(0, f"default = {field.default_value}")
    suffix = f" [{', '.join(options)}]" if options else ""
    return f"{label}{_type_name(field)} {field.name} = {field.number}{suffix};"


def _fields(message: DescriptorProto) -> Iterator[str]:
    """Fields in their order; those of a oneof stand together in its block, where the first of them stands."""
    opened: int | None = None
    for field in message.field:
        inside = field.oneof_index if field.HasField("oneof_index") else None
        if opened is not None and inside != opened:
            yield "}"
        if inside is not None and inside != opened:
            yield f"oneof {message.oneof_decl[inside].name} {{"
            yield from (f"option {option};" for option in _options(message.oneof_decl[inside].options))
        opened = inside
        yield _field(field, in_oneof=inside is not None)
    if opened is not None:
        yield "}"


def _range(start: int, end: int) -> str:
    if end == _MAX_TAG_END:
        return f"{start} to max"
    return str(start) if end == start + 1 else f"{start} to {end - 1}"


def _message(message: DescriptorProto) -> Iterator[str]:
    yield f"message {message.name} {{"
    yield from (f"option {option};" for option in _options(message.options))
    for reserved in message.reserved_range:
        yield f"reserved {_range(reserved.start, reserved.end)};"
    yield from (f'reserved "{name}";' for name in message.reserved_name)
    for enum in message.enum_type:
        yield from _enum(enum)
    for nested in message.nested_type:
        yield from _message(nested)
    yield from _fields(message)
    for extensions in message.extension_range:
        yield f"extensions {_range(extensions.start, extensions.end)};"
    yield "}"


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"enum {enum.name} {{"
    yield from (f"option {option};" for option in _options(enum.options))
    for reserved in enum.reserved_range:  # inclusive at both ends, unlike the ranges of messages
        yield f"reserved {_range(reserved.start, reserved.end + 1)};"
    yield from (f'reserved "{name}";' for name in enum.reserved_name)
    for value in enum.value:
        options = _options(value.options)
        yield f"{value.name} = {value.number}{' [' + ', '.join(options) + ']' if options else ''};"
    yield "}"


def source() -> str:
    """The unformatted source of validate.proto."""
    wheel = wheel_descriptor()
    file = reader(wheel).FromString(wheel)
    lines = [
        f"// Printed by tools/validate_proto.py from the descriptor in protovalidate {version('protovalidate')}.",
        "// Copyright 2023-2026 Buf Technologies, Inc., Apache License 2.0.",
        f'syntax = "{file.syntax or "proto2"}";',
        f"package {file.package};",
    ]
    lines += [f'import "{name}";' for name in file.dependency]
    lines += [f"option {option};" for option in _options(file.options)]
    for extension in file.extension:
        lines += [f"extend {extension.extendee.removeprefix('.')} {{", _field(extension), "}"]
    for message in file.message_type:
        lines += _message(message)
    for enum in file.enum_type:
        lines += _enum(enum)
    return "\n".join(lines) + "\n"


def formatted(text: str) -> str:
    """The source as `buf format` writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "validate.proto"
        path.write_text(text, encoding="utf-8")
        return must("buf", "format", path)


def write(root: Path) -> bool:
    """Writes the vendored file below `root` and says whether it changed."""
    path = root / VENDORED
    text = formatted(source())
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    write(Path.cwd())
