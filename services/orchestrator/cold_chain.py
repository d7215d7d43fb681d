"""Which goods must be kept cold, and how: by an order line's own profile, else by range and policy (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, cast

from google.protobuf.duration_pb2 import Duration

from logistics.exception.v1 import ExcursionOutcome
from logistics.load.v1 import Load
from logistics.order.v1 import Order, OrderLine
from logistics.process.v1 import ColdChainPolicy
from logistics.type.v1 import DecidingProbe, Money, ProfileScope, TemperatureProfile
from services.orchestrator.quantities import decimal_of

_CONSECUTIVE_S: Final = 30 * 60
_CUMULATIVE_S: Final = 60 * 60
_GAP_S: Final = 20 * 60
_COVERAGE_PERCENT: Final = 90
_REVIEW_DUE_S: Final = 4 * 60 * 60
_REVIEWER_SCOPE: Final = "compliance.review"
_NANOS: Final = Decimal(1_000_000_000)


def is_cold(line: OrderLine) -> bool:
    """Return whether a line must be kept at a temperature."""
    return line.HasField("profile") or line.HasField("temperature")


def profile_of(line: OrderLine, policy: ColdChainPolicy) -> TemperatureProfile | None:
    """Return how a line must be kept, with every limit filled in; None for ambient goods."""
    if not is_cold(line):
        return None
    profile = TemperatureProfile()
    if line.HasField("profile"):
        profile.CopyFrom(line.profile)
    else:
        profile.min_celsius, profile.max_celsius = line.temperature.min_celsius, line.temperature.max_celsius
    _fill(profile.consecutive_limit, policy.consecutive_limit, _CONSECUTIVE_S)
    _fill(profile.cumulative_limit, policy.cumulative_limit, _CUMULATIVE_S)
    _fill(profile.min_sample_interval, policy.max_sample_gap, _GAP_S)
    # The numbers of both enums mean the same, which a test holds.
    probe = profile.deciding_probe or cast("DecidingProbe.ValueType", policy.probe_selection)
    profile.deciding_probe = probe or DecidingProbe.DECIDING_PROBE_WORST
    profile.scope = profile.scope or ProfileScope.PROFILE_SCOPE_LOADED_ONLY
    return profile


def with_profiles(load: Load, orders: Mapping[str, tuple[Order, ColdChainPolicy]]) -> Load:
    """Return a load whose tasks tell how their goods must be kept. `orders` are those on it, each with its policy."""
    told = Load()
    told.CopyFrom(load)
    lines = {
        (order_id, line.line_id): profile_of(line, policy)
        for order_id, (order, policy) in orders.items()
        for line in order.lines
    }
    for stop in told.stops:
        for task in stop.tasks:
            profile = lines.get((task.order_id, task.line_id))
            if profile is not None:
                task.profile.CopyFrom(profile)
    return told


def required_coverage(policy: ColdChainPolicy) -> int:
    """Return how much of a ride samples must cover, in percent."""
    return policy.min_coverage_percent or _COVERAGE_PERCENT


def review_due_s(policy: ColdChainPolicy) -> int:
    """Return how long a compliance review may take, in seconds."""
    return policy.review_due.seconds or _REVIEW_DUE_S


def reviewer_scope(policy: ColdChainPolicy) -> str:
    """Return the scope that whoever decides a compliance review must hold."""
    return policy.reviewer_scope or _REVIEWER_SCOPE


def credits_of(order: Order) -> dict[str, Money]:
    """Return what customers get off for excursions, by line: what was decided, or its share of what was accepted.

    A share of a line without a price of its own cannot be reckoned here and is left out: the ERP prices it.
    """
    found: dict[str, Money] = {}
    lines = {line.line_id: line for line in order.lines}
    for watch in order.cold_chain:
        line, decision = lines.get(watch.line_id), watch.decision
        if line is None or decision.outcome != ExcursionOutcome.EXCURSION_OUTCOME_RELEASED_WITH_CREDIT:
            continue
        credit = decision.credit if decision.HasField("credit") else _share(line, decision.credit_permille)
        if credit is not None:
            before = found.get(watch.line_id)
            found[watch.line_id] = credit if before is None else _money(credit.currency, [before, credit])
    return found


def _fill(limit: Duration, default: Duration, fallback_s: int) -> None:
    if not limit.ToNanoseconds():
        limit.CopyFrom(default if default.ToNanoseconds() else Duration(seconds=fallback_s))


def _share(line: OrderLine, permille: int) -> Money | None:
    if not line.HasField("unit_price"):
        return None
    price = line.unit_price.units + line.unit_price.nanos / _NANOS
    amount = (price * decimal_of(line.quantities.accepted) * permille / 1000).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return _of_nanos(line.unit_price.currency, int(amount * _NANOS))


def _money(currency: str, parts: Iterable[Money]) -> Money:
    return _of_nanos(currency, sum(part.units * int(_NANOS) + part.nanos for part in parts))


def _of_nanos(currency: str, nanos: int) -> Money:
    sign = -1 if nanos < 0 else 1
    units, rest = divmod(abs(nanos), int(_NANOS))
    return Money(currency=currency, units=sign * units, nanos=sign * rest)
