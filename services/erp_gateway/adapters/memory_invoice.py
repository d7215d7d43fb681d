"""Invoices of the ERP in memory (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from gladhand.errors import FailedPrecondition
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.invoice.v1 import invoice_pb2
from logistics.order.v1 import order_pb2
from logistics.type.v1 import money_pb2, quantity_pb2, reference_pb2
from services.erp_gateway.translation import money


@dataclass(slots=True)
class MemoryInvoice:
    """A draft until ``posting_key`` is set."""

    number: str
    currency: str
    quantities: dict[str, Decimal]
    prices: dict[str, Decimal]
    skus: dict[str, str]
    posting_key: str = ""
    posted_at: datetime | None = None
    tax_rate: Decimal = field(default=Decimal("0.0881"))
    charges: list[invoice_pb2.InvoiceLine] = field(default_factory=list)
    """What is billed beside the goods."""

    def check(self, asked: invoice_pb2.Invoice) -> None:
        """Raise FailedPrecondition where the draft does not say what was accepted."""
        accepted = {line.order_line_id: Decimal(line.quantity.value) for line in asked.lines if not line.charge_id}
        for line in sorted(set(accepted) | set(self.quantities)):
            said, kept = self.quantities.get(line, Decimal(0)), accepted.get(line, Decimal(0))
            if said != kept:
                raise FailedPrecondition(
                    f"line {line}: the ERP's invoice says {said}, {kept} accepted",
                    reason="QUANTITY_EXCEEDED" if said > kept else "ERP_REFUSED",
                    metadata={"line_id": line, "accepted": str(kept), "invoiced": str(said)},
                )


def draft_invoice(order: order_pb2.Order, quantities: dict[str, Decimal], number: str) -> MemoryInvoice:
    """The draft for delivered quantities at the order's prices; lines of which nothing was kept are left out."""
    return MemoryInvoice(
        number=number,
        currency=order.currency,
        quantities={line: amount for line, amount in quantities.items() if amount},
        prices={line.line_id: _amount(line.unit_price) for line in order.lines},
        skus={line.line_id: line.sku for line in order.lines},
    )


def invoice_answer(
    invoice: MemoryInvoice,
    name: reference_pb2.ExternalReference,
    *,
    already_posted: bool,
) -> erp.PostInvoiceResponse:
    """What the gateway is told of a posted invoice."""
    lines = []
    net = Decimal(0)
    for number, (line, amount) in enumerate(invoice.quantities.items(), start=1):
        net += amount * invoice.prices[line]
        lines.append(
            invoice_pb2.InvoiceLine(
                line_no=number,
                order_line_id=line,
                charge_code=invoice.skus[line],
                basis=invoice_pb2.CHARGE_BASIS_GOODS,
                quantity=quantity_pb2.Quantity(value=format(amount, "f"), unit_code="C62"),
                unit_price=money(invoice.prices[line], invoice.currency),
                amount=money(amount * invoice.prices[line], invoice.currency),
            )
        )
    for charge in invoice.charges:
        net += _amount(charge.amount)
        lines.append(charge)
        lines[-1].line_no = len(lines)
    tax = (net * invoice.tax_rate).quantize(Decimal("0.01"))
    answer = erp.PostInvoiceResponse(
        erp_invoice=name,
        lines=lines,
        net=money(net, invoice.currency),
        tax=money(tax, invoice.currency),
        total=money(net + tax, invoice.currency),
        already_posted=already_posted,
    )
    if invoice.posted_at is not None:
        answer.post_time.FromDatetime(invoice.posted_at)
    return answer


def _amount(price: money_pb2.Money) -> Decimal:
    return Decimal(price.units) + Decimal(price.nanos) / 1_000_000_000
