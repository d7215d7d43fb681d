"""Whether a draft invoice of the ERP says exactly what was accepted, and what it says in our terms (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from logistics.invoice.v1 import invoice_pb2
from services.erp_gateway.adapters.tryton_units import quantity
from services.erp_gateway.translation import money


@dataclass(frozen=True, slots=True)
class InvoiceLineRow:
    """A line of an ERP invoice; ``sale_line`` None for a charge that stands behind no sale line."""

    id: int
    sale_line: int | None
    code: str
    description: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount: Decimal
    charge_id: str = ""
    """Our charge that the line bills; empty for what the ERP put there itself."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A line on which the ERP's invoice and the accepted quantity disagree."""

    line_id: str
    accepted: Decimal
    invoiced: Decimal


def accepted_by_sale_line(lines: Sequence[invoice_pb2.InvoiceLine]) -> dict[str, Decimal]:
    """The accepted quantity by sale line: the parts of a line at several addresses count together."""
    accepted: dict[str, Decimal] = {}
    for line in lines:
        if not line.charge_id and line.basis in (invoice_pb2.CHARGE_BASIS_UNSPECIFIED, invoice_pb2.CHARGE_BASIS_GOODS):
            sale_line = line.order_line_id.partition("-")[0]
            accepted[sale_line] = accepted.get(sale_line, Decimal(0)) + Decimal(line.quantity.value)
    return accepted


def differences(rows: Sequence[InvoiceLineRow], accepted: Mapping[str, Decimal]) -> list[Difference]:
    """Sale lines on which the invoice does not say what was accepted, in the order of their ids."""
    invoiced: dict[str, Decimal] = {}
    for row in rows:
        if row.sale_line is not None:
            invoiced[str(row.sale_line)] = invoiced.get(str(row.sale_line), Decimal(0)) + row.quantity
    zero = Decimal(0)
    return [
        Difference(line, accepted.get(line, zero), invoiced.get(line, zero))
        for line in sorted(set(accepted) | set(invoiced))
        if accepted.get(line, zero) != invoiced.get(line, zero)
    ]


def posted_lines(
    rows: Sequence[InvoiceLineRow], asked: Sequence[invoice_pb2.InvoiceLine], currency: str
) -> list[invoice_pb2.InvoiceLine]:
    """The invoice's lines as posted, each under the order line that asked for it.

    Where one ERP line stands for parts at several addresses, its amount is divided by quantity and the last part takes
    what rounding left, so that the lines still add up to the ERP's net.
    """
    answer: list[invoice_pb2.InvoiceLine] = []
    for row in rows:
        parts = [
            line
            for line in asked
            if row.sale_line is not None
            and line.order_line_id.partition("-")[0] == str(row.sale_line)
            and Decimal(line.quantity.value) != 0
        ]
        charge = next((line for line in asked if line.charge_id and line.charge_id == row.charge_id), None)
        if charge is not None:
            billed = invoice_pb2.InvoiceLine()
            billed.CopyFrom(charge)
            billed.line_no = len(answer) + 1
            billed.amount.CopyFrom(money(row.amount, currency))
            answer.append(billed)
            continue
        if not parts:
            answer.append(_line(len(answer) + 1, row, row.quantity, row.amount, currency))
            continue
        left = row.amount
        for number, part in enumerate(parts, start=1):
            share = Decimal(part.quantity.value)
            amount = left if number == len(parts) else (share * row.unit_price).quantize(Decimal("0.01"))
            left -= amount
            line = _line(len(answer) + 1, row, share, amount, currency)
            line.order_line_id = part.order_line_id
            line.stop_id = part.stop_id
            line.evidence_ids.extend(part.evidence_ids)
            answer.append(line)
    return answer


def _line(number: int, row: InvoiceLineRow, share: Decimal, amount: Decimal, currency: str) -> invoice_pb2.InvoiceLine:
    return invoice_pb2.InvoiceLine(
        line_no=number,
        charge_code=row.code[:100],
        description=row.description[:500],
        basis=invoice_pb2.CHARGE_BASIS_GOODS if row.sale_line is not None else invoice_pb2.CHARGE_BASIS_FLAT,
        quantity=quantity(share, row.unit),
        unit_price=money(row.unit_price, currency),
        amount=money(amount, currency),
    )
