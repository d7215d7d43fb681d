"""Temperatures amount to the same in any order and with any repetition; limits, gaps and coverage always hold."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from logistics.exception.v1 import ColdChainVerdict
from logistics.type.v1 import DecidingProbe
from services.edge_gateway.cold_chain.judging import Judgement, Kind, Rules, Sample, Span, judge
from services.edge_gateway.cold_chain.samples import Samples

MINUTE = 60 * 1_000_000_000
RULES = Rules(Decimal(2), Decimal(8), consecutive=30 * MINUTE, cumulative=60 * MINUTE, gap=20 * MINUTE)
START = 1_000 * MINUTE
IN_RANGE, NEAR_MISS, OUT, BREACH = range(1, 5)


def sample(minute: int, celsius: int, name: str = "", sensor: str = "") -> Sample:
    at = START + minute * MINUTE
    return Sample(at, name or f"{sensor}{minute}", Kind.CARGO, sensor, Decimal(celsius), at + MINUTE)


@st.composite
def rides(draw: st.DrawFn) -> list[Sample]:
    """Samples of one to three probes, at least a minute apart, with some long pauses."""
    found: list[Sample] = []
    for sensor in draw(st.sampled_from([("a",), ("a", "b"), ("a", "b", "c")])):
        minute = draw(st.integers(0, 15))
        for pause in draw(st.lists(st.sampled_from([1, 5, 10, 20, 21, 45]), max_size=20)):
            found.append(sample(minute, draw(st.integers(-2, 12)), sensor=sensor))
            minute += pause
    return found


def judged(samples: list[Sample], *, minutes: int | None = None, now: int = 100_000, rules: Rules = RULES) -> Judgement:
    end = None if minutes is None else START + minutes * MINUTE
    return judge(rules, Span(START, end), samples, START + now * MINUTE)


@given(rides(), st.randoms(use_true_random=False), st.sampled_from([None, 60, 300]))
def test_order_and_duplicates_do_not_matter(samples: list[Sample], dice: Random, minutes: int | None) -> None:
    disorder = samples + dice.choices(samples, k=dice.randrange(6)) if samples else []
    dice.shuffle(disorder)
    kept = Samples()
    for each in disorder:
        kept.add("V", each)
    assert judged(list(kept.between("V", START, None)), minutes=minutes) == judged(samples, minutes=minutes)


@given(rides(), st.integers(1, 400))
def test_the_figures_of_every_ride_hold_together(samples: list[Sample], minutes: int) -> None:
    found = judged(samples, minutes=minutes)
    assert 0 <= found.coverage_percent <= 100
    assert 0 <= found.longest <= found.cumulative <= minutes * MINUTE
    over = found.longest > RULES.consecutive or found.cumulative > RULES.cumulative
    assert (found.verdict == BREACH) == over == (found.breach is not None)
    assert (found.verdict == IN_RANGE) == (found.out_start is None)
    for gap in found.gaps:
        assert gap.end is not None
        assert gap.end - gap.start > RULES.gap or not found.points
        assert not any(gap.start < point.at < gap.end for point in found.points)
    missing = sum((gap.end or 0) - gap.start for gap in found.gaps)
    assert found.coverage_percent == (minutes * MINUTE - missing) * 100 // (minutes * MINUTE)


@given(rides())
def test_a_silence_longer_than_allowed_is_never_in_range(samples: list[Sample]) -> None:
    found = judged(samples, minutes=500)
    times = sorted({START, START + 500 * MINUTE, *(each.at for each in found.considered)})
    longest = max(there - here for here, there in pairwise(times))
    assert found.sensor_lost == (longest > RULES.gap or not found.considered)
    assert found.sensor_lost == (found.coverage_percent < 100)


@given(st.integers(1, 20), st.integers(0, 120))
def test_one_stretch_breaches_when_it_lasts_longer_than_its_limit(pace: int, length: int) -> None:
    warm = [sample(minute, 9) for minute in range(0, length + 1, pace)]
    back = (length // pace + 1) * pace
    found = judged([*warm, sample(back, 5)], minutes=back)
    assert found.longest == back * MINUTE
    assert (found.verdict == BREACH) == (back > 30)
    if back > 30:
        assert found.breach == START + 30 * MINUTE
        assert found.out_end == START + back * MINUTE


@given(st.integers(1, 12))
def test_many_short_stretches_breach_together(stretches: int) -> None:
    samples = [sample(20 * n + part, warmth) for n in range(stretches) for part, warmth in ((0, 9), (10, 5))]
    found = judged(samples, minutes=20 * stretches)
    assert found.longest == 10 * MINUTE
    assert found.cumulative == 10 * stretches * MINUTE
    assert found.verdict == (BREACH if stretches > 6 else NEAR_MISS)


@given(rides(), rides())
def test_more_samples_only_ever_change_a_verdict_by_what_they_say(first: list[Sample], later: list[Sample]) -> None:
    """All in range, whatever comes: in range. One out of range, whatever else comes: never again in range."""
    calm = [replaced(each) for each in first]
    assert judged(calm, minutes=400).verdict == IN_RANGE
    hot = sample(200, 30, name="hot", sensor="z")
    assert judged([*calm, hot, *(each._replace(sample_id=f"l{each.sample_id}") for each in later)]).verdict != IN_RANGE


def replaced(each: Sample) -> Sample:
    return each._replace(celsius=Decimal(5))


class TestWhatIsUnderWay:
    def test_is_out_of_range_until_it_is_back(self) -> None:
        warm = [sample(0, 5), sample(5, 9), sample(10, 9)]
        assert judged(warm, now=12).verdict == OUT
        back = judged([*warm, sample(15, 5)], now=17)
        assert (back.verdict, back.out_start, back.out_end) == (NEAR_MISS, START + 5 * MINUTE, START + 15 * MINUTE)

    def test_counts_only_what_was_heard_until_the_sensor_is_lost(self) -> None:
        warm = [sample(0, 9), sample(15, 9)]
        assert judged(warm, now=35).verdict == OUT
        silent = judged(warm, now=36)
        assert (silent.verdict, silent.breach) == (BREACH, START + 30 * MINUTE)
        assert silent.gaps == ((START + 15 * MINUTE, None),)

    def test_a_breach_found_in_silence_is_refuted_by_samples_that_come_late(self) -> None:
        late = [sample(0, 9), sample(15, 9), sample(16, 5), sample(30, 5)]
        found = judged(late, now=40)
        assert (found.verdict, found.gaps, found.coverage_percent) == (NEAR_MISS, (), 100)

    def test_nothing_heard_at_all_is_a_lost_sensor_and_no_coverage(self) -> None:
        assert not judged([], now=20).sensor_lost
        assert judged([], now=21).gaps == ((START, None),)
        ended = judged([], minutes=5)
        assert (ended.coverage_percent, ended.sensor_lost) == (0, True)


class TestProbes:
    def test_the_worst_decides_the_mean_or_the_return_air(self) -> None:
        pair = [
            sample(0, 5, sensor="a"),
            sample(0, 9, sensor="b"),
            sample(10, 5, sensor="a"),
            sample(10, 9, sensor="b"),
        ]
        air = [each._replace(kind=Kind.RETURN_AIR, sample_id=f"r{each.at}", celsius=Decimal(1)) for each in pair[::2]]
        mean = replace(RULES, probe=DecidingProbe.DECIDING_PROBE_MEAN)
        returning = replace(RULES, probe=DecidingProbe.DECIDING_PROBE_RETURN_AIR)
        assert judged([*pair, *air], now=11).verdict == OUT
        assert judged([*pair, *air], now=11, rules=mean).verdict == IN_RANGE
        cold = judged([*pair, *air], now=11, rules=returning)
        assert (cold.verdict, cold.peak.celsius if cold.peak else None) == (OUT, Decimal(1))

    def test_without_probes_in_the_cargo_the_return_air_decides(self) -> None:
        air = sample(0, 9)._replace(kind=Kind.RETURN_AIR)
        assert judged([air], now=1).verdict == OUT

    def test_setpoint_and_door_decide_nothing(self) -> None:
        others = [sample(1, 20, name="s")._replace(kind=Kind.SETPOINT), sample(2, 1, name="d")._replace(kind=Kind.DOOR)]
        found = judged([sample(0, 5), *others], now=3)
        assert found.verdict == ColdChainVerdict.COLD_CHAIN_VERDICT_IN_RANGE
        assert len(found.considered) == 3
