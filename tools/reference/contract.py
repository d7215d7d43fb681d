"""An image of the contract as descriptors with their comments, by package (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FileDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

from logistics.contract.v1 import envelope

ROOT = "logistics."
"""Packages that begin so are ours."""

# Field numbers in descriptor.proto, of which the paths of source positions consist.
_PACKAGE, _MESSAGE, _ENUM, _SERVICE, _EXTENSION = (2,), 4, 5, 6, 7
_FIELD, _NESTED, _INNER_ENUM, _ONEOF = 2, 3, 4, 8
_VALUE, _METHOD = 2, 2


@dataclass(frozen=True)
class Contract:
    """The files of ours, sorted by name, and what is written beside each of their elements."""

    files: tuple[FileDescriptor, ...]
    comments: Mapping[str, str]
    """Leading comment by full name; a package has the comment above its `package` statement."""

    @classmethod
    def read(cls, image: FileDescriptorSet) -> Contract:
        """Return the contract in an image that carries source positions."""
        pool = DescriptorPool()
        for file in image.file:
            pool.Add(file)
        ours = sorted((file for file in image.file if file.package.startswith(ROOT)), key=lambda file: file.name)
        comments: dict[str, str] = {}
        for file in ours:
            comments |= {name: text for name, text in _comments(file) if text}
        return cls(tuple(pool.FindFileByName(file.name) for file in ours), comments)

    @cached_property
    def packages(self) -> list[str]:
        """Names of the packages, sorted."""
        return sorted({file.package for file in self.files})

    def of(self, package: str) -> Iterator[FileDescriptor]:
        """The files of one package."""
        return (file for file in self.files if file.package == package)

    def services(self, package: str) -> list[ServiceDescriptor]:
        """The services of a package, by name."""
        return sorted(
            (service for file in self.of(package) for service in file.services_by_name.values()),
            key=lambda service: service.name,
        )

    def messages(self, package: str) -> list[Descriptor]:
        """The messages of a package with those inside them, by full name."""
        outer = [message for file in self.of(package) for message in file.message_types_by_name.values()]
        found = [inner for message in outer for inner in _all(message)]
        return sorted(found, key=lambda message: message.full_name)

    def enums(self, package: str) -> list[EnumDescriptor]:
        """The enums of a package, those inside messages too, by full name."""
        found = [enum for file in self.of(package) for enum in file.enum_types_by_name.values()]
        found += [enum for message in self.messages(package) for enum in message.enum_types]
        return sorted(found, key=lambda enum: enum.full_name)

    def envelopes(self) -> list[Descriptor]:
        """Every event envelope, by the name of its aggregate."""
        found = [
            message
            for package in self.packages
            for message in self.messages(package)
            if message.GetOptions().HasExtension(envelope)
        ]
        return sorted(found, key=lambda message: str(message.GetOptions().Extensions[envelope].aggregate))

    def comment(self, name: str) -> str:
        """What is written above an element, as one paragraph for each paragraph there; empty for nothing."""
        return self.comments.get(name, "")


def _all(message: Descriptor) -> Iterator[Descriptor]:
    if message.GetOptions().map_entry:
        return
    yield message
    for inner in message.nested_types:
        yield from _all(inner)


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    texts = {tuple(place.path): _text(place.leading_comments) for place in file.source_code_info.location}
    yield file.package, texts.get(_PACKAGE, "")
    for path, name in _elements(file):
        yield name, texts.get(path, "")


def _text(comment: str) -> str:
    lines = [line.removeprefix(" ").rstrip() for line in comment.strip("\n").split("\n")]
    return "\n".join(lines).strip()


Path = tuple[int, ...]


def _elements(file: FileDescriptorProto) -> Iterator[tuple[Path, str]]:
    root = file.package
    for place, message in enumerate(file.message_type):
        yield from _of_message((_MESSAGE, place), f"{root}.{message.name}", message)
    yield from _of_enums((_ENUM,), root, file.enum_type)
    for place, service in enumerate(file.service):
        yield from _of_service((_SERVICE, place), f"{root}.{service.name}", service)
    for place, extension in enumerate(file.extension):
        yield (_EXTENSION, place), f"{root}.{extension.name}"


def _of_message(path: Path, name: str, message: DescriptorProto) -> Iterator[tuple[Path, str]]:
    yield path, name
    for place, field in enumerate(message.field):
        yield (*path, _FIELD, place), f"{name}.{field.name}"
    for place, oneof in enumerate(message.oneof_decl):
        yield (*path, _ONEOF, place), f"{name}.{oneof.name}"
    for place, inner in enumerate(message.nested_type):
        yield from _of_message((*path, _NESTED, place), f"{name}.{inner.name}", inner)
    yield from _of_enums((*path, _INNER_ENUM), name, message.enum_type)


def _of_enums(path: Path, scope: str, enums: Iterable[EnumDescriptorProto]) -> Iterator[tuple[Path, str]]:
    for place, enum in enumerate(enums):
        yield (*path, place), f"{scope}.{enum.name}"
        for index, value in enumerate(enum.value):
            # Values live in the scope around their enum; the enum's own name keeps them apart here.
            yield (*path, place, _VALUE, index), f"{scope}.{enum.name}.{value.name}"


def _of_service(path: Path, name: str, service: ServiceDescriptorProto) -> Iterator[tuple[Path, str]]:
    yield path, name
    for place, method in enumerate(service.method):
        yield (*path, _METHOD, place), f"{name}.{method.name}"
