"""What any ERP must offer to the gateway. Canonical messages in and out; errors are those of ``gladhand.errors``.

An adapter promises:

* every write may be repeated: it first looks up what an earlier attempt left in the ERP, by the outside reference that
  it leaves there, and goes on from the state found;
* never two writes on one order at a time;
* ``Unavailable`` means that nothing happened, ``Ambiguous`` that an earlier attempt may still come true; both may be
  repeated later. ``FailedPrecondition`` (reason ERP_REFUSED and others) means that repeating does not help.

``tests/adapters/erp`` holds the suite that every adapter must pass.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Protocol

from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.order.v1 import order_pb2
from logistics.type.v1 import reference_pb2


class SaleCondition(enum.Enum):
    """What a sale is to the mesh at this moment."""

    READY = "ready"
    """Confirmed, complete, and nobody is editing it: it may be submitted."""

    EDITED = "edited"
    """Not confirmed yet, or being edited: look again when it changes."""

    EXECUTING = "executing"
    """Its goods are being served; what changes now comes from us, not from the sales desk."""

    WITHDRAWN = "withdrawn"
    """Nothing of it will be delivered any more."""

    UNREADABLE = "unreadable"
    """It cannot be told as a canonical order; ``SaleReading.problem`` says why."""


@dataclass(frozen=True, slots=True)
class SaleReading:
    """A sale as it stands. ``order`` is set where READY, ``problem`` where UNREADABLE.

    ``number`` is the ERP's order number, empty where the sale is gone. ``stamp`` changes with every change of the sale
    or of a document behind it, and with nothing else.
    """

    sale: str
    condition: SaleCondition
    number: str = ""
    stamp: str = ""
    order: order_pb2.Order | None = None
    content_sha256: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One changed document behind a sale. The same document with the same stamp is a repeat."""

    sale: str
    document: str
    stamp: str


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Changes since a cursor, at least once each, and the cursor to go on from."""

    changes: tuple[Change, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """What the ERP knows about an address: whose it is and whether it stands on the map."""

    party_code: str
    has_point: bool


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What the ERP knows about an order's names, for ``services.erp_gateway.validation`` to judge."""

    customer_active: bool | None
    """None: no such customer."""

    places: dict[str, KnownPlace] = field(default_factory=dict)
    """By the ERP's address name; an address it does not know is absent."""

    available: dict[str, Decimal | None] = field(default_factory=dict)
    """By product code: on hand and not promised to earlier orders; None for an unknown product."""

    credit_limit: Decimal | None = None
    credit_used: Decimal = Decimal(0)
    """What the customer owes or has on order, this order included."""

    references: tuple[reference_pb2.ExternalReference, ...] = ()
    """Names of the order's documents in the ERP."""


class ErpAdapter(Protocol):
    """One ERP instance."""

    @property
    def instance(self) -> str:
        """Its name in the mesh, the ``system`` of its references, for example ``tryton-us``."""
        ...

    async def check(self) -> None:
        """Find out whether the ERP answers and lets us in. Raises Unavailable with what would help."""
        ...

    async def list_changes(self, cursor: str) -> ChangePage:
        """Return what changed since ``cursor`` ("" means from the first sale), repeats possible. Raises Unavailable."""
        ...

    async def read_sales(self, sales: Sequence[str]) -> list[SaleReading]:
        """Return sales as they stand; one that is gone is WITHDRAWN. Raises Unavailable."""
        ...

    async def redrive_stuck(self, older_than: timedelta) -> list[str]:
        """Push on sales that a crash of the ERP left between two states; return their numbers.

        Raises FailedPrecondition (ERP_REFUSED) where the ERP does not let the gateway do it, Unavailable.
        """
        ...

    async def order_facts(self, order: order_pb2.Order) -> OrderFacts:
        """Return what is needed to validate ``order``. Raises Unavailable."""
        ...

    async def get_customer(self, code: str) -> erp.Customer:
        """Return a customer. Raises NotFound (CUSTOMER_UNKNOWN), Unavailable."""
        ...

    async def check_availability(self, warehouse: str, skus: Sequence[str]) -> list[erp.Availability]:
        """Return what a warehouse can supply, in the order asked. Raises NotFound for the warehouse, Unavailable."""
        ...

    async def confirm_dispatch(self, request: erp.ConfirmDispatchRequest) -> erp.ConfirmDispatchResponse:
        """Make a dispatch visible on the ERP's deliveries. Raises NotFound, FailedPrecondition, Unavailable."""
        ...

    async def post_delivery(self, request: erp.PostDeliveryRequest) -> erp.PostDeliveryResponse:
        """Complete the order's deliveries with the accepted quantities. Raises as ``post_invoice``."""
        ...

    async def post_invoice(self, request: erp.PostInvoiceRequest) -> erp.PostInvoiceResponse:
        """Post the order's one invoice.

        Raises NotFound, FailedPrecondition (QUANTITY_EXCEEDED, ERP_REFUSED), Conflict, Unavailable, Ambiguous.
        """
        ...

    async def cancel_sale(self, request: erp.CancelSaleRequest) -> erp.CancelSaleResponse:
        """Give free what is not shipped of an order. Raises NotFound, FailedPrecondition, Unavailable, Ambiguous."""
        ...

    async def receive_return(self, request: erp.ReceiveReturnRequest) -> erp.ReceiveReturnResponse:
        """Receive goods that came back, once by the posting key.

        Raises NotFound, FailedPrecondition (QUANTITY_EXCEEDED for more than was shipped), Unavailable, Ambiguous.
        """
        ...

    async def post_credit_memo(self, request: erp.PostCreditMemoRequest) -> erp.PostCreditMemoResponse:
        """Post a credit memo, once by the posting key.

        Raises NotFound for the invoice, FailedPrecondition (QUANTITY_EXCEEDED for more than it has left, ERP_REFUSED),
        Unavailable, Ambiguous.
        """
        ...

    async def post_payable(self, request: erp.PostPayableRequest) -> erp.PostPayableResponse:
        """Post a carrier's invoice, once by the posting key.

        Raises FailedPrecondition (ERP_DOCUMENT_NOT_FOUND for a carrier that the ERP does not know, ERP_REFUSED),
        Unavailable, Ambiguous.
        """
        ...

    async def get_payable(self, posting_key: str) -> erp.GetPayableResponse:
        """Return a carrier's invoice as it stands. Raises NotFound (ERP_DOCUMENT_NOT_FOUND), Unavailable."""
        ...

    async def get_document(self, reference: reference_pb2.ExternalReference) -> erp.ErpDocument:
        """Return a document as it stands. Raises NotFound (ERP_DOCUMENT_NOT_FOUND), InvalidArgument, Unavailable."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...
