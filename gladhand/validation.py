"""The contract's rules (protovalidate), checked on messages; what breaks them is named by field path and rule id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import protovalidate
from google.protobuf.message import Message

from gladhand.errors import ContractError, InvalidArgument, Violation

if TYPE_CHECKING:
    from protovalidate._gen.buf.validate.validate_pb import FieldPath

__all__ = ["check", "compile_rules", "violations"]

_SHOWN = 32
"""Violations that one refusal names at most; a batch of a thousand bad rows need not send a thousand back."""

_validator = protovalidate.Validator()


def violations(message: Message) -> tuple[Violation, ...]:
    """Return every rule that the message breaks, empty where it keeps them all. The message's values are not shown."""
    return tuple(
        Violation(path(found.proto.field), found.proto.message or "is wrong", found.proto.rule_id or "")
        for found in _validator.collect_violations(message)
    )


def check(message: Message) -> None:
    """Raise InvalidArgument naming each rule that the message breaks, 32 at most."""
    if _validator.collect_violations(message):
        raise refusal(violations(message))


def refusal(found: tuple[Violation, ...]) -> InvalidArgument:
    """Return the error that names the violations; there is at least one."""
    first, more = found[0], len(found) - 1
    text = f"{first.field}: {first.description}" if first.field else first.description
    return InvalidArgument(
        f"{text} (and {more} more)" if more else text,
        violations=found[:_SHOWN],
        metadata={"field": first.field, "rule": first.rule, "violations": str(len(found))},
    )


def compile_rules(types: Iterable[type[Message]]) -> None:
    """Compile the rules of message types ahead of their first use.

    Raises ContractError where a rule itself is broken, so that it stops a start and not a call.
    """
    for kind in types:
        try:
            _validator.collect_violations(kind())
        except protovalidate.CompilationError as error:
            raise ContractError(f"a rule of {kind.DESCRIPTOR.full_name} does not compile: {error}") from error


def path(field: FieldPath | None) -> str:
    """Return a field path as people write it: `order.lines[0].ordered.value`, `labels["eu"]`."""
    if field is None:
        return ""
    text = ""
    for element in field.elements:
        text += f".{element.field_name}" if text else element.field_name
        if element.subscript is not None:
            key = element.subscript.value
            text += f'["{key}"]' if isinstance(key, str) else f"[{str(key).lower() if isinstance(key, bool) else key}]"
    return text
