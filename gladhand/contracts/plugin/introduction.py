"""What the plugin says about itself: its procedures, rules and category (pure).

buf asks for these six times for each module that it checks. They are written by hand, because protobuf takes a tenth of
a second to import, which would be most of the time of a check.
"""

from __future__ import annotations

from gladhand.contracts.plugin.catalog import CATEGORY, CATEGORY_PURPOSE, RULES

SERVICE = "/buf.plugin.check.v1.CheckService/"
TYPES = "type.googleapis.com/buf.plugin.check.v1."
PROCEDURES = ("ListRules", "ListCategories", "Check")


def spec() -> bytes:
    """Return the serialized Spec: the paths of the procedures."""
    return b"".join(_part(1, _part(1, f"{SERVICE}{name}".encode())) for name in PROCEDURES)


def rules() -> bytes:
    """Return the serialized ListRulesResponse."""
    return b"".join(
        _part(
            2,
            _part(1, rule.id.encode())
            + _part(2, CATEGORY.encode())
            + _count(3, 1)  # default: runs where a buf.yaml names no rules
            + _part(4, rule.purpose.encode())
            + _count(5, rule.kind),
        )
        for rule in RULES
    )


def categories() -> bytes:
    """Return the serialized ListCategoriesResponse."""
    return _part(2, _part(1, CATEGORY.encode()) + _part(2, CATEGORY_PURPOSE.encode()))


def response(procedure: str, value: bytes) -> bytes:
    """Return a serialized Response that carries the answer of a procedure."""
    return _part(1, _part(1, f"{TYPES}{procedure}Response".encode()) + _part(2, value))


def _part(number: int, content: bytes) -> bytes:
    """A field of protobuf's wire type 2: text, bytes or a message."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _count(number: int, value: int) -> bytes:
    """A field of wire type 0: a number, an enum or a bool."""
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
