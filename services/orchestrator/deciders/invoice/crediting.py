"""What credit memos take back of a posted invoice: recorded beside its lines, which never change."""

from __future__ import annotations

from decimal import Decimal

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.invoice.v1 import Invoice, InvoiceCommand, InvoiceCredited, InvoiceState
from services.orchestrator.deciders.invoice.state import State
from services.orchestrator.deciders.refusal import no_way, refused, violated
from services.orchestrator.quantities import ZERO, decimal_of, total


def credit(_state: State, invoice: Invoice, command: InvoiceCommand) -> Message | None:
    """Record a posted credit memo. Raises QUANTITY_EXCEEDED where all memos together take back more than is claimed."""
    wish = command.credit
    if wish.credit_invoice_id in invoice.credit_invoice_ids:
        return None
    if invoice.state != InvoiceState.INVOICE_STATE_POSTED:
        raise no_way("invoice", InvoiceState, invoice.state, "crediting it", "change it as long as it is not posted")
    if not wish.lines:
        raise violated("lines", "a credit memo takes something back; name the lines")
    claimed = {line.line_no: decimal_of(line.quantity) for line in invoice.lines}
    for line_no in {line.corrects_line_no for line in wish.lines}:
        _check(invoice, wish.credit_invoice_id, line_no, claimed.get(line_no, ZERO), command)
    return InvoiceCredited(credit_invoice_id=wish.credit_invoice_id, lines=wish.lines)


def _check(invoice: Invoice, memo: str, line_no: int, claimed: Decimal, command: InvoiceCommand) -> None:
    parts = [*invoice.credited_lines, *command.credit.lines]
    taken = total(decimal_of(line.quantity) for line in parts if line.corrects_line_no == line_no)
    if taken > claimed:
        raise refused(
            ErrorReason.ERROR_REASON_QUANTITY_EXCEEDED,
            f"line {line_no} of invoice {invoice.invoice_id} claims {claimed:f}, credit memos take back {taken:f}; "
            f"look at memo {memo}",
            invoice_id=invoice.invoice_id,
            invoiced=f"{claimed:f}",
            credited=f"{taken:f}",
        )
