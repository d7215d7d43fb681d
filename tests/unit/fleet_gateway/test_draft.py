"""Orders and vehicles as a problem in plain numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gladhand.errors import InvalidArgument
from logistics.dispatch.v1.dispatch_service_pb2 import SKIP_REASON_DEMAND_INVALID, SKIP_REASON_LOCATION_UNKNOWN
from logistics.fleet.v1 import Capacity
from logistics.fleet.v1.vehicle_pb2 import (
    CAPACITY_DIMENSION_PALLET_PLACES,
    CAPACITY_DIMENSION_VOLUME,
    CAPACITY_DIMENSION_WEIGHT,
)
from logistics.order.v1 import OrderLine, TemperatureRange
from logistics.type.v1 import GeoPoint, Location, Quantity, TimeWindow
from services.fleet_gateway.planner.demand import DemandInvalid, amount_of, capacity_of
from services.fleet_gateway.planner.draft import Draft, Horizon, ServiceTimes, draft, trucks_of, unassigned_of
from services.fleet_gateway.planner.port import UNLIMITED, Skip
from tests.adapters.fleet.samples import COLFAX, START, VEHICLES, an_id, line, stamp, to_plan, vehicle, window

HORIZON = Horizon(START, START + timedelta(hours=10))
TRUCKS = trucks_of(VEHICLES, HORIZON)


def drafted(*orders: object) -> Draft:
    return draft(list(orders), TRUCKS, HORIZON, ServiceTimes())  # type: ignore[arg-type]


def quantity(value: str, unit: str) -> Quantity:
    return Quantity(value=value, unit_code=unit)


def test_lines_for_one_place_travel_together_and_others_apart() -> None:
    found = drafted(to_plan("a", [line("1"), line("2", ship_to=COLFAX), line("3")]))
    assert [[each.line_id for each in lot.lines] for lot in found.lots.values()] == [["1", "3"], ["2"]]
    assert [shipment.amount for shipment in found.problem.shipments] == [(200_000, 2_000_000), (100_000, 1_000_000)]


def test_only_the_lines_asked_for_are_planned() -> None:
    found = drafted(to_plan("a", [line("1"), line("2")], line_ids=["2"]))
    assert [[each.line_id for each in lot.lines] for lot in found.lots.values()] == [["2"]]
    with pytest.raises(InvalidArgument) as refusal:
        drafted(to_plan("a", [line("1")]), to_plan("b", [line("1")], line_ids=["1", "7"]))
    assert refusal.value.violations[0].field == "orders[1].line_ids[1]"


def test_more_than_a_vehicle_holds_is_split_by_line() -> None:
    found = drafted(to_plan("a", [line("1", kilograms="600"), line("2", kilograms="500")]))
    assert [[each.line_id for each in lot.lines] for lot in found.lots.values()] == [["1"], ["2"]]


def test_goods_with_a_temperature_need_a_cooled_vehicle() -> None:
    cold = line("1")
    cold.temperature.CopyFrom(TemperatureRange(min_celsius=2, max_celsius=8))
    found = drafted(to_plan("a", [cold], features=["tail_lift"]))
    assert found.problem.shipments[0].features == {"cooled", "tail_lift"}


@pytest.mark.parametrize(
    "place", [Location(name="nowhere"), Location(name="form", point=GeoPoint()), None], ids=["no point", "0,0", "none"]
)
def test_a_place_without_coordinates_is_told(place: Location | None) -> None:
    found = drafted(to_plan("a", [line("1")], ship_to=place), to_plan("b", [line("1")], ship_from=place or Location()))
    told = unassigned_of(found, {})
    assert [(u.order_id, u.reason) for u in told] == [
        (an_id("a"), SKIP_REASON_LOCATION_UNKNOWN),
        (an_id("b"), SKIP_REASON_LOCATION_UNKNOWN),
    ]
    assert "delivery place" in told[0].message
    assert "pickup place" in told[1].message
    assert found.problem.shipments == ()


def test_one_bad_line_does_not_hold_up_the_others() -> None:
    bad = OrderLine(line_id="2", weight=quantity("-1", "KGM"))
    odd = OrderLine(line_id="3", volume=quantity("1", "KGM"))
    found = drafted(to_plan("a", [line("1"), bad, odd]))
    told = unassigned_of(found, {})
    assert [(list(u.line_ids), u.reason) for u in told] == [
        (["2"], SKIP_REASON_DEMAND_INVALID),
        (["3"], SKIP_REASON_DEMAND_INVALID),
    ]
    assert "line 2: weight.value is -1" in told[0].message
    assert "MTQ" in told[1].message
    assert [lot.lines[0].line_id for lot in found.lots.values()] == ["1"]


def test_reasons_of_one_order_are_told_together() -> None:
    found = drafted(to_plan("a", [line("1"), line("2", ship_to=COLFAX)]))
    skips = dict.fromkeys(found.lots, Skip.NO_CAPACITY_LEFT)
    assert [list(u.line_ids) for u in unassigned_of(found, skips)] == [["1", "2"]]


def test_amounts_are_exact_and_round_against_the_planner() -> None:
    lines = [
        OrderLine(weight=quantity("0.0001", "KGM"), volume=quantity("0.0000001", "MTQ")),
        OrderLine(weight=quantity("1.5", "TNE"), volume=quantity("2", "LTR")),
        OrderLine(),
    ]
    assert amount_of(lines) == (1_500_001, 2_001)
    full = [
        Capacity(dimension=CAPACITY_DIMENSION_WEIGHT, quantity=quantity("10", "LBR")),
        Capacity(dimension=CAPACITY_DIMENSION_PALLET_PLACES, quantity=quantity("3", "C62")),
    ]
    assert capacity_of(vehicle("t", capacities=full)) == (4535, UNLIMITED)
    with pytest.raises(DemandInvalid, match=r"capacities\[0\]\.quantity\.unit_code"):
        capacity_of(
            vehicle("t", capacities=[Capacity(dimension=CAPACITY_DIMENSION_VOLUME, quantity=quantity("1", "KGM"))])
        )


def test_windows_exclude_their_end_and_are_cut_to_the_horizon() -> None:
    assert HORIZON.bounds(None) == (0, 36_000, False)
    assert HORIZON.bounds(window(timedelta(hours=1), timedelta(hours=2))) == (3600, 7199, False)
    assert HORIZON.bounds(window(timedelta(hours=-1), timedelta(hours=20), hard=False)) == (0, 36_000, True)
    half = TimeWindow(start_time=stamp(START + timedelta(milliseconds=500)), hard=True)
    assert HORIZON.bounds(half) == (1, 36_000, False)


def test_a_vehicle_without_a_home_is_no_truck() -> None:
    assert trucks_of([vehicle("t", home_site=Location(name="somewhere"))], HORIZON) == ()
    assert [truck.key for truck in trucks_of([vehicle("b"), vehicle("a")], HORIZON)] == ["a", "b"]
