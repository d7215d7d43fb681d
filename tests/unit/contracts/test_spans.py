"""Bounds are compared by the values that they let through, whatever their form."""

from __future__ import annotations

from typing import Any

from buf.validate.validate_pb2 import DoubleRules, DurationRules, Int64Rules, StringRules
from hypothesis import example, given
from hypothesis import strategies as some

from gladhand.contracts.comparison.spans import Bounds, cover, spans

VALUE = Bounds(over="gt", at_least="gte", under="lt", at_most="lte")
LENGTH = Bounds(exactly="len", at_least="min_len", at_most="max_len")
SMALL = some.integers(min_value=-4, max_value=4)


@some.composite
def rules(draw: some.DrawFn) -> Int64Rules:
    found: dict[str, Any] = {}
    for names in (("gt", "gte"), ("lt", "lte")):
        name = draw(some.sampled_from([None, *names]))
        if name is not None:
            found[name] = draw(SMALL)
    return Int64Rules(**found)


def accepts(found: Int64Rules, value: int) -> bool:
    """What protovalidate says: an upper bound below the lower one means outside of."""
    above = value > found.gt if found.HasField("gt") else value >= found.gte if found.HasField("gte") else None
    below = value < found.lt if found.HasField("lt") else value <= found.lte if found.HasField("lte") else None
    if above is None or below is None:
        return above is not False and below is not False
    low = found.gt if found.HasField("gt") else found.gte
    high = found.lt if found.HasField("lt") else found.lte
    return above or below if high < low else above and below


@given(old=rules(), new=rules())
@example(old=Int64Rules(), new=Int64Rules(lte=-1, gte=0))
def test_new_bounds_cover_the_old_ones_exactly_where_no_accepted_value_is_refused(
    old: Int64Rules, new: Int64Rules
) -> None:
    values = [value for value in range(-7, 8) if accepts(old, value)]
    lost = [value for value in values if not accepts(new, value)]
    if values:
        assert cover(spans(new, VALUE), spans(old, VALUE)) == (not lost), lost


def test_an_open_end_of_a_fraction_is_not_the_closed_one_below() -> None:
    assert not cover(spans(DoubleRules(lt=5), VALUE), spans(DoubleRules(lte=5), VALUE))
    assert cover(spans(DoubleRules(lte=5), VALUE), spans(DoubleRules(lt=5), VALUE))


def test_durations_are_compared_to_the_nanosecond() -> None:
    longer, shorter = DurationRules(), DurationRules()
    longer.lte.FromNanoseconds(1_000_000_001)
    shorter.lte.FromNanoseconds(1_000_000_000)
    assert cover(spans(longer, VALUE), spans(shorter, VALUE))
    assert not cover(spans(shorter, VALUE), spans(longer, VALUE))


def test_an_exact_length_lies_within_bounds_that_hold_it() -> None:
    assert cover(spans(StringRules(min_len=1, max_len=9), LENGTH), spans(StringRules(len=5), LENGTH))
    assert not cover(spans(StringRules(len=5), LENGTH), spans(StringRules(min_len=1, max_len=9), LENGTH))
