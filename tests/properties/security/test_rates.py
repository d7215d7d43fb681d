"""The token bucket, under any calls at any times."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gladhand.security.rates import USUAL, Buckets, Rate, TokenBucket, class_name, parse_rates

rates = st.builds(
    Rate,
    per_s=st.floats(0.01, 1000.0),
    burst=st.floats(1.0, 500.0),
)
pauses = st.lists(st.floats(0.0, 50.0), max_size=200)


@given(rates, pauses)
def test_in_no_span_of_time_more_is_given_than_burst_and_rate_allow(rate: Rate, steps: list[float]) -> None:
    bucket, now = TokenBucket(rate, 0.0), 0.0
    given_at = []
    for step in steps:
        now += step
        if bucket.take(now) == 0:
            given_at.append(now)
    for first in range(len(given_at)):
        for last in range(first, len(given_at), 7):
            allowed = rate.burst + rate.per_s * (given_at[last] - given_at[first])
            assert last - first + 1 <= allowed + 1e-6


@given(rates, pauses)
def test_whoever_waits_as_told_is_let_in_and_a_refusal_costs_nothing(rate: Rate, steps: list[float]) -> None:
    bucket, now = TokenBucket(rate, 0.0), 0.0
    for step in steps:
        now += step
        wait = bucket.take(now)
        if wait:
            assert 0 < wait <= 1 / rate.per_s + 1e-6
            assert bucket.take(now) == pytest.approx(wait, abs=1e-6)
            now += wait + 1e-6
            assert bucket.take(now) == 0


@given(rates, st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_a_clock_that_runs_backwards_gives_nothing_away(rate: Rate, start: float, back: float) -> None:
    bucket = TokenBucket(rate, start)
    for _ in range(math.floor(rate.burst)):
        assert bucket.take(start - back) == 0
    assert bucket.take(start - back) > 0


@given(rates, st.integers(1, 50), st.integers(1, 20))
def test_replicas_together_give_no_more_than_one_would_but_for_one_call_each(
    rate: Rate, replicas: int, seconds: int
) -> None:
    share = rate.share(replicas)
    assert share.per_s * replicas == pytest.approx(rate.per_s)
    assert share.burst * replicas <= max(rate.burst, replicas) + 1e-6


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0.0, 1.0)), max_size=300), st.integers(1, 30))
def test_memory_is_bounded_and_what_one_client_does_changes_nothing_for_another(
    calls: list[tuple[int, float]], most: int
) -> None:
    read = next(number for number in USUAL if class_name(number) == "READ")
    rate = Rate(1.0, 3.0)
    many, alone, now = Buckets({read: rate}, most=100), TokenBucket(rate, 0.0), 0.0
    small = Buckets({read: rate}, most=most)
    many.take("quiet", read, 0.0)
    alone.take(0.0)
    for client, step in calls:
        now += step
        many.take(f"client-{client}", read, now)
        small.take(f"client-{client}", read, now)
        assert len(small) <= most
        if client % 5 == 0:
            assert many.take("quiet", read, now) == alone.take(now)


@given(st.dictionaries(st.sampled_from([*map(class_name, USUAL)]), st.tuples(st.integers(1, 1000), st.integers(1, 99))))
def test_rates_are_read_as_they_are_written(wanted: dict[str, tuple[int, int]]) -> None:
    text = ", ".join(f"{name}={per_s}/s:{burst}" for name, (per_s, burst) in wanted.items())
    found = {class_name(number): rate for number, rate in parse_rates(text).items()}
    for number, usual in USUAL.items():
        name = class_name(number)
        assert found[name] == (Rate(*map(float, wanted[name])) if name in wanted else usual)
