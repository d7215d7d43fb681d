"""Which shipments of a sale are completed with which quantities, so that exactly the accepted goods are shipped (pure).

The plan is reckoned from what the ERP shows, not from what an earlier attempt did: what is done already counts towards
the accepted quantity, open shipments supply the rest, and what then is still open is cancelled. So a repeated call
after any crash goes on where the first one stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from services.erp_gateway.adapters.tryton_order import open_shipments
from services.erp_gateway.adapters.tryton_snapshot import MoveRow, SaleSnapshot


class UnknownLineError(ValueError):
    """A line that the sale does not have; the message names it."""


class TooMuchAcceptedError(ValueError):
    """More was accepted of a line than its shipments hold; ``line_id``, ``accepted`` and ``shipped`` say so."""

    def __init__(self, line_id: str, accepted: Decimal, shipped: Decimal) -> None:
        super().__init__(f"{accepted} accepted on line {line_id}, the ERP's shipments hold {shipped}")
        self.line_id = line_id
        self.accepted = accepted
        self.shipped = shipped


class TooMuchShippedError(ValueError):
    """The ERP has already shipped more of a line than was accepted; only a return can undo that."""

    def __init__(self, line_id: str, accepted: Decimal, shipped: Decimal) -> None:
        super().__init__(f"{accepted} accepted on line {line_id}, the ERP has shipped {shipped} already")
        self.line_id = line_id
        self.accepted = accepted
        self.shipped = shipped


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """``quantities``: wanted quantity by outgoing move of the shipments to ``complete``; ``cancel``: shipments to end.

    ``done`` are shipments that are done already.
    """

    complete: tuple[int, ...] = ()
    cancel: tuple[int, ...] = ()
    done: tuple[int, ...] = ()
    quantities: Mapping[int, Decimal] = field(default_factory=dict)


def plan_delivery(sale: SaleSnapshot, accepted: Mapping[str, Decimal]) -> DeliveryPlan:
    """The plan for ``accepted`` quantities by canonical line id; lines that are not named accept nothing.

    Raises ``UnknownLineError``, ``TooMuchAcceptedError`` or ``TooMuchShippedError``.
    """
    quantities: dict[int, Decimal] = {}
    lines = {str(line.id) for line in sale.lines}
    for name, quantity in accepted.items():
        moves = moves_of(sale, name)
        if name.partition("-")[0] not in lines or any(move.id in quantities for move in moves):
            raise UnknownLineError(f"sale {sale.number} has no line {name!r}, or another line names the same goods")
        quantities |= _share(name, moves, quantity)
    for move in live_moves(sale):
        if move.id not in quantities:
            quantities |= _share(str(move.line), [move], Decimal(0))
    complete: list[int] = []
    cancel: list[int] = []
    live = open_shipments(sale)
    for shipment in live:
        if shipment.state == "done":
            continue
        wanted = sum((quantities[move.id] for move in live_moves(sale) if move.shipment == shipment.id), Decimal(0))
        (complete if wanted > 0 else cancel).append(shipment.id)
    return DeliveryPlan(
        complete=tuple(complete),
        cancel=tuple(cancel),
        done=tuple(shipment.id for shipment in live if shipment.state == "done"),
        quantities=quantities,
    )


def live_moves(sale: SaleSnapshot) -> list[MoveRow]:
    """The sale's moves that were not cancelled, in shipments that were not."""
    shipments = {shipment.id for shipment in open_shipments(sale)}
    return [move for move in sale.moves if move.shipment in shipments and move.state != "cancelled"]


def moves_of(sale: SaleSnapshot, name: str) -> list[MoveRow]:
    """The live moves behind a canonical line: a whole sale line, or its part at one address.

    Judged by the form of the name alone: the remainder that Tryton makes of a partial delivery goes to the sale's usual
    address and must not make a line look split that was not.
    """
    line, _, address = name.partition("-")
    places = {shipment.id: str(shipment.address) for shipment in sale.shipments}
    return [
        move
        for move in live_moves(sale)
        if str(move.line) == line and (not address or places[move.shipment] == address)
    ]


def shipped_quantities(sale: SaleSnapshot, names: Iterable[str]) -> dict[str, Decimal]:
    """What the ERP shows as delivered, for the wanted canonical lines."""
    return {name: _done(moves_of(sale, name)) for name in names}


def _share(name: str, moves: list[MoveRow], accepted: Decimal) -> dict[int, Decimal]:
    done = _done(moves)
    if done > accepted:
        raise TooMuchShippedError(name, accepted, done)
    left = accepted - done
    shares: dict[int, Decimal] = {}
    for move in moves:
        shares[move.id] = move.quantity if move.state == "done" else min(left, move.quantity)
        left -= 0 if move.state == "done" else shares[move.id]
    if left > 0:
        raise TooMuchAcceptedError(name, accepted, accepted - left)
    return shares


def _done(moves: list[MoveRow]) -> Decimal:
    return sum((move.quantity for move in moves if move.state == "done"), Decimal(0))
