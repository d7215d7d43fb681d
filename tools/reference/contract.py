"""An image of the contract as descriptors with their comments, by package (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from gladhand.contracts import model
from gladhand.contracts.place import Place

ROOT = "logistics."
"""Packages that begin so are ours."""

_PACKAGE = (FileDescriptorProto.PACKAGE_FIELD_NUMBER,)


@dataclass(frozen=True)
class Contract:
    """Our files with descriptors, which know each other's types, and what is written beside each element."""

    files: tuple[FileDescriptor, ...]
    """Sorted by name."""

    pool: DescriptorPool
    elements: model.Contract
    comments: Mapping[str, str]
    """Leading comment by full name; a package has the comment above its `package` statement."""

    @classmethod
    def read(cls, image: FileDescriptorSet) -> Contract:
        """Return the contract in an image that carries source positions."""
        pool = DescriptorPool()
        for file in image.file:
            pool.Add(file)
        ours = sorted((file for file in image.file if file.package.startswith(ROOT)), key=lambda file: file.name)
        elements = model.read(ours)
        comments = {name: text for name, text in _comments(ours, elements) if text}
        return cls(tuple(pool.FindFileByName(file.name) for file in ours), pool, elements, comments)

    @property
    def packages(self) -> list[str]:
        """Names of the packages, sorted."""
        return sorted({file.package for file in self.files})

    def of(self, package: str) -> Iterator[FileDescriptor]:
        """The files of one package."""
        return (file for file in self.files if file.package == package)

    def services(self, package: str) -> list[ServiceDescriptor]:
        """The services of a package, by name."""
        return [self.pool.FindServiceByName(name) for name in _names(self.elements.services.values(), package)]

    def messages(self, package: str) -> list[Descriptor]:
        """The messages of a package with those inside them, by full name."""
        return [self.pool.FindMessageTypeByName(name) for name in _names(self.elements.messages.values(), package)]

    def enums(self, package: str) -> list[EnumDescriptor]:
        """The enums of a package, those inside messages too, by full name."""
        return [self.pool.FindEnumTypeByName(name) for name in _names(self.elements.enums.values(), package)]

    def envelopes(self) -> list[Descriptor]:
        """Every event envelope, by the name of its aggregate."""
        named = {message.envelope.aggregate: message.name for message in self.elements.envelopes if message.envelope}
        return [self.pool.FindMessageTypeByName(named[aggregate]) for aggregate in sorted(named)]

    def comment(self, name: str) -> str:
        """What is written above an element, as one paragraph for each paragraph there; empty for nothing."""
        return self.comments.get(name, "")


def _names(elements: Iterable[model.Element[Any]], package: str) -> list[str]:
    return sorted(element.name for element in elements if element.package == package)


def _comments(files: Iterable[FileDescriptorProto], elements: model.Contract) -> Iterator[tuple[str, str]]:
    """Yield the comment of each package, element and annotation by its name as descriptors spell it."""
    texts: dict[Place, str] = {}
    for file in files:
        for location in file.source_code_info.location:
            texts[Place(file.name, tuple(location.path))] = _text(location.leading_comments)
        yield file.package, texts.get(Place(file.name, _PACKAGE), "")
        for index, extension in enumerate(file.extension):
            place = Place(file.name).at(FileDescriptorProto.EXTENSION_FIELD_NUMBER, index)
            yield f"{file.package}.{extension.name}", texts.get(place, "")
    for element in _all(elements):
        yield element.name.replace("/", "."), texts.get(element.place, "")


def _all(elements: model.Contract) -> Iterator[model.Element[Any]]:
    for message in elements.messages.values():
        yield message
        yield from message.fields.values()
        yield from message.oneofs.values()
    for enum in elements.enums.values():
        yield enum
        yield from enum.values.values()
    yield from elements.services.values()
    yield from elements.methods.values()


def _text(comment: str) -> str:
    lines = [line.removeprefix(" ").rstrip() for line in comment.strip("\n").split("\n")]
    return "\n".join(lines).strip()
