"""How goods must be kept, by line and policy, and what a decision takes off."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration

from gladhand.errors import InvalidArgument
from gladhand.validation import check
from logistics.exception.v1 import ExcursionDecision, ExcursionOutcome
from logistics.load.v1 import Load, Stop, StopTask
from logistics.order.v1 import ColdChainWatch, LineQuantities, Order, OrderLine, TemperatureRange
from logistics.process.v1 import ColdChainPolicy, ProbeSelection
from logistics.type.v1 import DecidingProbe, Money, Quantity, TemperatureProfile
from services.orchestrator.cold_chain import credits_of, profile_of, with_profiles
from services.orchestrator.deciders.load.cold import kept_cold

STRICT = ColdChainPolicy(
    consecutive_limit=Duration(seconds=300),
    max_sample_gap=Duration(seconds=120),
    probe_selection=ProbeSelection.PROBE_SELECTION_MEAN,
)
RANGE = OrderLine(line_id="1", temperature=TemperatureRange(min_celsius=2, max_celsius=8))


def test_the_probes_of_profile_and_policy_are_the_same() -> None:
    policy = {name.removeprefix("PROBE_SELECTION_"): int(number) for name, number in ProbeSelection.items()}
    assert policy == {name.removeprefix("DECIDING_PROBE_"): int(number) for name, number in DecidingProbe.items()}


def test_a_range_is_a_profile_with_the_policys_limits_and_what_that_leaves_open_is_the_default() -> None:
    profile = profile_of(RANGE, STRICT)
    assert profile is not None
    assert (profile.min_celsius, profile.max_celsius) == (2, 8)
    assert (profile.consecutive_limit.seconds, profile.cumulative_limit.seconds) == (300, 3600)
    assert profile.min_sample_interval.seconds == 120
    assert profile.deciding_probe == DecidingProbe.DECIDING_PROBE_MEAN


def test_a_lines_own_profile_goes_before_and_ambient_goods_have_none() -> None:
    line = OrderLine(line_id="1", temperature=RANGE.temperature)
    line.profile.CopyFrom(TemperatureProfile(min_celsius=-20, max_celsius=-18, consecutive_limit=Duration(seconds=7)))
    profile = profile_of(line, STRICT)
    assert profile is not None
    assert (profile.max_celsius, profile.consecutive_limit.seconds) == (-18, 7)
    assert profile_of(OrderLine(line_id="2"), STRICT) is None


def test_a_load_tells_what_must_be_kept_cold_and_a_new_plan_does_not_forget_it() -> None:
    stop = Stop(stop_id="s", tasks=[StopTask(order_id="O", line_id="1"), StopTask(order_id="O", line_id="2")])
    sold = Order(order_id="O", lines=[RANGE, OrderLine(line_id="2")])
    told = with_profiles(Load(load_id="L", stops=[stop]), {"O": (sold, STRICT)})
    assert [task.HasField("profile") for task in told.stops[0].tasks] == [True, False]
    assert kept_cold(told, [stop]) == list(told.stops)


@pytest.mark.parametrize(("setpoint", "fits"), [(-15, False), (4, True), (8, True), (8.1, False)])
def test_a_setpoint_outside_of_the_range_is_refused_with_the_remedy(setpoint: float, fits: bool) -> None:
    profile = TemperatureProfile(min_celsius=4, max_celsius=8, setpoint_celsius=setpoint)
    if fits:
        check(profile)
        return
    with pytest.raises(InvalidArgument, match="correct the setpoint or the range"):
        check(profile)


def test_a_credit_is_an_amount_or_a_share_of_what_was_accepted() -> None:
    def watch(load_id: str, **more: object) -> ColdChainWatch:
        outcome = ExcursionOutcome.EXCURSION_OUTCOME_RELEASED_WITH_CREDIT
        return ColdChainWatch(load_id=load_id, line_id="1", decision=ExcursionDecision(outcome=outcome, **more))  # type: ignore[arg-type]

    line = OrderLine(
        line_id="1",
        unit_price=Money(currency="USD", units=3, nanos=330_000_000),
        quantities=LineQuantities(accepted=Quantity(value="7", unit_code="C62")),
    )
    share = watch("L", credit_permille=150)
    amount = watch("M", credit=Money(currency="USD", units=1, nanos=750_000_000))
    rejected = ColdChainWatch(load_id="N", line_id="1")
    sold = Order(lines=[line], cold_chain=[share, amount, rejected])
    assert credits_of(sold) == {"1": Money(currency="USD", units=5, nanos=250_000_000)}
    assert credits_of(Order(lines=[OrderLine(line_id="1")], cold_chain=[share])) == {}
