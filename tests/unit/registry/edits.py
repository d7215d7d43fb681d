"""Copies of the contract with one thing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from gladhand.registry.images import own_image
from logistics.contract.v1.event_pb2 import event
from logistics.contract.v1.lifecycle_pb2 import state
from logistics.contract.v1.method_pb2 import policy
from logistics.contract.v1.service_pb2 import service as service_policy

Edit = Callable[[FileDescriptorSet], None]


def edited(*edits: Edit) -> FileDescriptorSet:
    """The contract after some edits."""
    image = FileDescriptorSet()
    image.CopyFrom(own_image())
    for edit in edits:
        edit(image)
    return image


def message(image: FileDescriptorSet, name: str) -> DescriptorProto:
    found: DescriptorProto = _named(image, name, "message_type")
    return found


def without_field(name: str) -> Edit:
    """Remove a field, by its full name."""

    def edit(image: FileDescriptorSet) -> None:
        holder, _, field = name.rpartition(".")
        _remove(message(image, holder).field, field)

    return edit


def retyped(name: str, field_type: Any) -> Edit:
    """Give a field another scalar type."""

    def edit(image: FileDescriptorSet) -> None:
        holder, _, field = name.rpartition(".")
        found = next(each for each in message(image, holder).field if each.name == field)
        found.type = field_type
        found.ClearField("type_name")

    return edit


def with_field(name: str, number: int = 999) -> Edit:
    """Add a text field."""

    def edit(image: FileDescriptorSet) -> None:
        holder, _, field = name.rpartition(".")
        message(image, holder).field.add(name=field, number=number, type=9, label=1)

    return edit


def without_method(name: str) -> Edit:
    """Remove a method, by `package.Service/Method`."""

    def edit(image: FileDescriptorSet) -> None:
        service, _, method = name.partition("/")
        found: ServiceDescriptorProto = _named(image, service, "service")
        _remove(found.method, method)

    return edit


def with_scope_only(name: str, scope: str) -> Edit:
    """Ask another scope of the callers of a method."""

    def edit(image: FileDescriptorSet) -> None:
        service, _, method = name.partition("/")
        found = next(each for each in _named(image, service, "service").method if each.name == method)
        found.options.Extensions[policy].scopes[:] = [scope]

    return edit


def with_token(body: str, token: str) -> Edit:
    """Route an event body to another subject."""

    def edit(image: FileDescriptorSet) -> None:
        message(image, body).options.Extensions[event].token = token

    return edit


def publishing(service: str, *subjects: str) -> Edit:
    """Let a service declare what it publishes."""

    def edit(image: FileDescriptorSet) -> None:
        own = _named(image, service, "service").options.Extensions[service_policy]
        own.identity = service
        own.publishes[:] = subjects

    return edit


def calling(service: str, *calls: str) -> Edit:
    """Let a service declare whom it calls."""

    def edit(image: FileDescriptorSet) -> None:
        _named(image, service, "service").options.Extensions[service_policy].calls[:] = calls

    return edit


def without_policy(service: str) -> Edit:
    """Let a service declare nothing of what it may do."""

    def edit(image: FileDescriptorSet) -> None:
        _named(image, service, "service").options.ClearExtension(service_policy)

    return edit


def without_edges(enum: str, value: str) -> Edit:
    """Take all edges out of a state."""

    def edit(image: FileDescriptorSet) -> None:
        found: EnumDescriptorProto = _named(image, enum, "enum_type")
        del next(each for each in found.value if each.name == value).options.Extensions[state].edges[:]

    return edit


def _named(image: FileDescriptorSet, name: str, kind: str) -> Any:
    found = [each for file in image.file for each in getattr(file, kind) if f"{file.package}.{each.name}" == name]
    assert found, f"the contract has no {name}"
    return found[0]


def _remove(fields: Any, name: str) -> None:
    place = [index for index, each in enumerate(fields) if each.name == name]
    assert place, f"there is no {name}"
    del fields[place[0]]
