"""Small pieces of canonical messages that every adapter makes (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from gladhand.errors import InvalidArgument, NotFound
from logistics.order.v1 import order_pb2
from logistics.type.v1 import money_pb2, reference_pb2

_NANO = Decimal("0.000000001")


def content_digest(order: order_pb2.Order) -> str:
    """SHA-256 of an order's content, in hex; the same for the same content."""
    return hashlib.sha256(order.SerializeToString(deterministic=True)).hexdigest()


def reference_value(
    references: Iterable[reference_pb2.ExternalReference],
    kind: reference_pb2.ReferenceType.ValueType,
    raw_type: str = "",
) -> str:
    """The value of the first reference of a kind; empty where there is none."""
    return next((r.value for r in references if r.type == kind and r.raw_type == raw_type), "")


def sales_order_of(references: Iterable[reference_pb2.ExternalReference], instance: str) -> str:
    """The ERP's order number among an order's references. Raises InvalidArgument where this ERP is not named."""
    for reference in references:
        if reference.type == reference_pb2.REFERENCE_TYPE_SALES_ORDER and reference.system == instance:
            return reference.value
    raise InvalidArgument(
        f"no SALES_ORDER reference of {instance}",
        field="order_references",
        remedy="send the reference that the order was submitted with",
    )


def missing_document(reference: str) -> NotFound:
    """The error for a document that the ERP does not have."""
    return NotFound(
        "erp_document",
        reference,
        message=f"the ERP has no document {reference!r}",
        reason="ERP_DOCUMENT_NOT_FOUND",
        metadata={"reference": reference},
    )


def plain(value: Decimal) -> str:
    """A decimal without exponent and trailing zeros, at most nine digits behind the point."""
    text = format(value.quantize(_NANO, rounding=ROUND_HALF_EVEN), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(amount: Decimal, currency: str) -> money_pb2.Money:
    """An amount as whole units and billionths."""
    exact = amount.quantize(_NANO, rounding=ROUND_HALF_EVEN)
    units = int(exact)
    return money_pb2.Money(currency=currency, units=units, nanos=int((exact - units) / _NANO))
