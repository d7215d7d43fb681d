"""Compares what is declared: messages, fields, enums, their values, services (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from gladhand.contracts.comparison.finding import ChangeKind, Finding
from gladhand.contracts.model import Contract, Element, Enumeration, Field, Message
from gladhand.contracts.place import Place

_Elements = Mapping[str, Element[Any]]


def compare(old: Contract, new: Contract) -> Iterator[Finding]:
    """Yield what was added, removed, deprecated or became something else."""
    for noun, before, after in (
        ("message", old.messages, new.messages),
        ("enum", old.enums, new.enums),
        ("service", old.services, new.services),
    ):
        yield from _whole(noun, before, after, new)
    for name, message in old.messages.items():
        if name in new.messages:
            yield from _message(message, new.messages[name])
    for name, enum in old.enums.items():
        if name in new.enums:
            yield from _enum(enum, new.enums[name])


def _whole(noun: str, old: _Elements, new: _Elements, contract: Contract) -> Iterator[Finding]:
    for name, element in old.items():
        if name not in new:
            sentence = f"the {noun} {name} is gone: keep it, or mark it deprecated"
            place = _around(name, element.place.file, contract)
            yield Finding(f"{noun.upper()}_NO_DELETE", ChangeKind.BROKEN, name, sentence, place, element.place)
        elif new[name].proto.options.deprecated and not element.proto.options.deprecated:
            yield _deprecated(noun, new[name], element)
    for name, element in new.items():
        if name not in old:
            yield Finding(f"{noun.upper()}_ADDED", ChangeKind.ADDED, name, f"the {noun} {name} is new", element.place)


def _around(name: str, file: str, contract: Contract) -> Place | None:
    """The message that held a thing which is gone, else its file."""
    outer = contract.messages.get(name.rpartition(".")[0])
    if outer is not None:
        return outer.place
    return Place(file) if file in contract.files else None


def _deprecated(noun: str, new: Element[Any], old: Element[Any]) -> Finding:
    sentence = f"the {noun} {new.name} is deprecated: it still works, and new code should do without it"
    return Finding(f"{noun.upper()}_DEPRECATED", ChangeKind.DEPRECATED, new.name, sentence, new.place, old.place)


def _message(old: Message, new: Message) -> Iterator[Finding]:
    for number, field in old.fields.items():
        if number not in new.fields:
            sentence = (
                f"field {number} {field.proto.name} of {old.name} is gone: whoever reads or sends it loses it unseen; "
                "keep it and mark it deprecated"
            )
            yield Finding("FIELD_NO_DELETE", ChangeKind.BROKEN, field.name, sentence, new.place, field.place)
        else:
            yield from _field(field, new.fields[number], old, new)
    bodies = {field.name for field in new.bodies()} if new.envelope is not None else set()
    for number, field in new.fields.items():
        if number in old.fields:
            continue
        stop = "; readers that do not know it stop unless the event says may_ignore" if field.name in bodies else ""
        sentence = f"field {number} {field.proto.name} of {new.name} is new{stop}"
        yield Finding("FIELD_ADDED", ChangeKind.ADDED, field.name, sentence, field.place)


def _field(old: Field, new: Field, holder: Message, later: Message) -> Iterator[Finding]:
    for rule, noun, before, after, step in (
        ("FIELD_SAME_NAME", "name", old.proto.name, new.proto.name, FieldDescriptorProto.NAME_FIELD_NUMBER),
        ("FIELD_SAME_TYPE", "type", _type(old), _type(new), _type_step(new)),
        (
            "FIELD_SAME_CARDINALITY",
            "cardinality",
            _cardinality(old),
            _cardinality(new),
            FieldDescriptorProto.LABEL_FIELD_NUMBER,
        ),
        ("FIELD_SAME_JSON_NAME", "JSON name", _json_name(old), _json_name(new), None),
        ("FIELD_SAME_ONEOF", "oneof", _oneof(old, holder), _oneof(new, later), None),
    ):
        if before != after:
            place = new.place if step is None else new.place.at(step)
            sentence = (
                f"the {noun} of field {old.proto.number} of {holder.name} was {before} and is {after}: "
                f"give the new one a field of its own"
            )
            yield Finding(rule, ChangeKind.BROKEN, old.name, sentence, place, old.place)
    if new.proto.options.deprecated and not old.proto.options.deprecated:
        yield _deprecated("field", new, old)


def _type(field: Field) -> str:
    proto = field.proto
    return proto.type_name.removeprefix(".") or FieldDescriptorProto.Type.Name(proto.type).removeprefix("TYPE_").lower()


def _type_step(field: Field) -> int:
    named = bool(field.proto.type_name)
    return FieldDescriptorProto.TYPE_NAME_FIELD_NUMBER if named else FieldDescriptorProto.TYPE_FIELD_NUMBER


def _cardinality(field: Field) -> str:
    if field.proto.proto3_optional:
        return "optional with presence"
    return FieldDescriptorProto.Label.Name(field.proto.label).removeprefix("LABEL_").lower()


def _json_name(field: Field) -> str:
    """The JSON name where it does not follow from the name; a new name is told by itself."""
    return field.proto.json_name if field.proto.json_name != _camel(field.proto.name) else "that of its name"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _oneof(field: Field, message: Message) -> str:
    if not field.proto.HasField("oneof_index") or field.proto.proto3_optional:
        return "none"
    return message.proto.oneof_decl[field.proto.oneof_index].name


def _enum(old: Enumeration, new: Enumeration) -> Iterator[Finding]:
    for number, value in old.values.items():
        if number not in new.values:
            sentence = f"{value.proto.name} = {number} is gone from {old.name}: keep it and mark it deprecated"
            yield Finding("ENUM_VALUE_NO_DELETE", ChangeKind.BROKEN, value.name, sentence, new.place, value.place)
            continue
        now = new.values[number]
        if now.proto.name != value.proto.name:
            sentence = f"value {number} of {old.name} was {value.proto.name} and is {now.proto.name}: take it back"
            yield Finding("ENUM_VALUE_SAME_NAME", ChangeKind.BROKEN, value.name, sentence, now.place, value.place)
        if now.proto.options.deprecated and not value.proto.options.deprecated:
            yield _deprecated("value", now, value)
    for number, value in new.values.items():
        if number not in old.values:
            sentence = f"{value.proto.name} = {number} is new in {new.name}; older readers see a number that they lack"
            yield Finding("ENUM_VALUE_ADDED", ChangeKind.ADDED, value.name, sentence, value.place)
