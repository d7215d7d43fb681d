"""The contract as an image: the descriptors of the `logistics` files, in one form with one digest.

The same contract has the same digest wherever it comes from: generated code in a process, `buf build` of a folder, a
released image. Comments, positions and JSON names that follow from the field's own are left out, and so is everything
that is not of the contract itself: the rules of protovalidate and Google's types come from whoever reads the image.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from functools import cache

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from gladhand.bus.port import Damaged
from gladhand.contracts.installed import files

__all__ = ["digest_of", "normal", "own_image", "packed", "unpacked"]

_OURS = "logistics/"


@cache
def own_image() -> FileDescriptorSet:
    """Return the contract that this process was built with, all of it and not only what it has imported so far."""
    return normal(FileDescriptorProto.FromString(file.serialized_pb) for file in files())


def normal(given: Iterable[FileDescriptorProto], *, with_positions: bool = False) -> FileDescriptorSet:
    """Return the contract's own files in the form that is hashed, stored and compared.

    `with_positions` keeps the places in the sources, for messages to people; such an image has another digest.
    """
    image = FileDescriptorSet()
    for file in given:
        if file.name.startswith(_OURS):
            _strip(image.file.add(), file)
            if not with_positions:
                image.file[-1].ClearField("source_code_info")
    image.file.sort(key=lambda file: file.name)
    return image


def digest_of(image: FileDescriptorSet) -> str:
    """Return the SHA-256 of a normal image, in hex."""
    return hashlib.sha256(_bytes(image)).hexdigest()


def packed(image: FileDescriptorSet) -> bytes:
    """Return an image as bucket `CONTRACTS` holds it: a quarter of its size."""
    return zlib.compress(_bytes(image), 9)


def unpacked(value: bytes, digest: str) -> FileDescriptorSet:
    """Return an image out of bucket `CONTRACTS`. Raises Damaged where it is not the one of that digest."""
    try:
        stored = zlib.decompress(value)
        image = FileDescriptorSet.FromString(stored)
    except (zlib.error, DecodeError) as error:
        raise Damaged(f"image {digest} cannot be read: {error}") from error
    # The bytes as they were stored: options that this process does not know come in another order when written again.
    if hashlib.sha256(stored).hexdigest() != digest:
        raise Damaged(f"image {digest} does not match its digest")
    return image


def _bytes(image: FileDescriptorSet) -> bytes:
    return image.SerializeToString(deterministic=True)


def _strip(target: FileDescriptorProto, file: FileDescriptorProto) -> None:
    target.CopyFrom(file)
    # What buf adds of its own. Options of the contract are known, since its files import where they are defined.
    target.DiscardUnknownFields()
    for extension in target.extension:
        _strip_field(extension)
    for message in target.message_type:
        _strip_message(message)


def _strip_message(message: DescriptorProto) -> None:
    for field in (*message.field, *message.extension):
        _strip_field(field)
    for nested in message.nested_type:
        _strip_message(nested)


def _strip_field(field: FieldDescriptorProto) -> None:
    """Generated code has a JSON name only where it is not the field's own in camel case."""
    first, *rest = field.name.split("_")
    if field.json_name == first + "".join(part[:1].upper() + part[1:] for part in rest):
        field.ClearField("json_name")
