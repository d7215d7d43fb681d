"""A number that measures something says its unit; money and goods are never binary fractions (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from gladhand.contracts.lint.remark import Remark
from gladhand.contracts.model import Contract

_RULE = "QUANTITY_UNIT_REQUIRED"
_FRACTIONS = {FieldDescriptorProto.TYPE_FLOAT, FieldDescriptorProto.TYPE_DOUBLE}
_WRAPPED = {".google.protobuf.FloatValue", ".google.protobuf.DoubleValue"}

UNITS = frozenset(
    (
        *("m", "mm", "km", "m2", "m3", "s", "ms", "min", "h", "mps", "mps2", "kmh", "g", "kg", "t", "l", "ml"),
        *("celsius", "kelvin", "deg", "rad", "pa", "kpa", "bar", "v", "a", "ah", "w", "kw", "wh", "kwh", "j", "hz"),
        *("n", "nm", "lux", "db", "dbm", "ppm", "rpm", "bps"),
    )
)
"""Last words of a name that say a unit: SI, and what the field uses beside it."""

PURE_NUMBERS = frozenset({"percent", "ratio", "factor", "share", "probability", "confidence", "score", "hdop"})
"""Last words of a name that say that the number has no unit."""

DEGREES = frozenset({"latitude", "longitude", "lat", "lon"})
"""Degrees on the globe, by the habit of everyone."""

MONEY = frozenset(
    {"price", "cost", "amount", "fee", "charge", "tax", "money", "total", "subtotal", "discount", "credit"}
)
"""Words that mean money; such a number is no fraction whatever its unit."""


def unit_required(contract: Contract) -> Iterator[Remark]:
    """QUANTITY_UNIT_REQUIRED: a float or double names its unit or that it has none; money never is one."""
    for message in contract.messages.values():
        for field in message.fields.values():
            proto = field.proto
            if proto.type not in _FRACTIONS and proto.type_name not in _WRAPPED:
                continue
            words = proto.name.split("_")
            if MONEY & set(words) and words[-1] not in PURE_NUMBERS:
                sentence = (
                    f"{field.name} is money in a binary fraction, which cannot hold 0.10: use logistics.type.v1.Money, "
                    "or whole units and nanos with a currency"
                )
                yield Remark(_RULE, sentence, field.place)
            elif words[-1] not in UNITS | PURE_NUMBERS | DEGREES:
                sentence = (
                    f"{field.name} does not say its unit: end the name with an SI unit such as {proto.name}_m, _kg or "
                    "_celsius, with _ratio or _percent where it has none, or use logistics.type.v1.Quantity for goods"
                )
                yield Remark(_RULE, sentence, field.place)
