"""Whether an order may be released, judged by what the ERP knows (pure).

One check per kind at least; a failed check names its reason, the line, and what would help (``ErrorReason``).
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from logistics.order.v1 import order_pb2
from logistics.type.v1 import place_pb2, reference_pb2
from services.erp_gateway.adapters.port import OrderFacts
from services.erp_gateway.translation import reference_value

SHORTEST_SERVICE = dt.timedelta(minutes=15)
"""A delivery window with less time left than this cannot be served."""

_KINDS = (
    order_pb2.VALIDATION_KIND_CUSTOMER,
    order_pb2.VALIDATION_KIND_LOCATION,
    order_pb2.VALIDATION_KIND_STOCK,
    order_pb2.VALIDATION_KIND_DELIVERY_WINDOW,
    order_pb2.VALIDATION_KIND_CREDIT,
)


def checks_of(order: order_pb2.Order, facts: OrderFacts, now: dt.datetime) -> list[order_pb2.ValidationCheck]:
    """Every check with its result: the failed ones, and a PASS for each kind without a failure."""
    failed = [
        *_customer(order, facts),
        *_places(order, facts),
        *_stock(order, facts),
        *_window(order, now),
        *_credit(order, facts),
    ]
    bad = {check.kind for check in failed}
    passed = [
        order_pb2.ValidationCheck(kind=kind, result=order_pb2.CHECK_RESULT_PASS) for kind in _KINDS if kind not in bad
    ]
    return failed + passed


def _fail(
    kind: order_pb2.ValidationKind.ValueType, reason: str, message: str, line_id: str = ""
) -> order_pb2.ValidationCheck:
    return order_pb2.ValidationCheck(
        kind=kind, result=order_pb2.CHECK_RESULT_FAIL, reason=reason, message=message, line_id=line_id
    )


def _customer(order: order_pb2.Order, facts: OrderFacts) -> list[order_pb2.ValidationCheck]:
    code = reference_value(order.customer.references, reference_pb2.REFERENCE_TYPE_PARTY)
    if facts.customer_active:
        return []
    message = (
        f"the ERP does not know customer {code!r}; create the customer or correct the code"
        if facts.customer_active is None
        else f"customer {code!r} is closed in the ERP; open it again or sell to another"
    )
    return [_fail(order_pb2.VALIDATION_KIND_CUSTOMER, "CUSTOMER_UNKNOWN", message)]


def _places(order: order_pb2.Order, facts: OrderFacts) -> list[order_pb2.ValidationCheck]:
    customer = reference_value(order.customer.references, reference_pb2.REFERENCE_TYPE_PARTY)
    problem = _place_problem(order.ship_from, None, facts)
    found = [_location_check(f"pickup: {problem}")] if problem else []
    by_default = [line for line in order.lines if not line.HasField("ship_to")]
    if by_default:
        problem = (
            _place_problem(order.ship_to, customer, facts)
            if order.HasField("ship_to")
            else "the order has no delivery address; set one in the ERP"
        )
        found.extend(_location_check(problem, line.line_id) for line in by_default if problem)
    for line in order.lines:
        if line.HasField("ship_to"):
            problem = _place_problem(line.ship_to, customer, facts)
            if problem:
                found.append(_location_check(problem, line.line_id))
    return found


def _location_check(message: str, line_id: str = "") -> order_pb2.ValidationCheck:
    return _fail(order_pb2.VALIDATION_KIND_LOCATION, "LOCATION_INVALID", message, line_id)


def _place_problem(place: place_pb2.Location, customer: str | None, facts: OrderFacts) -> str:
    name = reference_value(place.references, reference_pb2.REFERENCE_TYPE_ADDRESS)
    known = facts.places.get(name)
    if known is None:
        return f"the ERP does not know the address {place.name!r}; choose one of the party's addresses"
    if customer is not None and known.party_code != customer:
        return f"the address {place.name!r} belongs to {known.party_code!r}, not to customer {customer!r}"
    if not known.has_point or not place.HasField("point"):
        return f"the address {place.name!r} has no position; add a geo: URI to it in the ERP"
    return ""


def _stock(order: order_pb2.Order, facts: OrderFacts) -> list[order_pb2.ValidationCheck]:
    left = dict(facts.available)
    found = []
    for line in order.lines:
        available = left.get(line.sku)
        ordered = Decimal(line.quantities.ordered.value)
        if available is None:
            message = f"the ERP does not know product {line.sku!r}; create it or correct the code"
        elif ordered > available:
            message = (
                f"{ordered} of {line.sku} ordered, {max(available, Decimal(0))} available at {order.ship_from.name}; "
                "order less, wait for stock or deliver from another warehouse"
            )
        else:
            left[line.sku] = available - ordered
            continue
        found.append(_fail(order_pb2.VALIDATION_KIND_STOCK, "STOCK_SHORT", message, line.line_id))
    return found


def _window(order: order_pb2.Order, now: dt.datetime) -> list[order_pb2.ValidationCheck]:
    if not order.HasField("delivery_window") or not order.delivery_window.HasField("end_time"):
        return []
    window = order.delivery_window
    end = window.end_time.ToDatetime(dt.UTC)
    start = max(window.start_time.ToDatetime(dt.UTC), now) if window.HasField("start_time") else now
    if end - start >= SHORTEST_SERVICE:
        return []
    minutes = int(SHORTEST_SERVICE.total_seconds() // 60)
    message = f"the delivery window ends {end:%Y-%m-%dT%H:%M:%SZ}, less than {minutes} min remain; agree a new window"
    return [_fail(order_pb2.VALIDATION_KIND_DELIVERY_WINDOW, "DELIVERY_WINDOW_INVALID", message)]


def _credit(order: order_pb2.Order, facts: OrderFacts) -> list[order_pb2.ValidationCheck]:
    if facts.credit_limit is None or facts.credit_used <= facts.credit_limit:
        return []
    message = (
        f"{facts.credit_used} {order.currency} owed or on order exceed the credit limit of "
        f"{facts.credit_limit} {order.currency}; collect payment or raise the limit"
    )
    return [_fail(order_pb2.VALIDATION_KIND_CREDIT, "CREDIT_REFUSED", message)]
