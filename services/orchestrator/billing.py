"""What goes onto an invoice and into the ERP's delivery, from the order's own quantities (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import cast

from google.protobuf.message import Message

from gladhand import ids
from logistics.erp.v1 import DeliveredLine
from logistics.invoice.v1 import (
    Charge,
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
from logistics.order.v1 import LineMovement, Order, OrderClaim, OrderType
from logistics.type.v1 import Money, Quantity
from services.orchestrator.deciders.invoice.amounts import NANOS
from services.orchestrator.quantities import ZERO, decimal_of, difference, is_zero, quantity_of, total
from services.orchestrator.riding import first_way


def invoice_id_of(order_id: str) -> str:
    """Return the id of the one invoice for an order's goods: order, charge basis and kind decide it."""
    return ids.derive(order_id, "invoice", "GOODS")


def posting_latch(order: Order) -> str:
    """Return the subject on which the server itself refuses a second posting of the order's goods."""
    return f"logistics.effect.invoice.{order.region}.{order.order_id}.goods"


def blank_invoice(order: Order) -> Invoice:
    """Return the invoice of an order as far as it is known when billing begins; of a RETURN order, the credit memo."""
    comes_back = order.order_type == OrderType.ORDER_TYPE_RETURN
    invoice = Invoice(
        invoice_id=invoice_id_of(order.order_id),
        direction=InvoiceDirection.INVOICE_DIRECTION_RECEIVABLE,
        kind=InvoiceKind.INVOICE_KIND_CREDIT_MEMO if comes_back else InvoiceKind.INVOICE_KIND_INVOICE,
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
        for stop in first_way(load)
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
    for charge in order.charges:
        invoice.lines.append(_charge_line(len(invoice.lines) + 1, charge))
    return invoice


def _charge_line(number: int, charge: Charge) -> InvoiceLine:
    """Return the line that bills a charge, with the events that prove it."""
    return InvoiceLine(
        line_no=number,
        charge_code=charge.charge_code,
        description=charge.description,
        basis=charge.basis,
        quantity=charge.quantity,
        unit_price=charge.rate,
        amount=charge.amount,
        stop_id=charge.stop_id,
        evidence_ids=charge.evidence_ids,
        charge_id=charge.charge_id,
    )


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


def without(order: Order, claim: OrderClaim) -> Order:
    """Return an order as it is once a claim is taken in: what is asked back is no longer accepted."""
    left = Order()
    left.CopyFrom(order)
    gone = {line.line_id: decimal_of(line.quantity) for line in claim.lines}
    for line in left.lines:
        if line.line_id in gone:
            kept = difference(decimal_of(line.quantities.accepted), gone[line.line_id])
            line.quantities.accepted.CopyFrom(quantity_of(kept, line.quantities.ordered.unit_code))
    return left


def posting_key(document_id: str) -> str:
    """Return the key that the ERP's document carries: the same for every attempt, short enough for any ERP."""
    return f"GH-{document_id.replace('-', '')[:24].upper()}"


def credit_id_of(claim_id: str) -> str:
    """Return the id of the one credit memo of a claim."""
    return ids.derive(claim_id, "invoice", "CREDIT_MEMO")


def credit_latch(order: Order, claim_id: str) -> str:
    """Return the subject on which the server itself refuses a second credit memo of a claim."""
    return f"logistics.effect.invoice.{order.region}.{order.order_id}.credit-{claim_id}"


def blank_credit(order: Order, claim: OrderClaim, corrected: Invoice) -> Invoice:
    """Return the credit memo of a claim as far as it is known when it is begun."""
    memo = blank_invoice(order)
    memo.invoice_id = credit_id_of(claim.claim_id)
    memo.kind = InvoiceKind.INVOICE_KIND_CREDIT_MEMO
    memo.corrects_invoice_id = corrected.invoice_id
    memo.claim_id = claim.claim_id
    # Loads that come to fetch the goods change the order's list, and a memo is begun with the same content always.
    del memo.load_ids[:]
    if claim.pod_id:
        memo.pod_ids.append(claim.pod_id)
    return memo


def drafted_credit(order: Order, claim: OrderClaim, corrected: Invoice) -> Invoice:
    """Return the credit memo with the lines of the corrected invoice that it takes back, at their prices."""
    memo = blank_credit(order, claim, corrected)
    asked = {line.line_id: decimal_of(line.quantity) for line in claim.lines}
    for line in corrected.lines:
        number = min(asked.get(line.order_line_id, ZERO), _left_of(line, corrected))
        if number <= ZERO:
            continue
        asked[line.order_line_id] = difference(asked[line.order_line_id], number)
        credited = InvoiceLine(
            line_no=len(memo.lines) + 1,
            order_line_id=line.order_line_id,
            charge_code=line.charge_code,
            description=line.description,
            basis=line.basis,
            quantity=quantity_of(number, line.quantity.unit_code),
            stop_id=line.stop_id,
            evidence_ids=[claim.pod_id] if claim.pod_id else [],
            corrects_line_no=line.line_no,
        )
        if line.HasField("unit_price"):
            credited.unit_price.CopyFrom(line.unit_price)
        memo.lines.append(credited)
    return memo


def _left_of(line: InvoiceLine, corrected: Invoice) -> Decimal:
    """Return how much of a line earlier credit memos have left."""
    taken = total(decimal_of(c.quantity) for c in corrected.credited_lines if c.corrects_line_no == line.line_no)
    return difference(decimal_of(line.quantity), taken)
