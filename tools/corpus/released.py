"""Messages as a released version of the contract saw them: what it did not know is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gladhand.contracts import released

RELEASED = Path("proto/released")
Json = Any


def versions() -> list[str]:
    """Return the names of the released versions, oldest first."""
    return [image.stem for image in released.images(RELEASED)]


class Released:
    """The message types of one released image."""

    def __init__(self, image: Path) -> None:
        self._pool = DescriptorPool()
        for file in FileDescriptorSet.FromString(image.read_bytes()).file:
            self._pool.Add(file)

    @classmethod
    def of(cls, version: str) -> Released:
        """Return a release by its name, for example `v1.0.0`. Raises FileNotFoundError where there is none."""
        return cls(RELEASED / f"{version}.binpb")

    def read(self, name: str, payload: bytes) -> Message:
        """Return a message of the released type. Raises KeyError where the release has no such type."""
        return GetMessageClass(self._pool.FindMessageTypeByName(name)).FromString(payload)

    def shown(self, message: Message) -> dict[str, Json]:
        """Return a message as JSON by the contract's field names, without what the release does not know."""
        return as_json(self.read(message.DESCRIPTOR.full_name, message.SerializeToString()))

    def knows(self, message: Message) -> bool:
        """Return whether the release knows everything that is set in the message."""
        return self.shown(message) == as_json(message)

    def state(self, value: object) -> Json:
        """Return a state of a decider as JSON: dataclasses by field, messages as the release saw them."""
        if isinstance(value, Message):
            return self.shown(value)
        if is_dataclass(value):
            return {each.name: self.state(getattr(value, each.name)) for each in fields(value)}
        if isinstance(value, Mapping):
            return {_key(key): self.state(value[key]) for key in sorted(value)}
        if isinstance(value, frozenset | set):
            return sorted(self.state(each) for each in value)
        if isinstance(value, tuple | list):
            return [self.state(each) for each in value]
        if isinstance(value, datetime):
            return value.isoformat()
        if value is None or isinstance(value, str | int | float | bool):
            return value
        raise TypeError(f"{type(value).__name__} in a state has no form in the corpus")


def as_json(message: Message) -> dict[str, Json]:
    """Return a message as JSON by the contract's field names; unknown fields are left out."""
    found: dict[str, Json] = MessageToDict(message, preserving_proto_field_name=True)
    return found


def _key(key: object) -> str:
    return "/".join(str(part) for part in key) if isinstance(key, tuple) else str(key)
