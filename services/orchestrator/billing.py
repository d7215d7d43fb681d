"""What goes onto an invoice and into the ERP's delivery, from the order's own quantities (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import cast

from google.protobuf.message import Message

from gladhand import ids
from logistics.erp.v1 import DeliveredLine
from logistics.invoice.v1 import (
    ChargeBasis,
    GateCheck,
    GateCheckKind,
    GateResult,
    Invoice,
    InvoiceDirection,
    InvoiceKind,
    InvoiceLine,
)
from logistics.load.v1 import Load, StopKind
from logistics.order.v1 import LineMovement, Order
from logistics.type.v1 import Money, Quantity
from services.orchestrator.deciders.invoice.amounts import NANOS
from services.orchestrator.quantities import decimal_of, is_zero


def invoice_id_of(order_id: str) -> str:
    """Return the id of the one invoice for an order's goods: order, charge basis and kind decide it."""
    return ids.derive(order_id, "invoice", "GOODS")


def posting_latch(order: Order) -> str:
    """Return the subject on which the server itself refuses a second posting of the order's goods."""
    return f"logistics.effect.invoice.{order.region}.{order.order_id}.goods"


def blank_invoice(order: Order) -> Invoice:
    """Return the invoice of an order as far as it is known when billing begins."""
    invoice = Invoice(
        invoice_id=invoice_id_of(order.order_id),
        direction=InvoiceDirection.INVOICE_DIRECTION_RECEIVABLE,
        kind=InvoiceKind.INVOICE_KIND_INVOICE,
        order_id=order.order_id,
        load_ids=order.load_ids,
        currency=order.currency,
        erp_instance=order.erp_instance,
        region=order.region,
    )
    invoice.bill_to.CopyFrom(order.bill_to if order.HasField("bill_to") else order.customer)
    return invoice


def drafted_invoice(order: Order, pod_ids: Sequence[str], loads: Iterable[Load]) -> Invoice:
    """Return the invoice with one line for each order line of which something was accepted."""
    stops = {
        task.line_id: stop.stop_id
        for load in loads
        for stop in load.stops
        if stop.kind == StopKind.STOP_KIND_DELIVERY
        for task in stop.tasks
        if task.order_id == order.order_id
    }
    invoice = blank_invoice(order)
    invoice.pod_ids.extend(pod_ids)
    for line in order.lines:
        if is_zero(line.quantities.accepted):
            continue
        charged = InvoiceLine(
            line_no=len(invoice.lines) + 1,
            order_line_id=line.line_id,
            charge_code=line.sku,
            description=line.description,
            basis=ChargeBasis.CHARGE_BASIS_GOODS,
            quantity=line.quantities.accepted,
            stop_id=stops.get(line.line_id, ""),
            evidence_ids=pod_ids,
        )
        if line.HasField("unit_price"):
            charged.unit_price.CopyFrom(line.unit_price)
        invoice.lines.append(charged)
    return invoice


def rate_variance(invoice: Invoice, order: Order, permille: int) -> GateCheck:
    """Return whether what an invoice draws up is within a tolerance, in permille, of the order's own prices.

    Charges beside the goods count as the order carries them. A line without a price on either side says nothing; where
    none has one, or the tolerance is zero, the check does not apply.
    """
    kind = GateCheckKind.GATE_CHECK_KIND_RATE_VARIANCE
    prices = {line.line_id: _decimal(line.unit_price) for line in order.lines if line.HasField("unit_price")}
    charged = {charge.charge_id: _decimal(charge.amount) for charge in order.charges}
    expected = drawn = Decimal(0)
    for line in invoice.lines:
        own = charged.get(line.charge_id) if line.charge_id else _times(prices.get(line.order_line_id), line.quantity)
        amount = _amount(line)
        if own is not None and amount is not None:
            expected, drawn = expected + own, drawn + amount
    if not permille or not expected:
        return GateCheck(kind=kind, result=GateResult.GATE_RESULT_NOT_APPLICABLE)
    if abs(drawn - expected) * 1000 <= abs(expected) * permille:
        return GateCheck(kind=kind, result=GateResult.GATE_RESULT_PASS)
    told = f"{drawn:f} {invoice.currency} is drawn up and {expected:f} follows from the order's prices"
    return GateCheck(
        kind=kind,
        result=GateResult.GATE_RESULT_FAIL,
        message=f"{told}, more than {permille} permille apart: approve or revise it",
    )


def revised(invoice: Invoice, prices: Mapping[int, Money]) -> Invoice:
    """Return a draft with other prices, by line number. Raises KeyError with a number that no line has."""
    draft = Invoice()
    draft.CopyFrom(invoice)
    lines = {line.line_no: line for line in draft.lines}
    for line_no, price in prices.items():
        lines[line_no].unit_price.CopyFrom(price)
        lines[line_no].ClearField("amount")
    for name in ("net", "tax", "total"):
        cast(Message, draft).ClearField(name)
    return draft


def _amount(line: InvoiceLine) -> Decimal | None:
    if line.HasField("amount"):
        return _decimal(line.amount)
    return _times(_decimal(line.unit_price), line.quantity) if line.HasField("unit_price") else None


def _times(price: Decimal | None, quantity: Quantity) -> Decimal | None:
    return None if price is None else price * decimal_of(quantity)


def _decimal(money: Money) -> Decimal:
    return Decimal(money.units) + Decimal(money.nanos) / NANOS


def delivered_lines(order: Order) -> list[DeliveredLine]:
    """Return what became of every line of an order, for the ERP's goods shipments."""
    lines = []
    for line in order.lines:
        quantities = line.quantities
        nothing = Quantity(value="0", unit_code=quantities.ordered.unit_code)
        delivered = DeliveredLine(
            line_id=line.line_id, accepted=quantities.accepted if quantities.HasField("accepted") else nothing
        )
        if not is_zero(quantities.rejected):
            delivered.rejected.CopyFrom(quantities.rejected)
        lines.append(delivered)
    return lines


def invoiced_lines(invoice: Invoice) -> list[LineMovement]:
    """Return what an invoice charges, by order line."""
    return [
        LineMovement(line_id=line.order_line_id, quantity=line.quantity) for line in invoice.lines if line.order_line_id
    ]
