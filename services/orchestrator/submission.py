"""What tells one submission of an order from another (pure)."""

from __future__ import annotations

import hashlib

from gladhand import ids
from logistics.order.v1 import Order
from logistics.type.v1 import ReferenceType

_ORDERS = "2b0f7c34-8f0c-5a37-9d25-0c7c5b1f6e02"
"""Namespace of order ids."""


def sales_reference(order: Order) -> str:
    """Return the ERP's own name of a sale, empty where the order carries none."""
    for reference in order.references:
        if reference.type == ReferenceType.REFERENCE_TYPE_SALES_ORDER and reference.system == order.erp_instance:
            return reference.value
    return ""


def order_id_of(erp_instance: str, reference: str) -> str:
    """Return the id of the order that an ERP knows by a reference.

    It is derived, not drawn, so that no index is needed to refuse a second order for the same sale: both would be the
    same aggregate.
    """
    return ids.derive(_ORDERS, erp_instance, reference)


def content_of(order: Order) -> Order:
    """Return what a caller submits, without what the orchestrator sets."""
    content = Order()
    content.CopyFrom(order)
    content.ClearField("order_id")
    content.ClearField("revision")
    content.ClearField("state")
    content.ClearField("version")
    content.ClearField("load_ids")
    content.ClearField("hold_ids")
    content.ClearField("invoice_ids")
    content.ClearField("checks")
    content.ClearField("create_time")
    content.ClearField("update_time")
    content.ClearField("policy_version")
    content.ClearField("cold_chain")
    content.ClearField("charges")
    content.ClearField("turned_back")
    content.ClearField("dispositions")
    content.ClearField("claims")
    content.ClearField("cancel_request_time")
    content.ClearField("turn_back_place")
    content.ClearField("change_revision")
    return content


def content_sha256(order: Order) -> str:
    """Return the digest by which a repeat is told from a change. The message holds no maps, so bytes are stable."""
    return hashlib.sha256(content_of(order).SerializeToString(deterministic=True)).hexdigest()
