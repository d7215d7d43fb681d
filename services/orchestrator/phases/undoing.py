"""What stands on a fact by the time it is taken back or replaced, and what would help then (pure; domain 3.5, 3.7).

As long as nobody outside was told, a fact is undone and everything that followed from it with it. Afterwards nothing is
changed silently: a person gets the remedy in words.
"""

from __future__ import annotations

from logistics.load.v1 import Stop, StopKind
from logistics.order.v1 import Order, OrderState

_BILLED = frozenset(
    {
        OrderState.ORDER_STATE_BILLABLE,
        OrderState.ORDER_STATE_PARTIALLY_INVOICED,
        OrderState.ORDER_STATE_INVOICED,
        OrderState.ORDER_STATE_CLOSED,
    }
)


def used(order: Order) -> bool:
    """Return whether billing stands on what was delivered: the gate has opened, so the ERP is told of it."""
    return order.state in _BILLED


def remedy(order: Order) -> str:
    """Return what a person should do about a delivery that turns out otherwise after it was used."""
    if order.invoice_ids:
        return (
            f"Write a credit memo for invoice {order.invoice_ids[-1]} and bill anew what was really accepted; have the "
            "ERP's shipment corrected."
        )
    if order.state == OrderState.ORDER_STATE_CLOSED:
        return "The order was closed on it: tell the customer, and have the ERP's shipment corrected."
    return (
        "The billing gate opened on it: hold the billing of the order, void the invoice before it is posted, or write "
        "a credit memo once it is."
    )


def counts(stop: Stop, evidence_ids: frozenset[str]) -> bool:
    """Return whether what became of the goods at a stop is told by one of these words."""
    delivery = stop.kind == StopKind.STOP_KIND_DELIVERY
    told = {stop.completion.evidence_id} if delivery else {stop.completion.evidence_id, stop.departure.evidence_id}
    return not told.isdisjoint(evidence_ids)
