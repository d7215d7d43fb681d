"""The rules of protovalidate in words (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

_WORDS = {
    "uuid": "a UUID",
    "finite": "finite",
    "defined_only": "a value that this contract names",
    "unique": "all different",
}
_COUNTED = {
    "min_len": "at least {}",
    "max_len": "at most {}",
    "len": "exactly {}",
    "min_items": "at least {}",
    "max_items": "at most {}",
    "min_pairs": "at least {}",
    "max_pairs": "at most {}",
}
_COMPARED = {"gt": "> {}", "gte": "≥ {}", "lt": "< {}", "lte": "≤ {}", "const": "= {}"}
_UNITS = {"StringRules": "characters", "BytesRules": "bytes", "RepeatedRules": "entries", "MapRules": "entries"}


def of_field(field: FieldDescriptor) -> list[str]:
    """Return the rules of one field, each in a few words; what has no words here stands as it is declared."""
    options = field.GetOptions()
    if not options.HasExtension(validate_pb2.field):
        return []
    return _field_rules(options.Extensions[validate_pb2.field])


def of_message(message: Descriptor) -> list[str]:
    """Return the rules over a whole message: its words, and the CEL expression that holds it to them."""
    options = message.GetOptions()
    if not options.HasExtension(validate_pb2.message):
        return []
    rules: Any = options.Extensions[validate_pb2.message]
    return [*(_cel(rule) for rule in rules.cel), *(f"`{expression}`" for expression in rules.cel_expression)]


def of_oneof(oneof: OneofDescriptor) -> bool:
    """Return whether exactly one of the fields has to be set; else at most one is."""
    options: Any = oneof.GetOptions()
    return bool(options.HasExtension(validate_pb2.oneof) and options.Extensions[validate_pb2.oneof].required)


def _field_rules(rules: validate_pb2.FieldRules) -> list[str]:
    found: list[str] = []
    if rules.required:
        found.append("required")
    kind = rules.WhichOneof("type")
    if kind is not None:
        found += _typed(cast("Message", getattr(rules, kind)))
    found += [_cel(rule) for rule in rules.cel]
    found += [f"`{expression}`" for expression in rules.cel_expression]
    if rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
        found.append("or unset")
    if rules.ignore == validate_pb2.IGNORE_ALWAYS:
        found.append("not checked")
    return found


def _typed(rules: Message) -> Iterator[str]:
    unit = _UNITS.get(rules.DESCRIPTOR.name, "")
    for field, value in rules.ListFields():
        if field.name in {"items", "keys", "values"}:
            inner = ", ".join(_field_rules(value))
            yield f"each {inner}" if field.name == "items" else f"{field.name}: {inner}"
        else:
            yield _one(field, value, unit)


def _one(field: FieldDescriptor, value: Any, unit: str) -> str:
    name = field.name
    if name in {"min_len", "min_items"} and value == 1:
        return "not empty"
    if name in _COUNTED:
        return f"{_COUNTED[name].format(value)} {unit}".rstrip()
    if name in _COMPARED:
        return _COMPARED[name].format(_shown(value))
    if name == "pattern":
        return f"matches `{value}`"
    if name in {"in", "not_in"}:
        listed = ", ".join(_shown(one) for one in cast("Sequence[object]", value))
        return f"{'one' if name == 'in' else 'none'} of {listed}"
    if value is True:
        return _WORDS.get(name, name.replace("_", " "))
    return f"{name} {_shown(value)}"


def _shown(value: object) -> str:
    if isinstance(value, Message):
        return str(value).strip().replace("\n", " ")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cel(rule: validate_pb2.Rule) -> str:
    words = rule.message or rule.id
    return f"{words}: `{rule.expression}`"
