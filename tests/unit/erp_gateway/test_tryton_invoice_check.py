from __future__ import annotations

from decimal import Decimal

from logistics.invoice.v1 import invoice_pb2
from services.erp_gateway.adapters.tryton_invoice_check import (
    Difference,
    InvoiceLineRow,
    accepted_by_sale_line,
    differences,
    posted_lines,
)


def row(sale_line: int | None, quantity: str, price: str = "9.99", amount: str = "") -> InvoiceLineRow:
    total = Decimal(amount) if amount else Decimal(quantity) * Decimal(price)
    return InvoiceLineRow(1, sale_line, "WATER24", "Water", Decimal(quantity), "u", Decimal(price), total)


def asked(**by_line: str) -> list[invoice_pb2.InvoiceLine]:
    lines = []
    for name, quantity in by_line.items():
        line = invoice_pb2.InvoiceLine(order_line_id=name.removeprefix("l").replace("_", "-"))
        line.quantity.value = quantity
        lines.append(line)
    return lines


def test_parts_of_a_line_count_together() -> None:
    assert accepted_by_sale_line(asked(l11_7="6", l11_8="1", l12="4")) == {"11": 7, "12": 4}


def test_differences_are_found_on_either_side() -> None:
    accepted = {"11": Decimal(7), "12": Decimal(4)}
    assert differences([row(11, "7"), row(12, "4")], accepted) == []
    assert differences([row(11, "8"), row(12, "4")], accepted) == [Difference("11", Decimal(7), Decimal(8))]
    assert differences([row(11, "7")], accepted) == [Difference("12", Decimal(4), Decimal(0))]
    assert differences([row(11, "7"), row(12, "4"), row(13, "1")], accepted) == [
        Difference("13", Decimal(0), Decimal(1))
    ]


def test_a_charge_without_sale_line_is_no_difference() -> None:
    assert differences([row(11, "7"), row(None, "1")], {"11": Decimal(7)}) == []


def test_a_divided_line_adds_up_to_the_cent() -> None:
    (first, last) = posted_lines([row(11, "3", "0.335", "1.01")], asked(l11_7="1", l11_8="2"), "USD")
    assert (first.order_line_id, last.order_line_id) == ("11-7", "11-8")
    assert first.amount.nanos + last.amount.nanos + 1_000_000_000 * (first.amount.units + last.amount.units) == (
        1_010_000_000
    )
    assert (first.line_no, last.line_no) == (1, 2)
