"""Compares the rules of one field, those of its items, keys and values included (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from buf.validate import validate_pb2
from buf.validate.validate_pb2 import FieldRules
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from gladhand.contracts.comparison.spans import Bounds, cover, spans

BOUNDS = (
    Bounds(over="gt", at_least="gte", under="lt", at_most="lte"),
    Bounds(exactly="len", at_least="min_len", at_most="max_len"),
    Bounds(exactly="len_bytes", at_least="min_bytes", at_most="max_bytes"),
    Bounds(at_least="min_items", at_most="max_items"),
    Bounds(at_least="min_pairs", at_most="max_pairs"),
    Bounds(at_most="within"),
)
_BOUND = {name for bounds in BOUNDS for name in bounds.names()}
_NESTED = ("items", "keys", "values")
_APART = {*_BOUND, *_NESTED, "in", "not_in", "strict", "example"}


class Turn(NamedTuple):
    """One rule that was turned tighter or looser; `steps` lead to it from the option that holds the rules."""

    what: str
    steps: tuple[int, ...] = ()
    tightens: bool = True


def compare(old: FieldRules, new: FieldRules) -> Iterator[Turn]:
    """Yield what turned between the rules of a field."""
    before, after = _in_force(old), _in_force(new)
    if after.required != before.required:
        word = "new" if after.required else "gone"
        yield Turn(f"required is {word}", (FieldRules.REQUIRED_FIELD_NUMBER,), tightens=after.required)
    relaxed = validate_pb2.IGNORE_IF_ZERO_VALUE
    if before.ignore == relaxed and after.ignore != relaxed and after.WhichOneof("type"):
        yield Turn("IGNORE_IF_ZERO_VALUE is gone", (FieldRules.IGNORE_FIELD_NUMBER,))
    yield from compare_cel(before, after)
    yield from _typed(before, after)


def compare_cel(old: Any, new: Any) -> Iterator[Turn]:
    """Yield what turned between the expressions of two FieldRules or MessageRules.

    Whether an expression that reads otherwise lets more or less through cannot be told, so that it counts as tighter.
    """
    before = {rule.id or rule.expression: rule.expression for rule in old.cel}
    names = {rule.id or rule.expression for rule in new.cel}
    for index, rule in enumerate(new.cel):
        name, steps = rule.id or rule.expression, (type(new).CEL_FIELD_NUMBER, index)
        if name not in before:
            yield Turn(f"the CEL rule {name} is new", steps)
        elif before[name] != rule.expression:
            yield Turn(f"the CEL rule {name} reads otherwise", steps)
    yield from (Turn(f"the CEL rule {name} is gone", tightens=False) for name in before if name not in names)
    plain = list(new.cel_expression)
    for index, expression in enumerate(plain):
        if expression not in old.cel_expression:
            yield Turn(f"the CEL rule {expression} is new", (type(new).CEL_EXPRESSION_FIELD_NUMBER, index))
    for expression in old.cel_expression:
        if expression not in plain:
            yield Turn(f"the CEL rule {expression} is gone", tightens=False)


def _in_force(rules: FieldRules) -> FieldRules:
    return FieldRules() if rules.ignore == validate_pb2.IGNORE_ALWAYS else rules


def _typed(old: FieldRules, new: FieldRules) -> Iterator[Turn]:
    """Compare the rules for the type of the value; of another type none counts as known before."""
    was, now = old.WhichOneof("type"), new.WhichOneof("type")
    if now:
        after: Message = getattr(new, now)
        before: Message = getattr(old, now) if was == now else type(after)()
        number = FieldRules.DESCRIPTOR.fields_by_name[now].number
    elif was:
        before = getattr(old, was)
        after, number = type(before)(), 0
    else:
        return
    for turn in _values(before, after):
        yield turn._replace(steps=(number, *turn.steps) if number else ())


def _values(before: Any, after: Any) -> Iterator[Turn]:
    yield from _bounds(before, after)
    yield from _lists(before, after)
    for field in after.DESCRIPTOR.fields:
        if field.name in _NESTED:
            for turn in compare(getattr(before, field.name), getattr(after, field.name)):
                what = f"{turn.what} for {field.name}"
                yield turn._replace(what=what, steps=(field.number, *turn.steps))
        elif field.name not in _APART:
            yield from _steady(field, before, after)
    if "strict" in after.DESCRIPTOR.fields_by_name:
        yield from _strict(before, after)
    if _unread(before) != _unread(after):
        yield Turn("a predefined rule that this check cannot read changed")


def _bounds(before: Any, after: Any) -> Iterator[Turn]:
    for bounds in BOUNDS:
        then, now = spans(before, bounds), spans(after, bounds)
        if then == now:
            continue
        known = after.DESCRIPTOR.fields_by_name
        names = [name for name in bounds.names() if name in known and _shown(before, name) != _shown(after, name)]
        what = ", ".join(_told(name, before, after) for name in names)
        set_now = [known[name].number for name in names if after.HasField(name)]
        yield Turn(what, tuple(set_now[:1]), tightens=not cover(now, then))


def _lists(before: Any, after: Any) -> Iterator[Turn]:
    known = after.DESCRIPTOR.fields_by_name
    if "in" not in known:
        return
    then, now = list(getattr(before, "in")), list(getattr(after, "in"))
    if then != now:
        lost = [value for value in then if value not in now]
        tighter = bool(now) and (not then or bool(lost))
        what = f"in is {_brief(now)} and was {_brief(then)}"
        yield Turn(what, (known["in"].number, 0) if now else (), tightens=tighter)
    then, now = list(before.not_in), list(after.not_in)
    if then != now:
        shut = [value for value in now if value not in then]
        what = f"not_in is {_brief(now)} and was {_brief(then)}"
        yield Turn(what, (known["not_in"].number, 0) if now else (), tightens=bool(shut))


def _steady(field: FieldDescriptor, before: Any, after: Any) -> Iterator[Turn]:
    """Rules that can only stay as they are or go: const, pattern, prefix, formats, unique and the like."""
    then, now = _shown(before, field.name), _shown(after, field.name)
    if then != now:
        yield Turn(_told(field.name, before, after), (field.number,) if now else (), tightens=bool(now))


def _strict(before: Any, after: Any) -> Iterator[Turn]:
    """Where unset, strict is true."""
    then, now = (not rules.HasField("strict") or rules.strict for rules in (before, after))
    if then != now:
        word = "on" if now else "off"
        steps = (after.DESCRIPTOR.fields_by_name["strict"].number,)
        yield Turn(f"strict is {word}", steps, tightens=now)


def _unread(rules: Message) -> list[tuple[int, Any]]:
    unknown = UnknownFieldSet(rules)
    fields = (unknown[index] for index in range(len(unknown)))
    return sorted((field.field_number, str(field.data)) for field in fields)


def _shown(rules: Any, name: str) -> str:
    """The value of a rule as people write it; empty where it is not set, or set to false, which is the same."""
    if not rules.HasField(name):
        return ""
    value = getattr(rules, name)
    if isinstance(value, bool) and name != "const":
        return "true" if value else ""
    if isinstance(value, Message):
        to_text = getattr(value, "ToJsonString", None)
        return str(to_text()) if to_text else str(value)
    return str(value)


def _told(name: str, before: Any, after: Any) -> str:
    then, now = _shown(before, name), _shown(after, name)
    if not then:
        return f"{name} {now} is new"
    return f"{name} was {then} and is {now}" if now else f"{name} {then} is gone"


def _brief(values: list[Any]) -> str:
    return f"[{', '.join(str(value) for value in values)}]" if values else "empty"
