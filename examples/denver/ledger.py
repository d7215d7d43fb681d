"""What the ERP says, asked by its own RPC as any client would, and what the log says, read message by message."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from nats.aio.client import Client

from logistics.invoice.v1.invoice_event_pb2 import InvoiceEvent
from logistics.order.v1.order_event_pb2 import OrderEvent
from services.erp_gateway.adapters.tryton_rpc import TrytonSession

_POSTED = ("posted", "paid")
_READ_S = 10.0


@dataclass(frozen=True, slots=True)
class SaleInErp:
    """A sale as Tryton has it. `invoices` are the numbers of its posted customer invoices."""

    sale_id: int
    number: str
    reference: str
    state: str
    dispatches: tuple[str, ...]
    delivered: Mapping[str, float]
    invoices: tuple[str, ...]


async def sales_in_erp(session: TrytonSession, references: Sequence[str]) -> dict[str, SaleInErp]:
    """The sales with these customer references, by reference. Raises TrytonError."""
    rows = await session.search_read(
        "sale.sale",
        [("reference", "in", list(references)), ("origin", "=", None)],
        ["number", "reference", "state", "shipments", "invoices"],
    )
    found: dict[str, SaleInErp] = {}
    for row in rows:
        shipments = await session.read("stock.shipment.out", row["shipments"], ["reference", "state", "outgoing_moves"])
        moves = [move for shipment in shipments if shipment["state"] == "done" for move in shipment["outgoing_moves"]]
        delivered: Counter[str] = Counter()
        for move in await session.read("stock.move", moves, ["product.code", "quantity", "state"]):
            if move["state"] == "done":
                delivered[move["product."]["code"]] += move["quantity"]
        invoices = await session.read("account.invoice", row["invoices"], ["number", "state", "type"])
        found[row["reference"]] = SaleInErp(
            row["id"],
            row["number"] or "",
            row["reference"],
            row["state"],
            tuple(sorted({shipment["reference"] for shipment in shipments if shipment["reference"]})),
            delivered,
            tuple(i["number"] for i in invoices if i["state"] in _POSTED and i["type"] == "out"),
        )
    return found


@dataclass(slots=True)
class LoggedOrder:
    """What the log tells of one order."""

    order_id: str
    sale: str = ""
    rejected: str = ""
    posted: list[str] = field(default_factory=list)


async def orders_in_log(connection: Client, references: Sequence[str]) -> dict[str, LoggedOrder]:
    """The orders that carry these customer references, by reference, as the raw events of the log tell them."""
    wanted = set(references)
    orders: dict[str, LoggedOrder] = {}
    by_reference: dict[str, LoggedOrder] = {}
    async for payload in _messages(connection, "ORDERS", "logistics.order.>"):
        event = OrderEvent.FromString(payload)
        kind = event.WhichOneof("body")
        if kind == "received":
            order = event.received.order
            known = {each.value for each in order.references} & wanted
            if known:
                logged = orders.setdefault(event.order_id, LoggedOrder(event.order_id))
                by_reference[min(known)] = logged
        elif kind == "rejected" and event.order_id in orders:
            orders[event.order_id].rejected = "; ".join(
                f"{check.reason}: {check.message}" for check in event.rejected.checks if check.reason
            )
    owners: dict[str, str] = {}
    async for payload in _messages(connection, "INVOICES", "logistics.invoice.>"):
        invoice = InvoiceEvent.FromString(payload)
        body = invoice.WhichOneof("body")
        if body == "opened":
            owners[invoice.invoice_id] = invoice.opened.invoice.order_id
        elif body == "posted" and owners.get(invoice.invoice_id) in orders:
            orders[owners[invoice.invoice_id]].posted.append(invoice.posted.erp_invoice.value)
    return by_reference


async def _messages(connection: Client, stream: str, subject: str) -> AsyncIterator[bytes]:
    """Every message that the stream keeps now, oldest first, read by a consumer of its own."""
    log = connection.jetstream()
    last = (await log.stream_info(stream)).state.last_seq
    subscription = await log.subscribe(subject, stream=stream, ordered_consumer=True)
    try:
        read = 0
        while read < last:
            message = await subscription.next_msg(timeout=_READ_S)
            yield message.data
            read = message.metadata.sequence.stream
    finally:
        await subscription.unsubscribe()
