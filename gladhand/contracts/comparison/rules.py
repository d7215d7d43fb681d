"""Compares validation rules (buf.validate): a rule may be loosened, never tightened (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from buf.validate import validate_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from gladhand.contracts.comparison import field_rules, unset
from gladhand.contracts.comparison.field_rules import Turn
from gladhand.contracts.comparison.finding import ChangeKind, Finding
from gladhand.contracts.model import Contract, Field, Message, Oneof, rules_of
from gladhand.contracts.place import Place

_FIELD: int = validate_pb2.field.number
_MESSAGE: int = validate_pb2.message.number
_ONEOF: int = validate_pb2.oneof.number


def compare(old: Contract, new: Contract) -> Iterator[Finding]:
    """Yield what the rules of messages that both contracts have accept no longer, or accept now."""
    for name, message in old.messages.items():
        later = new.messages.get(name)
        if later is None:
            continue
        yield from _message(message, later)
        for oneof in later.oneofs.values():
            yield from _oneof(message.oneofs.get(oneof.proto.name), oneof)
        proto3 = new.files[later.place.file].syntax == "proto3"
        for number, field in later.fields.items():
            before = message.fields.get(number)
            if before is not None:
                for turn in field_rules.compare(rules_of(before), rules_of(field)):
                    yield _finding(turn, field.name, field.option(_FIELD, *turn.steps), before.place)
            elif unset.refused(field, implicit=proto3 and not is_present(field)):
                yield _refused(field)


def is_present(field: Field) -> bool:
    """Whether the field of a proto3 file can be told unset from zero."""
    proto = field.proto
    single = proto.label != FieldDescriptorProto.LABEL_REPEATED
    return proto.HasField("oneof_index") or (single and proto.type == FieldDescriptorProto.TYPE_MESSAGE)


def _refused(field: Field) -> Finding:
    sentence = (
        f"{field.name} is new and its rules refuse a message without it, such as everyone sends today: "
        "let it be unset, for example with optional or ignore: IGNORE_IF_ZERO_VALUE"
    )
    return Finding("RULE_NO_TIGHTEN", ChangeKind.TIGHTENED, field.name, sentence, field.option(_FIELD))


def _finding(turn: Turn, name: str, place: Place, was: Place) -> Finding:
    if turn.tightens:
        sentence = (
            f"{name}: {turn.what}, so that what was accepted may be refused: take it back, and check it where the "
            "command is decided"
        )
        return Finding("RULE_NO_TIGHTEN", ChangeKind.TIGHTENED, name, sentence, place, was)
    return Finding("RULE_LOOSENED", ChangeKind.LOOSENED, name, f"{name}: {turn.what}", place, was)


def _message(old: Message, new: Message) -> Iterator[Finding]:
    rules = validate_pb2.MessageRules
    for turn in field_rules.compare_cel(old.rules, new.rules):
        yield _finding(turn, new.name, new.option(_MESSAGE, *turn.steps), old.place)
    before = {tuple(rule.fields): rule.required for rule in old.rules.oneof}
    for index, rule in enumerate(new.rules.oneof):
        fields = tuple(rule.fields)
        if fields not in before or (rule.required and not before[fields]):
            need = "exactly one" if rule.required else "at most one"
            turn = Turn(f"{need} of {', '.join(fields)} is new", (rules.ONEOF_FIELD_NUMBER, index))
            yield _finding(turn, new.name, new.option(_MESSAGE, *turn.steps), old.place)


def _oneof(old: Oneof | None, new: Oneof) -> Iterator[Finding]:
    before = old is not None and old.proto.options.Extensions[validate_pb2.oneof].required
    after = new.proto.options.Extensions[validate_pb2.oneof].required
    if before != after:
        word = "new" if after else "gone"
        turn = Turn(f"required is {word}", (validate_pb2.OneofRules.REQUIRED_FIELD_NUMBER,), tightens=after)
        yield _finding(turn, new.name, new.option(_ONEOF, *turn.steps), old.place if old else new.place)
