"""How single values of a policy are spelled in a file: `30m`, `150.00 EUR`, `SIGNATURE` (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, cast

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from logistics.type.v1 import Money

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:\d{1,9}[wdhms])+\Z")
_PART = re.compile(r"(\d+)([wdhms])")
_MONEY = re.compile(r"(-?)(\d{1,15})(?:[.](\d{1,9}))? ([A-Z]{3})\Z")
_WHOLE = re.compile(r"-?\d{1,18}\Z")
_DURATION_NAME, _MONEY_NAME = Duration.DESCRIPTOR.full_name, Money.DESCRIPTOR.full_name
_LONGEST_S = 3_660 * 86_400


class Misspelled(Exception):
    """A value that is none of its kind; the message says what would be one."""


def is_value(field: FieldDescriptor) -> bool:
    """Return whether one value of a field is written as one word: everything but a message with parts of its own."""
    return field.message_type is None or field.message_type.full_name in {_DURATION_NAME, _MONEY_NAME}


def parsed(field: FieldDescriptor, text: str) -> Any:
    """Return the value that a word means for a field. Raises Misspelled."""
    if field.message_type is not None:
        return _duration(text) if field.message_type.full_name == _DURATION_NAME else _money(text)
    if field.enum_type is not None:
        return _enum(field.enum_type, text)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if text not in {"true", "false"}:
            raise Misspelled(f"{text!r} is neither true nor false; write one of them")
        return text == "true"
    if field.cpp_type in {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64}:
        if not _WHOLE.match(text) or not -(1 << 31) <= int(text) < 1 << 31:
            raise Misspelled(f"{text!r} is no whole number; write one, for example 50")
        return int(text)
    if not text:
        raise Misspelled("it is empty; say what, or leave the line out")
    return text


def spelled(field: FieldDescriptor, value: Any) -> str:
    """Return how a file would write one value of a field; a message with parts of its own as a flow mapping."""
    if field.message_type is not None:
        name = field.message_type.full_name
        if name == _DURATION_NAME:
            return _spelled_duration(value)
        if name == _MONEY_NAME:
            return _spelled_money(value)
        message: Message = value
        parts = [f"{each.name}: {spelled_field(each, each_value)}" for each, each_value in message.ListFields()]
        return "{" + ", ".join(parts) + "}"
    if field.enum_type is not None:
        return short_names(field.enum_type).get(value, str(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def spelled_field(field: FieldDescriptor, value: Any) -> str:
    """Return how a file would write a field, a repeated one as a flow sequence."""
    if field.is_repeated:
        return "[" + ", ".join(spelled(field, each) for each in value) + "]"
    return spelled(field, value)


def short_names(enum: EnumDescriptor) -> dict[int, str]:
    """Return the names of an enum's values without their common prefix, by number; the unset value is none."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.number: value.name.removeprefix(prefix) for value in enum.values if value.number}


def nearest(text: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that is meant most likely, or all of them where none is near."""
    words = sorted(known)
    near = get_close_matches(text, words, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(words)}"


def _enum(enum: EnumDescriptor, text: str) -> int:
    names = {name: number for number, name in short_names(enum).items()}
    wanted = text.upper()
    if wanted not in names:
        raise Misspelled(f"{text!r} is none of its values; {nearest(wanted, names)}")
    return names[wanted]


def _duration(text: str) -> Duration:
    if not _DURATION.match(text):
        raise Misspelled(f"{text!r} is no duration; write a number and s, m, h, d or w, for example 30m or 1h30m")
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if seconds > _LONGEST_S:
        raise Misspelled(f"{text!r} is longer than ten years; write a shorter duration")
    return Duration(seconds=seconds)


def _money(text: str) -> Money:
    found = _MONEY.match(text)
    if not found:
        raise Misspelled(f"{text!r} is no amount of money; write amount and currency, for example 150.00 EUR")
    sign = -1 if found[1] else 1
    nanos = int((found[3] or "").ljust(9, "0"))
    return Money(currency=found[4], units=sign * int(found[2]), nanos=sign * nanos)


def _spelled_duration(duration: Duration) -> str:
    left, parts = duration.seconds, []
    for unit, seconds in _SECONDS.items():
        if left >= seconds and unit != "w":
            parts.append(f"{left // seconds}{unit}")
            left %= seconds
    return "".join(parts) or "0s"


def _spelled_money(money: Money) -> str:
    fraction = f"{abs(money.nanos):09d}".rstrip("0").ljust(2, "0")
    sign = "-" if money.units < 0 or money.nanos < 0 else ""
    return f"{sign}{abs(money.units)}.{fraction} {money.currency}"


def at_path(message: Message, path: str) -> tuple[Message, FieldDescriptor]:
    """Return the message that holds the field at a path, and the field. Raises KeyError where there is none."""
    *parents, last = path.split(".")
    for name in parents:
        message = cast(Message, getattr(message, message.DESCRIPTOR.fields_by_name[name].name))
    return message, cast(FieldDescriptor, message.DESCRIPTOR.fields_by_name[last])
