"""Whether the rules of a field refuse a message that does not carry it: what older senders send (pure)."""

from __future__ import annotations

import re
from typing import Any

from buf.validate import validate_pb2
from buf.validate.validate_pb2 import FieldRules
from google.protobuf.descriptor import FieldDescriptor

from gladhand.contracts.comparison.field_rules import BOUNDS
from gladhand.contracts.comparison.spans import Span, cover, spans
from gladhand.contracts.model import Field, rules_of

_MAY_BE_EMPTY = {"uri_ref", "well_known_regex"}
"""Formats that the empty string fulfils, or may fulfil."""

_ZERO: dict[int, Any] = {FieldDescriptor.CPPTYPE_STRING: "", FieldDescriptor.CPPTYPE_BOOL: False}


def refused(field: Field, *, implicit: bool) -> bool:
    """Return whether a message without the field breaks its rules.

    `implicit` says that unset and zero are the same for the field, so that its rules are held against zero.
    """
    rules = rules_of(field)
    if rules.ignore == validate_pb2.IGNORE_ALWAYS:
        return False
    if rules.required:
        return True
    if not implicit or rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
        return False
    if rules.cel or rules.cel_expression:
        return True
    return _refuses_zero(rules)


def _refuses_zero(rules: FieldRules) -> bool:
    kind = rules.WhichOneof("type")
    if not kind:
        return False
    typed: Any = getattr(rules, kind)
    if not all(cover(spans(typed, bounds), (Span(0, 0),)) for bounds in BOUNDS if bounds.at_most != "within"):
        return True
    known = typed.DESCRIPTOR.fields_by_name
    if "const" in known and typed.HasField("const") and typed.const:
        return True
    if "in" in known and kind not in {"any", "field_mask"}:
        zero: Any = b"" if kind == "bytes" else _ZERO.get(known["in"].cpp_type, 0)
        if (getattr(typed, "in") and zero not in getattr(typed, "in")) or zero in typed.not_in:
            return True
    return kind in {"string", "bytes"} and _refuses_empty(typed)


def _refuses_empty(typed: Any) -> bool:
    if typed.prefix or typed.suffix or typed.contains:
        return True
    form = typed.WhichOneof("well_known")
    if form and form not in _MAY_BE_EMPTY and getattr(typed, form):
        return True
    if not typed.HasField("pattern"):
        return False
    try:
        return re.search(typed.pattern, "") is None
    except re.error:  # RE2 knows forms that Python does not; then it is safer to ask
        return True
