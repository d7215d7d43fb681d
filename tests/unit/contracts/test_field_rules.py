"""A rule that lets less through is told as tighter, one that lets more through as looser."""

from __future__ import annotations

import pytest
from buf.validate.validate_pb2 import FieldRules
from google.protobuf import text_format

from gladhand.contracts.comparison.field_rules import compare

HEADER = "well_known_regex: KNOWN_REGEX_HTTP_HEADER_NAME"


def turns(old: str, new: str) -> list[tuple[str, bool]]:
    before, after = text_format.Parse(old, FieldRules()), text_format.Parse(new, FieldRules())
    return [(turn.what, turn.tightens) for turn in compare(before, after)]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("", "required: true", "required is new"),
        ("", "string { max_len: 5 }", "max_len 5 is new"),
        ("string { max_len: 9 }", "string { len: 5 }", "max_len 9 is gone, len 5 is new"),
        ("", "string { email: true }", "email true is new"),
        ("string { ip: true }", "string { ip: true prefix: '10.' }", "prefix 10. is new"),
        ("string { pattern: 'a' }", "string { pattern: 'b' }", "pattern was a and is b"),
        ("", "bool { const: false }", "const False is new"),
        ("", "enum { defined_only: true }", "defined_only true is new"),
        ("enum { in: [1, 2] }", "enum { in: [2, 3] }", "in is [2, 3] and was [1, 2]"),
        ("", "int32 { not_in: [0] }", "not_in is [0] and was empty"),
        ("", "repeated { unique: true }", "unique true is new"),
        ("repeated { items { int32 { lt: 5 }}}", "repeated { items { int32 { lt: 4 }}}", "lt was 5 and is 4 for items"),
        ("", "map { keys { string { min_len: 1 } } }", "min_len 1 is new for keys"),
        ("", "timestamp { lt_now: true }", "lt_now true is new"),
        ("timestamp { within { seconds: 9 } }", "timestamp { within { seconds: 8 } }", "within was 9s and is 8s"),
        (f"string {{ {HEADER} strict: false }}", f"string {{ {HEADER} }}", "strict is on"),
        ("ignore: IGNORE_ALWAYS string { min_len: 1 }", "string { min_len: 1 }", "min_len 1 is new"),
        ("ignore: IGNORE_IF_ZERO_VALUE string { min_len: 1 }", "string { min_len: 1 }", "IGNORE_IF_ZERO_VALUE is gone"),
        ("string { max_len: 5 }", "bytes { max_len: 5 }", "max_len 5 is new"),
        ("cel_expression: 'this > 0'", "cel_expression: 'this > 1'", "the CEL rule this > 1 is new"),
        ("", "float { finite: true }", "finite true is new"),
        ("", "any { in: ['type.googleapis.com/a.B'] }", "in is [type.googleapis.com/a.B] and was empty"),
    ],
)  # fmt: skip
def test_a_tighter_rule_is_told(old: str, new: str, what: str) -> None:
    assert (what, True) in turns(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("required: true", ""),
        ("string { max_len: 5 }", "string { max_len: 6 }"),
        ("string { len: 5 }", "string { min_len: 1 max_len: 9 }"),
        ("string { pattern: 'a' }", "string {}"),
        ("string { uuid: true }", ""),
        ("string { uuid: true }", "string { uuid: false }"),
        ("enum { in: [1, 2] }", "enum { in: [1, 2, 3] }"),
        ("int32 { not_in: [1, 2] }", "int32 { not_in: [1] }"),
        ("string { min_len: 1 }", "ignore: IGNORE_ALWAYS required: true string { min_len: 9 }"),
        ("cel { id: 'a' message: 'old' expression: 'true' }", ""),
        ("repeated { items { required: true } }", "repeated {}"),
    ],
)
def test_a_looser_rule_is_told_as_such(old: str, new: str) -> None:
    found = turns(old, new)
    assert found
    assert not any(tighter for _, tighter in found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("int32 { lt: 10 }", "int32 { lte: 9 }"),
        ("cel { id: 'a' message: 'old' expression: 'true' }", "cel { id: 'a' message: 'new' expression: 'true' }"),
        ("string { example: 'a' }", "string { example: 'b' }"),
        ("string { email: false }", ""),
        ("", "string { strict: true }"),
    ],
)
def test_what_lets_the_same_through_is_not_told(old: str, new: str) -> None:
    assert [told for told in turns(old, new) if told[1]] == []


def test_a_predefined_rule_of_somebody_else_counts_as_tighter() -> None:
    old = FieldRules.FromString(bytes([0x72, 0x03, 0xC0, 0x3E, 0x01]))  # string { 1000: 1 }, unknown here
    new = FieldRules.FromString(bytes([0x72, 0x03, 0xC0, 0x3E, 0x02]))
    assert [turn.tightens for turn in compare(old, new)] == [True]
