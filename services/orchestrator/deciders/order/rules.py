"""What the rules of an order have in common: its presence, its refusals, and the reading of quantities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from gladhand.decider import Rejected
from logistics.error.v1 import ErrorReason
from logistics.order.v1 import LineMovement, Order, OrderLine, OrderState
from logistics.type.v1 import Quantity
from services.orchestrator.deciders.order.state import State
from services.orchestrator.deciders.refusal import no_way, refused, violated
from services.orchestrator.quantities import ZERO, UnitMismatch, decimal_of, difference, in_unit, total


def present(state: State) -> Order:
    """Return the order. Raises Rejected (ORDER_NOT_FOUND) before birth."""
    if state.order is None:
        raise refused(ErrorReason.ERROR_REASON_ORDER_NOT_FOUND, "there is no such order; submit it first")
    return state.order


def barred(order: Order, wish: str, remedy: str) -> Rejected:
    """Return the refusal of a wish that the order's state has no way for."""
    return no_way("order", OrderState, order.state, wish, remedy)


def line_of(order: Order, line_id: str) -> OrderLine:
    """Return a line. Raises Rejected (CONTRACT_VIOLATION) where the order has no such line."""
    for line in order.lines:
        if line.line_id == line_id:
            return line
    raise violated("lines.line_id", f"the order has no line {line_id}; name one of its lines", line_id=line_id)


def amount(line: OrderLine, quantity: Quantity, field: str) -> Decimal:
    """Return a quantity in the line's unit. Raises Rejected (CONTRACT_VIOLATION) on a negative or another unit."""
    unit_code = line.quantities.ordered.unit_code
    try:
        number = in_unit(quantity, unit_code)
    except UnitMismatch as mismatch:
        message = f"line {line.line_id} is counted in {unit_code}, but {mismatch}"
        raise violated(field, message, line_id=line.line_id) from mismatch
    if number < ZERO:
        raise violated(field, f"{field} of line {line.line_id} is negative; give zero or more", line_id=line.line_id)
    return number


def check_lines(order: Order, lines: Iterable[LineMovement]) -> None:
    """Check that movements name lines of the order, each once and in its unit. Raises Rejected."""
    seen: set[str] = set()
    for moved in lines:
        amount(line_of(order, moved.line_id), moved.quantity, "quantity")
        if moved.line_id in seen:
            raise violated("lines", f"line {moved.line_id} is named twice; give one total", line_id=moved.line_id)
        seen.add(moved.line_id)
    if not seen:
        raise violated("lines", "no line is named; name every line that moved")


def check_ceiling(
    order: Order,
    ceiling: Mapping[str, Decimal],
    others: Iterable[LineMovement],
    lines: Iterable[LineMovement],
    what: str,
) -> None:
    """Check that what moved now and elsewhere does not pass a line's ceiling. Raises Rejected (QUANTITY_EXCEEDED)."""
    before = list(others)
    for moved in lines:
        so_far = total(decimal_of(other.quantity) for other in before if other.line_id == moved.line_id)
        sum_of_all = total((so_far, decimal_of(moved.quantity)))
        if sum_of_all > ceiling[moved.line_id]:
            limit, name = ceiling[moved.line_id], "accepted" if what == "invoiced" else "ordered"
            raise refused(
                ErrorReason.ERROR_REASON_QUANTITY_EXCEEDED,
                f"line {moved.line_id} of order {order.order_id}: {sum_of_all:f} {what}, {limit:f} {name}; correct it",
                line_id=moved.line_id,
                **{name: f"{limit:f}", what: f"{sum_of_all:f}"},
            )


def ordered(order: Order) -> dict[str, Decimal]:
    """Return what was ordered, by line."""
    return {line.line_id: decimal_of(line.quantities.ordered) for line in order.lines}


def accepted(order: Order) -> dict[str, Decimal]:
    """Return what consignees kept, by line."""
    return {line.line_id: decimal_of(line.quantities.accepted) for line in order.lines}


def short_lines(order: Order) -> list[str]:
    """Return the lines of which less was kept than was ordered and not cancelled."""
    return [
        line.line_id
        for line in order.lines
        if decimal_of(line.quantities.accepted)
        < difference(decimal_of(line.quantities.ordered), decimal_of(line.quantities.cancelled))
    ]
