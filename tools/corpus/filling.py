"""Fills messages to the bounds that their rules allow: `least` holds what is required and no more, `most` every field.

Bounds are the place where a tightened rule shows: a string as long as it may be, a number as low and as high as it
may be, an enum with a number that nobody knows where that is allowed. A string or list of which more than a screenful
is allowed is cut; those bounds are held by the plugin's RULE_NO_TIGHTEN alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tools.corpus.kinds import kinds
from tools.corpus.tuning import tune

__all__ = ["examples", "kinds"]

_LONGEST, _LISTED, _DEEPEST = 200, 2, 6
_UUID = "018f0000-0000-7000-8000-{:012x}"
_UNKNOWN_VALUE = 9999
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}

_PATTERNS = {
    "^-?[0-9]{1,18}([.][0-9]{1,9})?$": ("0", "12345678901234.123456789"),
    "^([+][0-9]{6,15})?$": ("", "+123456789012345"),
    "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$": ("", "2026-12-31"),
    "^([0-9a-f]{64})?$": ("", "0f" * 32),
    "^([A-Z]{2})?$": ("", "US"),
    "^([A-Z]{2}(-[A-Z0-9]{1,3})?)?$": ("", "US-CO1"),
    "^([A-Z]{2,4})?$": ("", "MGCT"),
    "^([A-Z]{3})?$": ("", "DAP"),
    "^([a-z0-9]{2,16})?$": ("", "abcdefghijklmn09"),
    "^([a-z0-9][a-z0-9._-]{0,62})?$": ("", "0" + "a._-" * 15 + "zz"),
    "^[0-9a-f]{64}$": ("0" * 64, "0f" * 32),
    "^[A-Z0-9]{2,3}$": ("C6", "C62"),
    "^[A-Z]{3}$": ("USD", "ZZZ"),
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": ("0", "Z" + "a._-" * 15 + "zzz"),
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$": ("0", "Z" + "a._-" * 24 + "zzz"),
    "^[a-z0-9]{2,16}$": ("us", "abcdefghijklmn09"),
    "^[a-z0-9][a-z0-9._-]{0,62}$": ("0", "0" + "a._-" * 15 + "zz"),
    "^[a-z0-9][a-z0-9_-]{0,62}$": ("0", "0" + "a_-9" * 15 + "zz"),
    "^[a-z0-9][a-z0-9_]{0,39}$": ("0", "0" + "a_9" * 13),
}
"""For each pattern of the contract a shortest and a longest string that it takes."""


class NoExample(LookupError):
    """A pattern that has no examples here yet."""


def examples(kind: type[Message]) -> Iterator[tuple[str, Message]]:
    """Yield (name, message) for the least and the most that a type allows. Raises NoExample.

    A type of which exactly one of several fields must be set has a `most` for each of them.
    """
    descriptor = cast("Descriptor", kind.DESCRIPTOR)
    yield "least", _filled(descriptor, most=False, depth=0)
    choices = [field for oneof in _oneofs(descriptor) for field in oneof.fields]
    for chosen in choices or [None]:
        name = f"most, {chosen.name}" if chosen is not None else "most"
        yield name, _filled(descriptor, most=True, depth=0, chosen=chosen)


def _filled(kind: Descriptor, *, most: bool, depth: int, chosen: FieldDescriptor | None = None) -> Message:
    message: Any = GetMessageClass(kind)()
    skipped = {
        field.name
        for oneof in _oneofs(kind)
        for place, field in enumerate(oneof.fields)
        if (field is not chosen if chosen in oneof.fields else place > 0)
    }
    needed = {oneof.fields[0].name for oneof in _oneofs(kind) if _one_is_required(oneof)}
    for field in kind.fields:
        if field.name in skipped:
            continue
        rules = _rules(field)
        wanted = most and depth < _DEEPEST
        if wanted or rules.required or field.name in needed or _refuses_zero(field, rules):
            _set(message, field, rules, most=most, depth=depth)
    tune(message)
    return cast("Message", message)


def _set(message: Any, field: FieldDescriptor, rules: validate_pb2.FieldRules, *, most: bool, depth: int) -> None:
    if not field.is_repeated:
        if field.message_type is not None:
            getattr(message, field.name).CopyFrom(_message(field, most=most, depth=depth))
        else:
            setattr(message, field.name, _scalar(field, rules, most=most, place=0))
        return
    lists = rules.repeated
    listed = 1 if depth > 1 or (lists.unique and lists.items.string.pattern) else _LISTED
    count = max(1, lists.min_items) if not most else min(lists.max_items or listed, listed)
    values = getattr(message, field.name)
    for place in range(count):
        if field.message_type is not None:
            values.add().CopyFrom(_message(field, most=most, depth=depth))
        else:
            values.append(_scalar(field, lists.items, most=most, place=place, known=lists.unique))


def _message(field: FieldDescriptor, *, most: bool, depth: int) -> Message:
    kind = cast("Descriptor", field.message_type)
    if kind.file.package == "google.protobuf":
        message: Any = GetMessageClass(kind)()
        message.seconds = 1_772_438_400 if kind.name == "Timestamp" else 90
        return cast("Message", message)
    return _filled(kind, most=most, depth=depth + 1)


def _scalar(
    field: FieldDescriptor, rules: validate_pb2.FieldRules, *, most: bool, place: int, known: bool = False
) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            text = _text(rules.string, most=most, place=place)
            return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        case FieldDescriptor.CPPTYPE_BOOL:
            return most
        case FieldDescriptor.CPPTYPE_ENUM:
            return _value(field, rules.enum, most=most and not known, place=place)
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            low, high = _bounds(rules, -1e6, 1e6)
            return high if most else low
        case integer:
            low, high = _bounds(rules, *_INTEGERS[integer])
            return int(high if most else low)


def _bounds(rules: validate_pb2.FieldRules, low: float, high: float) -> tuple[float, float]:
    """Return the least and the most of a number; `low` and `high` where no rule says."""
    kind = rules.WhichOneof("type")
    if kind is None:
        return low, high
    own: Any = getattr(rules, kind)
    least = own.gte if own.HasField("gte") else _next(own.gt, math.inf) if own.HasField("gt") else low
    most = own.lte if own.HasField("lte") else _next(own.lt, -math.inf) if own.HasField("lt") else high
    return least, most


def _next(bound: float, towards: float) -> float:
    if isinstance(bound, int):
        return bound + (1 if towards > 0 else -1)
    return math.nextafter(bound, towards)


def _text(rules: validate_pb2.StringRules, *, most: bool, place: int) -> str:
    if rules.uuid:
        return _UUID.format(place + 1)
    if rules.pattern:
        if rules.pattern not in _PATTERNS:
            raise NoExample(f"give a shortest and a longest example of {rules.pattern} in {__name__}")
        return _PATTERNS[rules.pattern][most]
    length = min(rules.max_len or 8, _LONGEST) if most else max(rules.min_len, 1)
    return "x" * (length - len(str(place))) + str(place) if place and length > len(str(place)) else "x" * length


def _value(field: FieldDescriptor, rules: validate_pb2.EnumRules, *, most: bool, place: int) -> int:
    known = [value.number for value in cast("Any", field.enum_type).values if value.number not in rules.not_in]
    if most and not rules.defined_only:
        return _UNKNOWN_VALUE
    chosen: int = known[(place + 1) % len(known)]
    return chosen


def _refuses_zero(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> bool:
    """Whether leaving the field out would break a rule of its own."""
    if rules.ignore in {validate_pb2.IGNORE_IF_ZERO_VALUE, validate_pb2.IGNORE_ALWAYS}:
        return False
    if field.has_presence and field.containing_oneof is not None:
        return False
    match rules.WhichOneof("type"):
        case "string":
            text = rules.string
            return (
                text.uuid or text.min_len > 0 or (bool(text.pattern) and _PATTERNS.get(text.pattern, ("x",))[0] != "")
            )
        case "bytes":
            return rules.bytes.min_len > 0
        case "repeated":
            return rules.repeated.min_items > 0
        case "enum":
            return 0 in rules.enum.not_in
        case None:
            return False
        case kind:
            own: Any = getattr(rules, kind)
            return bool((own.HasField("gte") and own.gte > 0) or (own.HasField("gt") and own.gt >= 0))


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    return field.GetOptions().Extensions[validate_pb2.field]


def _oneofs(kind: Descriptor) -> list[Any]:
    return [oneof for oneof in kind.oneofs if not oneof.name.startswith("_")]


def _one_is_required(oneof: Any) -> bool:
    return bool(oneof.GetOptions().Extensions[validate_pb2.oneof].required)
