"""What an ERP in memory does after a sale went otherwise: cancelled, returned, credited; and what it pays carriers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from gladhand.errors import FailedPrecondition
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.invoice.v1 import invoice_pb2, payable_pb2
from logistics.type.v1 import money_pb2, reference_pb2
from services.erp_gateway.adapters.memory_invoice import MemoryInvoice
from services.erp_gateway.translation import missing_document, money


@dataclass(slots=True)
class Memo:
    """A posted credit memo; ``taken`` is what it takes back by order line, ``net`` what that is worth."""

    number: str
    sale: str
    taken: dict[str, Decimal]
    net: Decimal
    tax: Decimal
    posted_at: datetime


@dataclass(slots=True)
class Owed:
    """A posted supplier invoice."""

    number: str
    total: money_pb2.Money
    posted_at: datetime


@dataclass(slots=True)
class Afterwards:
    """The books of one ERP in memory, each entry under the posting key that made it."""

    cancelled: set[str] = field(default_factory=set)
    returns: dict[str, tuple[str, dict[str, Decimal]]] = field(default_factory=dict)
    """Sale and quantities by order line of each goods receipt, those that add nothing to stock too."""
    memos: dict[str, Memo] = field(default_factory=dict)
    owed: dict[str, Owed] = field(default_factory=dict)
    carriers: set[str] = field(default_factory=set)
    """SCACs of the carriers that the ERP knows."""

    def take_back(self, sale: str, shipped: Mapping[str, Decimal], request: erp.ReceiveReturnRequest) -> bool:
        """Receive goods once; whether they were received before. Raises FailedPrecondition."""
        if request.posting_key in self.returns:
            return True
        back = {line.line_id: Decimal(line.quantity.value) for line in request.lines}
        for line, amount in back.items() if not request.never_shipped else ():
            if amount > shipped.get(line, Decimal(0)):
                raise _exceeded(f"{amount} came back of line {line}, the ERP has shipped {shipped.get(line, 0)}", line)
        self.returns[request.posting_key] = (sale, back)
        return False

    def credit(self, sale: str, invoice: MemoryInvoice, request: erp.PostCreditMemoRequest, now: datetime) -> bool:
        """Post a credit memo once; whether it was posted before. Raises FailedPrecondition, NotFound."""
        if request.posting_key in self.memos:
            return True
        if not invoice.posting_key:
            raise missing_document(request.erp_invoice.value or invoice.number)
        taken = {line.order_line_id: Decimal(line.quantity.value) for line in request.lines}
        for line, amount in taken.items():
            left = invoice.quantities.get(line, Decimal(0)) - sum(self._credited(sale, line), Decimal(0))
            if amount > left:
                raise _exceeded(f"{amount} are to be credited on line {line}, its invoice has {left} left", line)
        net = sum((_worth(line, invoice) for line in request.lines), Decimal(0))
        number = f"CRN-{len(self.memos) + 1}"
        self.memos[request.posting_key] = Memo(number, sale, taken, net, _tax(net, invoice), now)
        return False

    def owe(self, request: erp.PostPayableRequest, now: datetime) -> bool:
        """Post a supplier invoice once; whether it was posted before. Raises FailedPrecondition."""
        if request.posting_key in self.owed:
            return True
        payable = request.payable
        if payable.carrier_scac not in self.carriers:
            message = f"the ERP has no party with code {payable.carrier_scac}; enter the carrier there"
            metadata = {"reference": payable.carrier_scac}
            raise FailedPrecondition(message, reason="ERP_DOCUMENT_NOT_FOUND", metadata=metadata)
        total = sum((_amount(_paid(charge)) for charge in payable.charges), Decimal(0))
        number = f"BILL-{len(self.owed) + 1}"
        self.owed[request.posting_key] = Owed(number, money(total, payable.currency), now)
        return False

    def _credited(self, sale: str, line: str) -> Iterator[Decimal]:
        return (memo.taken.get(line, Decimal(0)) for memo in self.memos.values() if memo.sale == sale)


def credit_answer(
    memo: Memo, request: erp.PostCreditMemoRequest, name: reference_pb2.ExternalReference, *, already_posted: bool
) -> erp.PostCreditMemoResponse:
    """What the gateway is told of a posted credit memo."""
    answer = erp.PostCreditMemoResponse(
        erp_credit_memo=name,
        lines=request.lines,
        net=money(memo.net, request.currency),
        tax=money(memo.tax, request.currency),
        total=money(memo.net + memo.tax, request.currency),
        already_posted=already_posted,
    )
    answer.post_time.FromDatetime(memo.posted_at)
    return answer


def _worth(line: invoice_pb2.InvoiceLine, invoice: MemoryInvoice) -> Decimal:
    price = invoice.prices[line.order_line_id]
    if line.HasField("unit_price"):
        price = min(price, _amount(line.unit_price))
    return Decimal(line.quantity.value) * price


def _tax(net: Decimal, invoice: MemoryInvoice) -> Decimal:
    return (net * invoice.tax_rate).quantize(Decimal("0.01"))


def _paid(charge: payable_pb2.PayableCharge) -> money_pb2.Money:
    return charge.agreed_amount if charge.HasField("agreed_amount") else charge.amount


def _amount(given: money_pb2.Money) -> Decimal:
    return Decimal(given.units) + Decimal(given.nanos) / 1_000_000_000


def _exceeded(message: str, line: str) -> FailedPrecondition:
    return FailedPrecondition(message, reason="QUANTITY_EXCEEDED", metadata={"line_id": line})
