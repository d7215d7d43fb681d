"""A sale of Tryton as the canonical order (pure).

One canonical line stands for one sale line *at one delivery address*: where a sale line's goods leave in shipments to
several addresses, its parts get ids ``<sale line>-<address>``.

The delivery window is an ISO 8601 interval in the sale's description ("Deliver 2026-11-24T15:00Z/2026-11-24T19:00Z",
hard); without one it is the shipping date from midnight to midnight in the company's time zone (soft).
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from zoneinfo import ZoneInfo

from logistics.order.v1 import order_pb2
from logistics.type.v1 import place_pb2, reference_pb2, time_pb2
from services.erp_gateway.adapters.tryton_snapshot import AddressRow, LineRow, MoveRow, SaleSnapshot, ShipmentRow
from services.erp_gateway.adapters.tryton_units import quantity, volume, weight
from services.erp_gateway.translation import money

WAREHOUSE_REFERENCE = "warehouse"
"""``raw_type`` of the reference that holds a warehouse's code."""

_GEO = re.compile(r"^geo:(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)")
_MOMENT = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})"
_INTERVAL = re.compile(rf"({_MOMENT})/({_MOMENT})")


class UntranslatableSaleError(ValueError):
    """The sale lacks what an order cannot do without; the message names the field and the remedy."""


def order_from_sale(sale: SaleSnapshot, erp_instance: str, region: str) -> order_pb2.Order:
    """The canonical order. Raises ``UntranslatableSaleError`` or ``UnknownUnitError``."""
    if not sale.number:
        raise UntranslatableSaleError(f"sale {sale.id} has no number yet; quote and confirm it in the ERP")
    if sale.warehouse is None:
        raise UntranslatableSaleError(f"sale {sale.number} names no warehouse; set one in the ERP")
    order = order_pb2.Order(
        erp_instance=erp_instance,
        region=region,
        order_type=order_pb2.ORDER_TYPE_SALES,
        currency=sale.currency,
        instructions=sale.comment[:2000],
    )
    order.references.append(_reference(erp_instance, reference_pb2.REFERENCE_TYPE_SALES_ORDER, sale.number))
    if sale.reference:
        order.references.append(
            _reference(erp_instance, reference_pb2.REFERENCE_TYPE_PURCHASE_ORDER, sale.reference, sale.party_code or "")
        )
    order.customer.name = sale.party_name
    order.customer.references.append(
        _reference(erp_instance, reference_pb2.REFERENCE_TYPE_PARTY, sale.party_code or str(sale.party))
    )
    order.ship_from.CopyFrom(_warehouse(sale, erp_instance))
    if sale.shipment_address in sale.addresses:
        order.ship_to.CopyFrom(location(sale.addresses[sale.shipment_address], sale.time_zone, erp_instance))
    window = delivery_window(sale)
    if window is not None:
        order.delivery_window.CopyFrom(window)
    order.lines.extend(_lines(sale, erp_instance))
    if not order.lines:
        raise UntranslatableSaleError(f"sale {sale.number} has no line that is shipped from a warehouse")
    return order


def open_shipments(sale: SaleSnapshot) -> tuple[ShipmentRow, ...]:
    """The shipments that were not cancelled."""
    return tuple(shipment for shipment in sale.shipments if shipment.state != "cancelled")


def is_ready(sale: SaleSnapshot) -> bool:
    """Whether the clerk is done: the sale is processed and every live shipment waits to be served.

    A draft shipment is being edited; one past "waiting" is being executed, and its changes are no longer the clerk's.
    """
    shipments = open_shipments(sale)
    return sale.state == "processing" and bool(shipments) and all(s.state == "waiting" for s in shipments)


def is_withdrawn(sale: SaleSnapshot) -> bool:
    """Whether nothing of the sale will be delivered any more: cancelled, or all its shipments are, none being done."""
    if sale.state == "cancelled":
        return True
    return sale.state == "processing" and bool(sale.shipments) and not open_shipments(sale)


def line_id(line: int, address: int, *, split: bool) -> str:
    """The canonical id of a sale line's part at one address."""
    return f"{line}-{address}" if split else str(line)


def parts_of(sale: SaleSnapshot) -> dict[str, list[MoveRow]]:
    """The live outgoing moves by canonical line id, in the order of the sale's lines.

    The id of a line keeps its short form as long as all its goods go to one address.
    """
    address_of = {shipment.id: shipment.address for shipment in open_shipments(sale)}
    parts: dict[str, list[MoveRow]] = {}
    for line in sale.lines:
        moves = [m for m in sale.moves if m.line == line.id and m.shipment in address_of and m.state != "cancelled"]
        split = len({address_of[move.shipment] for move in moves}) > 1
        for move in sorted(moves, key=lambda m: m.id):
            parts.setdefault(line_id(line.id, address_of[move.shipment], split=split), []).append(move)
    return parts


