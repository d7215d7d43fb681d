"""A contract as its elements by full name, each with its place in the sources (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from buf.validate import validate_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
    MethodOptions,
    OneofDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message as AnyMessage

from gladhand.contracts.place import Place
from logistics.contract.v1 import event_pb2, lifecycle_pb2, method_pb2, sensitivity_pb2, service_pb2

D = TypeVar("D", bound=AnyMessage)

OPTIONS = {
    FileDescriptorProto: FileDescriptorProto.OPTIONS_FIELD_NUMBER,
    DescriptorProto: DescriptorProto.OPTIONS_FIELD_NUMBER,
    FieldDescriptorProto: FieldDescriptorProto.OPTIONS_FIELD_NUMBER,
    OneofDescriptorProto: OneofDescriptorProto.OPTIONS_FIELD_NUMBER,
    EnumDescriptorProto: EnumDescriptorProto.OPTIONS_FIELD_NUMBER,
    EnumValueDescriptorProto: EnumValueDescriptorProto.OPTIONS_FIELD_NUMBER,
    ServiceDescriptorProto: ServiceDescriptorProto.OPTIONS_FIELD_NUMBER,
    MethodDescriptorProto: MethodDescriptorProto.OPTIONS_FIELD_NUMBER,
}


@dataclass(frozen=True, slots=True)
class Element(Generic[D]):
    """One thing that a contract declares."""

    name: str
    """Full name; of a method `package.Service/Method`."""

    package: str
    place: Place
    proto: D

    def option(self, extension: int, *steps: int) -> Place:
        """Return the place of an option by the number of its extension, or of a part of it."""
        return self.place.at(OPTIONS[type(self.proto)], extension, *steps)


@dataclass(frozen=True, slots=True)
class Field(Element[FieldDescriptorProto]):
    """A field of a message."""


@dataclass(frozen=True, slots=True)
class Oneof(Element[OneofDescriptorProto]):
    """A oneof of a message; that of an `optional` field too."""


@dataclass(frozen=True, slots=True)
class Value(Element[EnumValueDescriptorProto]):
    """A value of an enum."""


@dataclass(frozen=True, slots=True)
class Message(Element[DescriptorProto]):
    """A message with its fields by number."""

    fields: Mapping[int, Field]
    oneofs: Mapping[str, Oneof]

    @property
    def envelope(self) -> event_pb2.EnvelopeRouting | None:
        """Where its events live, if it is an event envelope."""
        options = self.proto.options
        return options.Extensions[event_pb2.envelope] if options.HasExtension(event_pb2.envelope) else None

    @property
    def event(self) -> event_pb2.EventRouting | None:
        """How it is routed, if it is an event body."""
        options = self.proto.options
        return options.Extensions[event_pb2.event] if options.HasExtension(event_pb2.event) else None

    @property
    def rules(self) -> validate_pb2.MessageRules:
        """Its validation rules; empty where it declares none."""
        return self.proto.options.Extensions[validate_pb2.message]

    def field(self, name: str) -> Field | None:
        """Return a field by its name."""
        return next((field for field in self.fields.values() if field.proto.name == name), None)

    def bodies(self) -> tuple[Field, ...]:
        """Return the fields of its oneof `body`; empty where it has none."""
        names = [oneof.name for oneof in self.proto.oneof_decl]
        if "body" not in names:
            return ()
        body = names.index("body")
        return tuple(
            field
            for field in self.fields.values()
            if field.proto.HasField("oneof_index") and field.proto.oneof_index == body
        )


@dataclass(frozen=True, slots=True)
class Enumeration(Element[EnumDescriptorProto]):
    """An enum with its values by number; of aliases the first."""

    values: Mapping[int, Value]

    @property
    def lifecycle(self) -> lifecycle_pb2.Lifecycle | None:
        """The state machine that it declares, apart from the edges on its values."""
        options = self.proto.options
        return options.Extensions[lifecycle_pb2.lifecycle] if options.HasExtension(lifecycle_pb2.lifecycle) else None


@dataclass(frozen=True, slots=True)
class Method(Element[MethodDescriptorProto]):
    """An RPC."""

    service: str

    @property
    def policy(self) -> method_pb2.MethodPolicy | None:
        """Its policy, if it declares one."""
        options = self.proto.options
        return options.Extensions[method_pb2.policy] if options.HasExtension(method_pb2.policy) else None

    @property
    def reads_only(self) -> bool:
        """Whether it declares that it changes nothing."""
        return self.proto.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS

    @property
    def request(self) -> str:
        """Full name of the request message."""
        return self.proto.input_type.removeprefix(".")

    @property
    def response(self) -> str:
        """Full name of the response message."""
        return self.proto.output_type.removeprefix(".")


@dataclass(frozen=True, slots=True)
class Service(Element[ServiceDescriptorProto]):
    """A service with its methods by name."""

    methods: Mapping[str, Method]

    @property
    def policy(self) -> service_pb2.ServicePolicy | None:
        """What the process behind it may do, if it declares that."""
        options = self.proto.options
        return options.Extensions[service_pb2.service] if options.HasExtension(service_pb2.service) else None


@dataclass(frozen=True, slots=True)
class Contract:
    """Everything that a set of files declares, by full name."""

    files: Mapping[str, FileDescriptorProto]
    messages: Mapping[str, Message]
    enums: Mapping[str, Enumeration]
    services: Mapping[str, Service]

    @property
    def methods(self) -> Mapping[str, Method]:
        """Every method by `package.Service/Method`."""
        return {method.name: method for service in self.services.values() for method in service.methods.values()}

    @property
    def envelopes(self) -> tuple[Message, ...]:
        """Every event envelope."""
        return tuple(message for message in self.messages.values() if message.envelope is not None)


def rules_of(field: Field) -> validate_pb2.FieldRules:
    """Return the validation rules of a field; empty where it declares none."""
    return field.proto.options.Extensions[validate_pb2.field]


def sensitivity_of(field: Field) -> int:
    """Return how careful readers must be with a field, a value of `logistics.contract.v1.Sensitivity`."""
    return field.proto.options.Extensions[sensitivity_pb2.sensitivity]


def state_of(value: Value) -> lifecycle_pb2.LifecycleState:
    """Return the edges out of a state; empty where it declares none."""
    return value.proto.options.Extensions[lifecycle_pb2.state]


def read(files: Iterable[FileDescriptorProto]) -> Contract:
    """Return the contract that some files declare, in their order."""
    known = {file.name: file for file in files}
    messages = {message.name: message for file in known.values() for message in _file_messages(file)}
    enums = {enum.name: enum for file in known.values() for enum in _file_enums(file)}
    for message in messages.values():
        for index, nested in enumerate(message.proto.enum_type):
            place = message.place.at(DescriptorProto.ENUM_TYPE_FIELD_NUMBER, index)
            enum = _enum(nested, message.name, message.package, place)
            enums[enum.name] = enum
    services = {service.name: service for file in known.values() for service in _file_services(file)}
    return Contract(known, messages, enums, services)


def _file_messages(file: FileDescriptorProto) -> Iterator[Message]:
    for index, proto in enumerate(file.message_type):
        place = Place(file.name).at(FileDescriptorProto.MESSAGE_TYPE_FIELD_NUMBER, index)
        yield from _messages(proto, file.package, file.package, place)


def _file_enums(file: FileDescriptorProto) -> Iterator[Enumeration]:
    for index, proto in enumerate(file.enum_type):
        place = Place(file.name).at(FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER, index)
        yield _enum(proto, file.package, file.package, place)


def _file_services(file: FileDescriptorProto) -> Iterator[Service]:
    for index, proto in enumerate(file.service):
        yield _service(proto, file.package, Place(file.name).at(FileDescriptorProto.SERVICE_FIELD_NUMBER, index))


def _joined(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name


def _messages(proto: DescriptorProto, scope: str, package: str, place: Place) -> Iterator[Message]:
    """A message and those declared within it; the entries of maps are none."""
    if proto.options.map_entry:
        return
    name = _joined(scope, proto.name)
    fields = {
        field.number: Field(f"{name}.{field.name}", package, place.at(DescriptorProto.FIELD_FIELD_NUMBER, index), field)
        for index, field in enumerate(proto.field)
    }
    oneofs = {
        oneof.name: Oneof(
            f"{name}.{oneof.name}", package, place.at(DescriptorProto.ONEOF_DECL_FIELD_NUMBER, index), oneof
        )
        for index, oneof in enumerate(proto.oneof_decl)
    }
    yield Message(name, package, place, proto, fields, oneofs)
    for index, nested in enumerate(proto.nested_type):
        yield from _messages(nested, name, package, place.at(DescriptorProto.NESTED_TYPE_FIELD_NUMBER, index))


def _enum(proto: EnumDescriptorProto, scope: str, package: str, place: Place) -> Enumeration:
    name = _joined(scope, proto.name)
    values: dict[int, Value] = {}
    for index, value in enumerate(proto.value):
        within = place.at(EnumDescriptorProto.VALUE_FIELD_NUMBER, index)
        values.setdefault(value.number, Value(f"{name}.{value.name}", package, within, value))
    return Enumeration(name, package, place, proto, values)


def _service(proto: ServiceDescriptorProto, package: str, place: Place) -> Service:
    name = _joined(package, proto.name)
    methods = {
        method.name: Method(
            f"{name}/{method.name}", package, place.at(ServiceDescriptorProto.METHOD_FIELD_NUMBER, index), method, name
        )
        for index, method in enumerate(proto.method)
    }
    return Service(name, package, place, proto, methods)
