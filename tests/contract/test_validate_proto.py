"""The vendored validate.proto says exactly what the protovalidate wheel says."""

from __future__ import annotations

from pathlib import Path

from buf.validate import validate_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tools import validate_proto
from tools.toolchain import must


def test_compiling_the_vendored_file_gives_the_descriptor_of_the_wheel(repository: Path, tmp_path: Path) -> None:
    root, image = repository / "third_party/proto", tmp_path / "image.binpb"
    must("protoc", f"-I{root}", f"--descriptor_set_out={image}", root / "buf/validate/validate.proto")
    (compiled,) = FileDescriptorSet.FromString(image.read_bytes()).file
    wheel = validate_proto.wheel_descriptor()
    kind = validate_proto.reader(wheel)
    assert kind.FromString(compiled.SerializeToString()) == kind.FromString(wheel)


def test_the_generated_module_carries_the_same_rules() -> None:
    wheel = validate_proto.wheel_descriptor()
    kind = validate_proto.reader(wheel)
    assert kind.FromString(validate_pb2.DESCRIPTOR.serialized_pb) == kind.FromString(wheel)


def test_the_vendored_file_is_what_the_tool_prints(repository: Path) -> None:
    printed = validate_proto.formatted(validate_proto.source())
    assert (repository / validate_proto.VENDORED).read_text(encoding="utf-8") == printed