def _lines(sale: SaleSnapshot, erp_instance: str) -> list[order_pb2.OrderLine]:
    shipments = {shipment.id: shipment for shipment in sale.shipments}
    rows = {line.id: line for line in sale.lines}
    return [
        _line(sale, name, rows[moves[0].line], moves, shipments, erp_instance)
        for name, moves in parts_of(sale).items()
        if rows[moves[0].line].product is not None
    ]


def _line(
    sale: SaleSnapshot,
    name: str,
    row: LineRow,
    moves: list[MoveRow],
    shipments: dict[int, ShipmentRow],
    erp_instance: str,
) -> order_pb2.OrderLine:
    product = row.product
    if product is None:
        raise UntranslatableSaleError(f"line {row.id} of sale {sale.number} has no product; set one in the ERP")
    total = sum((move.quantity for move in moves), Decimal(0))
    line = order_pb2.OrderLine(
        line_id=name,
        sku=product.code or str(product.id),
        description=product.name[:500],
        quantities=order_pb2.LineQuantities(ordered=quantity(total, moves[0].unit)),
        weight=weight(product.weight, product.weight_unit, total),
        volume=volume(product.volume, product.volume_unit, total),
    )
    if row.unit_price is not None:
        line.unit_price.CopyFrom(money(row.unit_price, sale.currency))
    address = shipments[moves[0].shipment].address
    if address != sale.shipment_address and address in sale.addresses:
        line.ship_to.CopyFrom(location(sale.addresses[address], sale.time_zone, erp_instance))
    line.references.append(_reference(erp_instance, reference_pb2.REFERENCE_TYPE_SALES_ORDER_LINE, str(row.id)))
    numbers = sorted({shipments[move.shipment].number or "" for move in moves} - {""})
    line.references.extend(_reference(erp_instance, reference_pb2.REFERENCE_TYPE_DELIVERY_ORDER, n) for n in numbers)
    return line


def location(address: AddressRow, time_zone: str, erp_instance: str) -> place_pb2.Location:
    """A delivery address with its position, where the ERP has one."""
    street = [line.strip() for line in address.street.splitlines() if line.strip()][:5]
    place = place_pb2.Location(
        name=(address.name or (street[0] if street else f"Address {address.id}"))[:200],
        time_zone=time_zone,
        address=place_pb2.Address(
            lines=[line[:200] for line in street],
            city=address.city[:100],
            subdivision=address.subdivision,
            postal_code=address.postal_code[:20],
            country_code=address.country,
        ),
        references=[_reference(erp_instance, reference_pb2.REFERENCE_TYPE_ADDRESS, str(address.id))],
    )
    point = geo_point(address.geo)
    if point is not None:
        place.point.CopyFrom(point)
    return place


def geo_point(uri: str | None) -> place_pb2.GeoPoint | None:
    """The point of an RFC 5870 ``geo:`` URI in WGS 84; None for no URI, another scheme or an impossible position."""
    found = _GEO.match(uri or "")
    if found is None:
        return None
    latitude, longitude = float(found[1]), float(found[2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return place_pb2.GeoPoint(latitude=latitude, longitude=longitude)


def delivery_window(sale: SaleSnapshot) -> time_pb2.TimeWindow | None:
    """When the goods are wanted; None where the sale says nothing."""
    zone = ZoneInfo(sale.time_zone)
    found = _INTERVAL.search(sale.description)
    if found is not None:
        start, end = (dt.datetime.fromisoformat(moment) for moment in found.groups())
        hard = True
    elif sale.shipping_date is not None:
        start = dt.datetime.combine(sale.shipping_date, dt.time(), zone)
        end = dt.datetime.combine(sale.shipping_date + dt.timedelta(days=1), dt.time(), zone)
        hard = False
    else:
        return None
    window = time_pb2.TimeWindow(time_zone=sale.time_zone, hard=hard)
    window.start_time.FromDatetime(start.astimezone(dt.UTC))
    window.end_time.FromDatetime(end.astimezone(dt.UTC))
    return window


def _warehouse(sale: SaleSnapshot, erp_instance: str) -> place_pb2.Location:
    warehouse = sale.warehouse
    if warehouse is None:
        raise UntranslatableSaleError(f"sale {sale.number} names no warehouse; set one in the ERP")
    address = sale.addresses.get(warehouse.address) if warehouse.address is not None else None
    place = location(address, sale.time_zone, erp_instance) if address else place_pb2.Location(time_zone=sale.time_zone)
    place.name = warehouse.name[:200]
    code = _reference(erp_instance, reference_pb2.REFERENCE_TYPE_OTHER, warehouse.code or str(warehouse.id))
    code.raw_type = WAREHOUSE_REFERENCE
    place.references.append(code)
    return place


def _reference(
    system: str, kind: reference_pb2.ReferenceType.ValueType, value: str, issuer: str = ""
) -> reference_pb2.ExternalReference:
    return reference_pb2.ExternalReference(system=system, type=kind, value=value[:200], issuer=issuer[:100])
