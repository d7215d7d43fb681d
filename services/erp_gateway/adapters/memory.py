"""An ERP in memory: the smallest system that fulfils the adapter's port, for tests of the services around it.

It behaves like the real one where the mesh can tell: orders change under one's feet, answers get lost after the work is
done, stock is finite, deliveries and invoices exist once. It passes the suite in ``tests/adapters/erp``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from gladhand.errors import Ambiguous, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.order.v1 import order_pb2
from logistics.type.v1 import quantity_pb2, reference_pb2
from services.erp_gateway.adapters.memory_afterwards import credit_answer
from services.erp_gateway.adapters.memory_erp import MemoryDelivery, MemoryErp, MemorySale
from services.erp_gateway.adapters.memory_invoice import draft_invoice, invoice_answer
from services.erp_gateway.adapters.port import (
    Change,
    ChangePage,
    KnownPlace,
    OrderFacts,
    SaleCondition,
    SaleReading,
)
from services.erp_gateway.promising import Demand, left_after
from services.erp_gateway.translation import content_digest, missing_document, reference_value, sales_order_of

_SALES_ORDER = reference_pb2.REFERENCE_TYPE_SALES_ORDER
_DELIVERY = reference_pb2.REFERENCE_TYPE_DELIVERY_ORDER
_INVOICE = reference_pb2.REFERENCE_TYPE_INVOICE


class MemoryAdapter:
    """``MemoryErp`` as an ``ErpAdapter``."""

    def __init__(self, system: MemoryErp, instance: str = "memory") -> None:
        self.erp = system
        self._instance = instance

    @property
    def instance(self) -> str:
        """Its name in the mesh."""
        return self._instance

    async def check(self) -> None:
        """Raises Unavailable while the ERP is out of reach."""
        self._answer()

    async def close(self) -> None:
        """Nothing to give back."""

    async def list_changes(self, cursor: str) -> ChangePage:
        """Sales by their stamp."""
        self._answer()
        since = int(cursor or 0)
        sales = sorted(self.erp.sales.values(), key=lambda sale: sale.stamp)
        changed = [sale for sale in sales if sale.stamp > since]
        newest = changed[-1].stamp if changed else since
        changes = tuple(Change(sale.number, f"sale/{sale.number}", str(sale.stamp)) for sale in changed)
        return ChangePage(changes, str(newest) if newest else "")

    async def read_sales(self, sales: Sequence[str]) -> list[SaleReading]:
        """Sales as they stand."""
        self._answer()
        return [self._reading(name) for name in sales]

    def _reading(self, name: str) -> SaleReading:
        sale = self.erp.sales.get(name)
        if sale is None:
            return SaleReading(name, SaleCondition.WITHDRAWN)
        if sale.condition is not SaleCondition.READY:
            return SaleReading(name, sale.condition, sale.number, str(sale.stamp))
        order = order_pb2.Order()
        order.CopyFrom(sale.order)
        return SaleReading(
            name, sale.condition, sale.number, str(sale.stamp), order=order, content_sha256=content_digest(order)
        )

    async def redrive_stuck(self, older_than: timedelta) -> list[str]:  # noqa: ARG002 - of the port
        """Nothing gets stuck here."""
        self._answer()
        return []

    async def order_facts(self, order: order_pb2.Order) -> OrderFacts:
        """Facts from the tables."""
        self._answer()
        code = reference_value(order.customer.references, reference_pb2.REFERENCE_TYPE_PARTY)
        customer = self.erp.customers.get(code)
        number = reference_value(order.references, _SALES_ORDER)
        warehouse = reference_value(order.ship_from.references, reference_pb2.REFERENCE_TYPE_ADDRESS)
        sale = self.erp.sales.get(number)
        left = left_after(self._on_hand(warehouse), self._demands(warehouse), int(number) if sale else None)
        return OrderFacts(
            customer_active=customer.active if customer else None,
            places=self._places(),
            available={line.sku: self._of_known(line.sku, left) for line in order.lines},
            credit_limit=customer.credit_limit if customer else None,
            credit_used=customer.credit_used if customer else Decimal(0),
            references=tuple(self._name(_DELIVERY, d.number) for d in (sale.deliveries if sale else ())),
        )

    async def get_customer(self, code: str) -> erp.Customer:
        """A customer."""
        self._answer()
        customer = self.erp.customers.get(code)
        if customer is None:
            raise NotFound(
                "customer", code, message=f"the ERP has no customer {code!r}", reason="CUSTOMER_UNKNOWN",
                metadata={"customer": code},
            )  # fmt: skip
        answer = erp.Customer(code=code, active=customer.active, delivery_locations=list(customer.places.values()))
        answer.party.name = customer.name
        answer.party.references.add(system=self._instance, type=reference_pb2.REFERENCE_TYPE_PARTY, value=code)
        return answer

    async def check_availability(self, warehouse: str, skus: Sequence[str]) -> list[erp.Availability]:
        """What is left after all waiting sales."""
        self._answer()
        if warehouse not in self.erp.warehouses:
            raise missing_document(warehouse)
        left = left_after(self._on_hand(warehouse), self._demands(warehouse))
        answer = []
        for sku in skus:
            amount = self._of_known(sku, left)
            entry = erp.Availability(sku=sku, known=amount is not None)
            if amount is not None:
                entry.available.CopyFrom(_pieces(max(amount, Decimal(0))))
            answer.append(entry)
        return answer

    async def confirm_dispatch(self, request: erp.ConfirmDispatchRequest) -> erp.ConfirmDispatchResponse:
        """Reference and note, once per dispatch."""
        sale = self._sale(request.order_references)
        riding = [d for d in sale.deliveries if not request.line_ids or set(request.line_ids) & set(d.quantities)]
        for delivery in riding:
            known = [part for part in delivery.reference.split(", ") if part]
            if request.dispatch_reference not in known:
                delivery.reference = ", ".join([*known, request.dispatch_reference])
                delivery.notes.append(f"{request.load_id} {request.vehicle_name} {request.driver_name}")
        self._answer(after_work=True)
        return erp.ConfirmDispatchResponse(references=[self._name(_DELIVERY, d.number) for d in riding])

    async def post_delivery(self, request: erp.PostDeliveryRequest) -> erp.PostDeliveryResponse:
        """Deliveries done with what was accepted; nothing accepted cancels one."""
        sale = self._sale(request.order_references)
        accepted = {line.line_id: Decimal(line.accepted.value) for line in request.lines}
        self._check_accepted(sale, accepted)
        for delivery in sale.deliveries:
            if delivery.state == "waiting":
                self._deliver(sale, delivery, accepted)
        sale.condition = SaleCondition.EXECUTING
        done = [delivery for delivery in sale.deliveries if delivery.state == "done"]
        if done and sale.invoice is None:
            quantities = {line: amount for d in done for line, amount in d.quantities.items()}
            sale.invoice = draft_invoice(sale.order, quantities, f"INV-{sale.number}")
        self._answer(after_work=True)
        return erp.PostDeliveryResponse(
            references=[self._name(_DELIVERY, delivery.number) for delivery in done],
            lines=[
                erp.DeliveredLine(line_id=line.line_id, accepted=_pieces(accepted[line.line_id]))
                for line in request.lines
            ],
        )

    def _check_accepted(self, sale: MemorySale, accepted: dict[str, Decimal]) -> None:
        known = {line: amount for delivery in sale.deliveries for line, amount in delivery.quantities.items()}
        done = {line for delivery in sale.deliveries if delivery.state == "done" for line in delivery.quantities}
        for line, amount in accepted.items():
            if line not in known:
                raise FailedPrecondition(
                    f"sale {sale.number} has no line {line!r}", reason="ERP_DOCUMENT_NOT_FOUND",
                    metadata={"line_id": line},
                )  # fmt: skip
            if amount > known[line] or (line in done and amount != known[line]):
                raise FailedPrecondition(
                    f"{amount} accepted on line {line}, the ERP holds {known[line]}",
                    reason="QUANTITY_EXCEEDED" if amount > known[line] else "ERP_REFUSED", metadata={"line_id": line},
                )  # fmt: skip

    def _deliver(self, sale: MemorySale, delivery: MemoryDelivery, accepted: dict[str, Decimal]) -> None:
        delivery.quantities = {line: accepted.get(line, Decimal(0)) for line in delivery.quantities}
        if not any(delivery.quantities.values()):
            delivery.state = "cancelled"
            return
        warehouse = reference_value(sale.order.ship_from.references, reference_pb2.REFERENCE_TYPE_ADDRESS)
        sku_of = {line.line_id: line.sku for line in sale.order.lines}
        taken = {(warehouse, sku_of[line]): amount for line, amount in delivery.quantities.items()}
        for place, amount in taken.items():
            if self.erp.stock.get(place, Decimal(0)) < amount:
                raise FailedPrecondition(
                    f"the warehouse lacks stock of {place[1]}", reason="STOCK_SHORT", metadata={"sku": place[1]}
                )
        for place, amount in taken.items():
            self.erp.stock[place] -= amount
        delivery.state = "done"

    async def post_invoice(self, request: erp.PostInvoiceRequest) -> erp.PostInvoiceResponse:
        """Post the draft once."""
        sale = self._sale(request.order_references)
        charges = [line for line in request.invoice.lines if line.charge_id]
        if len(charges) == len(request.invoice.lines) and sale.invoice is None:
            sale.invoice = draft_invoice(sale.order, {}, f"INV-{sale.number}")
        invoice = sale.invoice
        if invoice is None:
            raise Unavailable(
                "the ERP has not drafted the invoice yet", reason="ERP_UNAVAILABLE", metadata={"erp": self._instance}
            )
        invoice.check(request.invoice)
        already = bool(invoice.posting_key)
        if not already:
            invoice.charges = charges
            invoice.posting_key, invoice.posted_at = request.posting_key, self.erp.clock.now()
        self._answer(after_work=True)
        return invoice_answer(invoice, self._name(_INVOICE, invoice.number), already_posted=already)

    async def cancel_sale(self, request: erp.CancelSaleRequest) -> erp.CancelSaleResponse:
        """Waiting deliveries cancelled where nothing of them is wanted any more."""
        sale = self._sale(request.order_references)
        known = {line.line_id for line in sale.order.lines}
        unwanted = {line.line_id: Decimal(line.quantity.value) for line in request.lines}
        if strange := sorted(set(unwanted) - known):
            raise FailedPrecondition(
                f"sale {sale.number} has no line {strange[0]!r}", reason="ERP_DOCUMENT_NOT_FOUND",
                metadata={"line_id": strange[0]},
            )  # fmt: skip
        already = request.posting_key in self.erp.afterwards.cancelled
        self.erp.afterwards.cancelled.add(request.posting_key)
        for delivery in sale.deliveries:
            wanted = any(amount > unwanted.get(line, Decimal(0)) for line, amount in delivery.quantities.items())
            if delivery.state == "waiting" and not (unwanted and wanted):
                delivery.state = "cancelled"
        if not any(delivery.state == "waiting" for delivery in sale.deliveries):
            sale.condition = SaleCondition.WITHDRAWN
        self._answer(after_work=True)
        open_still = [self._name(_DELIVERY, d.number) for d in sale.deliveries if d.state != "done"]
        return erp.CancelSaleResponse(references=open_still, already_cancelled=already)

    async def receive_return(self, request: erp.ReceiveReturnRequest) -> erp.ReceiveReturnResponse:
        """Goods back in stock, once; those that never left it are noted only."""
        sale = self._sale(request.order_references)
        done = [delivery.quantities for delivery in sale.deliveries if delivery.state == "done"]
        shipped = {line: amount for quantities in done for line, amount in quantities.items()}
        already = self.erp.afterwards.take_back(sale.number, shipped, request)
        warehouse = request.warehouse_code or reference_value(
            sale.order.ship_from.references, reference_pb2.REFERENCE_TYPE_ADDRESS
        )
        sku_of = {line.line_id: line.sku for line in sale.order.lines}
        for line in request.lines if not (already or request.never_shipped) else ():
            place = (warehouse, sku_of[line.line_id])
            self.erp.stock[place] = self.erp.stock.get(place, Decimal(0)) + Decimal(line.quantity.value)
        self._answer(after_work=True)
        received = [self._name(_DELIVERY, f"R-{request.posting_key}")] if not request.never_shipped else []
        return erp.ReceiveReturnResponse(references=received, lines=request.lines, already_received=already)

    async def post_credit_memo(self, request: erp.PostCreditMemoRequest) -> erp.PostCreditMemoResponse:
        """A credit memo, once."""
        sale = self._sale(request.order_references)
        if sale.invoice is None:
            raise missing_document(request.erp_invoice.value or sale.number)
        already = self.erp.afterwards.credit(sale.number, sale.invoice, request, self.erp.clock.now())
        self._answer(after_work=True)
        memo = self.erp.afterwards.memos[request.posting_key]
        return credit_answer(memo, request, self._name(_INVOICE, memo.number), already_posted=already)

    async def post_payable(self, request: erp.PostPayableRequest) -> erp.PostPayableResponse:
        """A supplier invoice, once."""
        if not self.erp.reachable:
            self._answer()
        already = self.erp.afterwards.owe(request, self.erp.clock.now())
        self._answer(after_work=True)
        owed = self.erp.afterwards.owed[request.posting_key]
        return erp.PostPayableResponse(
            erp_document=self._name(_INVOICE, owed.number), already_posted=already, total=owed.total
        )

    async def get_payable(self, posting_key: str) -> erp.GetPayableResponse:
        """A supplier invoice; nothing is ever paid here."""
        self._answer()
        owed = self.erp.afterwards.owed.get(posting_key)
        if owed is None:
            raise missing_document(posting_key)
        answer = erp.GetPayableResponse(
            erp_document=self._name(_INVOICE, owed.number), state="posted", posted=True, total=owed.total
        )
        answer.post_time.FromDatetime(owed.posted_at)
        return answer

    async def get_document(self, reference: reference_pb2.ExternalReference) -> erp.ErpDocument:
        """A sale, delivery or invoice by number, or by the reference that was left on it."""
        self._answer()
        if reference.type not in (_SALES_ORDER, _DELIVERY, _INVOICE):
            raise InvalidArgument(
                "this kind of reference names no document", field="reference.type",
                remedy="use SALES_ORDER, DELIVERY_ORDER or INVOICE",
            )  # fmt: skip
        for sale in self.erp.sales.values():
            document = self._document(sale, reference)
            if document is not None:
                return document
        raise missing_document(reference.value)

    def _document(self, sale: MemorySale, reference: reference_pb2.ExternalReference) -> erp.ErpDocument | None:
        order = self._name(_SALES_ORDER, sale.number)
        if reference.type == _SALES_ORDER and reference.value == sale.number:
            related = [self._name(_DELIVERY, delivery.number) for delivery in sale.deliveries]
            return erp.ErpDocument(reference=order, state=sale.condition.value, related=related)
        for delivery in sale.deliveries if reference.type == _DELIVERY else ():
            if reference.value in (delivery.number, delivery.reference):
                return erp.ErpDocument(
                    reference=self._name(_DELIVERY, delivery.number),
                    state=delivery.state,
                    related=[order, *([self._left(delivery.reference)] if delivery.reference else [])],
                    lines=[erp.DeliveredLine(line_id=i, accepted=_pieces(q)) for i, q in delivery.quantities.items()],
                )
        invoice = sale.invoice
        if invoice and reference.type == _INVOICE and reference.value in (invoice.number, invoice.posting_key):
            return erp.ErpDocument(
                reference=self._name(_INVOICE, invoice.number),
                state="posted" if invoice.posting_key else "draft",
                related=[order, *([self._left(invoice.posting_key)] if invoice.posting_key else [])],
                lines=[erp.DeliveredLine(line_id=i, accepted=_pieces(q)) for i, q in invoice.quantities.items()],
            )
        return None

    def _answer(self, *, after_work: bool = False) -> None:
        """Fail as the test wants: out of reach, or an answer lost after the work was done."""
        if after_work and self.erp.answers_to_lose > 0:
            self.erp.answers_to_lose -= 1
            raise Ambiguous("the ERP's answer was lost", metadata={"erp": self._instance})
        if not self.erp.reachable:
            raise Unavailable("the ERP is not reachable", reason="ERP_UNAVAILABLE", metadata={"erp": self._instance})

    def _sale(self, references: Sequence[reference_pb2.ExternalReference]) -> MemorySale:
        if not self.erp.reachable:
            self._answer()
        number = sales_order_of(references, self._instance)
        if number not in self.erp.sales:
            raise missing_document(number)
        return self.erp.sales[number]

    def _places(self) -> dict[str, KnownPlace]:
        places = {
            name: KnownPlace(code, place.HasField("point"))
            for code, customer in self.erp.customers.items()
            for name, place in customer.places.items()
        }
        return places | {name: KnownPlace("", place.HasField("point")) for name, place in self.erp.warehouses.items()}

    def _on_hand(self, warehouse: str) -> dict[str, Decimal]:
        return {sku: amount for (place, sku), amount in self.erp.stock.items() if place == warehouse}

    def _demands(self, warehouse: str) -> list[Demand]:
        return [
            Demand(int(sale.number), line.sku, delivery.quantities[line.line_id])
            for sale in self.erp.sales.values()
            if reference_value(sale.order.ship_from.references, reference_pb2.REFERENCE_TYPE_ADDRESS) == warehouse
            for delivery in sale.deliveries
            if delivery.state == "waiting"
            for line in sale.order.lines
            if line.line_id in delivery.quantities
        ]

    def _of_known(self, sku: str, left: dict[str, Decimal]) -> Decimal | None:
        return left.get(sku, Decimal(0)) if sku in self.erp.products else None

    def _name(self, kind: reference_pb2.ReferenceType.ValueType, value: str) -> reference_pb2.ExternalReference:
        return reference_pb2.ExternalReference(system=self._instance, type=kind, value=value)

    def _left(self, value: str) -> reference_pb2.ExternalReference:
        return reference_pb2.ExternalReference(
            system=self._instance, type=reference_pb2.REFERENCE_TYPE_OTHER, value=value, raw_type="reference"
        )


def _pieces(amount: Decimal) -> quantity_pb2.Quantity:
    return quantity_pb2.Quantity(value=format(amount, "f"), unit_code="C62")
