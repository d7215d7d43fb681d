"""Reads single documents of Tryton as they stand."""

from __future__ import annotations

from typing import Any

from gladhand.errors import InvalidArgument
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.type.v1 import reference_pb2
from services.erp_gateway.adapters.tryton_invoice import invoice_line
from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from services.erp_gateway.adapters.tryton_units import number, quantity
from services.erp_gateway.translation import missing_document, money

_LINE_FIELDS = ("origin", "type", "quantity", "unit.symbol", "unit_price", "amount", "description", "product.code")


class DocumentReader:
    """Sales, shipments and invoices of one ERP instance, by the ERP's number or by the reference that we left."""

    def __init__(self, session: TrytonSession, instance: str) -> None:
        self._session = session
        self._instance = instance

    async def read(self, reference: reference_pb2.ExternalReference) -> erp.ErpDocument:
        """Return the document. Raises NotFound, or InvalidArgument for a type that is no document."""
        match reference.type:
            case reference_pb2.REFERENCE_TYPE_SALES_ORDER:
                return await self._sale(reference.value)
            case reference_pb2.REFERENCE_TYPE_DELIVERY_ORDER:
                return await self._shipment(reference.value)
            case reference_pb2.REFERENCE_TYPE_INVOICE:
                return await self._invoice(reference.value)
            case _:
                raise InvalidArgument(
                    "this kind of reference names no document",
                    field="reference.type",
                    remedy="use SALES_ORDER, DELIVERY_ORDER or INVOICE",
                )

    async def _sale(self, value: str) -> erp.ErpDocument:
        row = await self._one(
            "sale.sale",
            value,
            ["state", "reference", "shipments.number", "invoices.number", "total_amount", "currency.code"],
        )
        document = self._document(reference_pb2.REFERENCE_TYPE_SALES_ORDER, row)
        self._relate(document, reference_pb2.REFERENCE_TYPE_PURCHASE_ORDER, row["reference"])
        for shipment in row["shipments."] or []:
            self._relate(document, reference_pb2.REFERENCE_TYPE_DELIVERY_ORDER, shipment["number"])
        for invoice in row["invoices."] or []:
            self._relate(document, reference_pb2.REFERENCE_TYPE_INVOICE, invoice["number"])
        document.total.CopyFrom(money(row["total_amount"], row["currency."]["code"]))
        return document

    async def _shipment(self, value: str) -> erp.ErpDocument:
        row = await self._one("stock.shipment.out", value, ["state", "reference", "outgoing_moves"])
        document = self._document(reference_pb2.REFERENCE_TYPE_DELIVERY_ORDER, row)
        for part in (row["reference"] or "").split(", "):
            self._relate(document, reference_pb2.REFERENCE_TYPE_OTHER, part, raw_type="reference")
        moves = await self._session.read(
            "stock.move", sorted(row["outgoing_moves"]), ["origin", "quantity", "unit.symbol", "state", "sale.number"]
        )
        for order in sorted({move["sale."]["number"] for move in moves if move.get("sale.")}):
            self._relate(document, reference_pb2.REFERENCE_TYPE_SALES_ORDER, order)
        for move in moves:
            if move["state"] != "cancelled" and (move["origin"] or "").startswith("sale.line,"):
                document.lines.add(
                    line_id=move["origin"].partition(",")[2],
                    accepted=quantity(number(move["quantity"] or 0), move["unit."]["symbol"]),
                )
        return document

    async def _invoice(self, value: str) -> erp.ErpDocument:
        row = await self._one(
            "account.invoice", value, ["state", "reference", "lines", "sales.number", "total_amount", "currency.code"]
        )
        document = self._document(reference_pb2.REFERENCE_TYPE_INVOICE, row)
        self._relate(document, reference_pb2.REFERENCE_TYPE_OTHER, row["reference"], raw_type="reference")
        for sale in row["sales."] or []:
            self._relate(document, reference_pb2.REFERENCE_TYPE_SALES_ORDER, sale["number"])
        document.total.CopyFrom(money(row["total_amount"], row["currency."]["code"]))
        lines = await self._session.read("account.invoice.line", sorted(row["lines"]), _LINE_FIELDS)
        for line in (invoice_line(found) for found in lines if found["type"] == "line"):
            document.lines.add(line_id=str(line.sale_line or line.id), accepted=quantity(line.quantity, line.unit))
        return document

    async def _one(self, model: str, value: str, fields: list[str]) -> dict[str, Any]:
        """The record with that number, else the one with that reference; the oldest of several."""
        for name in ("number", "reference"):
            rows = await self._session.search_read(
                model, [(name, "=", value)], [*fields, "number", "last_modified_at"], limit=1, order=[["id", "ASC"]]
            )
            if rows:
                return rows[0]
        raise missing_document(value)

    def _document(self, kind: reference_pb2.ReferenceType.ValueType, row: dict[str, Any]) -> erp.ErpDocument:
        document = erp.ErpDocument(
            reference=reference_pb2.ExternalReference(
                system=self._instance, type=kind, value=row["number"] or f"#{row['id']}"
            ),
            state=row["state"],
        )
        document.update_time.FromDatetime(row["last_modified_at"])
        return document

    def _relate(
        self,
        document: erp.ErpDocument,
        kind: reference_pb2.ReferenceType.ValueType,
        value: str | None,
        raw_type: str = "",
    ) -> None:
        if value:
            document.related.add(system=self._instance, type=kind, value=value, raw_type=raw_type)
