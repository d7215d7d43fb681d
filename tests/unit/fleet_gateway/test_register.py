"""The fleet register is read whole, or refused with the place of the fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.tryton.denver import WAREHOUSES
from gladhand.errors import StartRefused
from logistics.fleet.v1.vehicle_pb2 import VEHICLE_STATUS_AVAILABLE
from services.fleet_gateway.adapters import rules
from services.fleet_gateway.register import read_register

VEHICLE = """
[[vehicles]]
vehicle_id = "van-1"
kind = "VEHICLE_KIND_VAN"
"""


def test_the_demo_fleet_stands_at_the_demo_warehouses(repository: Path) -> None:
    found = read_register(repository / "deploy" / "fleet" / "denver.toml")
    assert len(found.vehicles) == len(found.drivers) == 3
    assert {v.usual_driver_id for v in found.vehicles} == {d.driver_id for d in found.drivers}
    homes = {(v.home_site.name, v.home_site.point.latitude, v.home_site.point.longitude) for v in found.vehicles}
    places = [w.place for w in WAREHOUSES]
    assert homes == {(p.name, float(p.latitude or ""), float(p.longitude or "")) for p in places}
    assert all(v.status == VEHICLE_STATUS_AVAILABLE and rules.driveable(v) for v in found.vehicles)
    devices = [d.device_id for v in found.vehicles for d in v.telematics_devices if d.provider == "osmand"]
    assert len(set(devices)) == 3


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[[vehicles]\n", "cannot be read"),
        ("vehicles = 3\n", "list of tables"),
        ("[[trucks]]\n", "holds trucks"),
        ('[[vehicles]]\nvehicle_id = "van 1"\n', r"vehicles\[0\].*vehicle_id"),
        (VEHICLE + 'colour = "red"\n', r"vehicles\[0\].*colour"),
        (VEHICLE + VEHICLE, "van-1 more than once"),
        (
            VEHICLE
            + 'capacities = [{dimension = "CAPACITY_DIMENSION_WEIGHT", quantity = {value = "1", unit_code = "MTQ"}}]',
            r"vehicles\[0\].capacities\[0\].quantity.unit_code",
        ),
        ('[[drivers]]\ndriver_id = "d"\nphone = "call me"\n', r"drivers\[0\].*phone"),
    ],
)
def test_a_fault_is_named_by_its_place(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(text)
    with pytest.raises(StartRefused, match=word):
        read_register(file)


def test_a_file_that_is_not_there_refuses_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="cannot be read"):
        read_register(tmp_path / "none.toml")


def test_times_may_be_written_as_times(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    pairing = (
        'telematics_devices = [{provider = "osmand", device_id = "1", valid_from_time = 2026-01-05T08:00:00+01:00}]'
    )
    file.write_text(VEHICLE + pairing)
    (found,) = read_register(file).vehicles
    assert found.telematics_devices[0].valid_from_time.ToJsonString() == "2026-01-05T07:00:00Z"
