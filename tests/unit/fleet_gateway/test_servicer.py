"""The service over a real server: an order's way through dispatch, and what is refused at the door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gladhand.errors import InvalidArgument
from gladhand.server import ServiceProcess
from gladhand.testing import VirtualClock
from logistics.dispatch.v1 import dispatch_service_pb2 as api
from logistics.dispatch.v1.dispatch_service_pb2_grpc import (
    DispatchServiceStub,
    add_DispatchServiceServicer_to_server,
)
from logistics.fleet.v1.vehicle_pb2 import VEHICLE_STATUS_AVAILABLE, VEHICLE_STATUS_IN_USE
from logistics.load.v1.load_pb2 import LOAD_STATE_COMPLETED, LOAD_STATE_DISPATCHED
from services.fleet_gateway.adapters.fleet_desk import FleetDesk
from services.fleet_gateway.planning import Planning
from services.fleet_gateway.servicer import Dispatch
from services.fleet_gateway.settings import FleetSettings
from tests.adapters.fleet.samples import COLFAX, START, an_id, line, stamp, to_plan

if TYPE_CHECKING:
    from logistics.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceAsyncStub


@pytest.fixture
async def stub(desk: FleetDesk, planning: Planning, tmp_path: Path) -> AsyncIterator[DispatchServiceAsyncStub]:
    async def build(process: ServiceProcess[FleetSettings]) -> None:
        servicer = Dispatch(desk, planning, device_cache=timedelta(seconds=2))
        process.add_servicer(add_DispatchServiceServicer_to_server, servicer, own_idempotency=True)

    settings = FleetSettings(data_dir=tmp_path, grace_s=1)
    async with (
        ServiceProcess("fleet_gateway", settings).serving(build) as running,
        grpc.aio.insecure_channel(running.target) as channel,
    ):
        yield DispatchServiceStub(channel)


async def refused(answer: object) -> tuple[str, error_details_pb2.ErrorInfo, list[str]]:
    """Await a call that must fail; return its status, its reason and the fields it names."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await answer  # type: ignore[misc]
    status = rpc_status.from_call(cast("grpc.Call", failure.value))
    assert status is not None
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        for kind in (info, bad):
            detail.Unpack(cast("Message", kind))
    return failure.value.code().name, info, [violation.field for violation in bad.field_violations]


async def test_a_load_goes_from_plan_to_completion(stub: DispatchServiceAsyncStub, clock: VirtualClock) -> None:
    orders = [to_plan("a"), to_plan("b", [line("1", kilograms="5000")])]
    plan = await stub.PlanLoads(api.PlanLoadsRequest(request_id=an_id("plan"), region="us", orders=orders))
    (load,) = plan.loads
    assert [each.order_id for each in plan.unassigned] == [an_id("b")]
    tender = await stub.TenderLoad(api.TenderLoadRequest(request_id=an_id("tender"), load_id=load.load_id))
    assert tender.answer == api.TENDER_ANSWER_ACCEPTED
    asked = api.AssignLoadRequest(request_id=an_id("assign"), load_id=load.load_id, expected_plan_version=1)
    assignment = (await stub.AssignLoad(asked)).assignment
    assert (await stub.AssignLoad(asked)).assignment == assignment
    sent = await stub.DispatchLoad(
        api.DispatchLoadRequest(request_id=an_id("send"), load_id=load.load_id, expected_epoch=assignment.epoch)
    )
    assert sent.dispatch_reference == "FD-000001"
    found = await stub.ResolveDevice(api.ResolveDeviceRequest(provider="osmand", device_id="device-truck-1"))
    assert (found.vehicle_id, found.load_id, found.assignment) == ("truck-1", load.load_id, assignment)
    assert found.cache_for.seconds == 2
    shown = await stub.GetLoad(api.GetLoadRequest(load_id=load.load_id))
    assert (shown.load.state, shown.load.dispatch_reference) == (LOAD_STATE_DISPATCHED, sent.dispatch_reference)
    replanned = await stub.ReplanLoad(
        api.ReplanLoadRequest(
            request_id=an_id("replan"),
            load_id=load.load_id,
            expected_plan_version=1,
            locked_stop_ids=[load.stops[0].stop_id],
            added_orders=[to_plan("c", [line("1", kilograms="20")], ship_to=COLFAX)],
        )
    )
    assert (replanned.load.plan_version, len(replanned.load.stops)) == (2, 4)
    clock.advance(timedelta(hours=1))
    moved = await stub.ReassignLoad(
        api.ReassignLoadRequest(
            request_id=an_id("re"),
            load_id=load.load_id,
            expected_epoch=1,
            vehicle_id="truck-2",
            reason="breakdown",
            vehicle_out_of_service=True,
        )
    )
    assert (moved.assignment.epoch, moved.ended_assignment.epoch) == (2, 1)
    await stub.DispatchLoad(api.DispatchLoadRequest(request_id=an_id("send again"), load_id=load.load_id))
    clock.advance(timedelta(hours=1))
    done = await stub.CompleteLoad(api.CompleteLoadRequest(request_id=an_id("end"), load_id=load.load_id))
    assert done.load.state == LOAD_STATE_COMPLETED
    back = api.SetVehicleStatusRequest(
        request_id=an_id("back"), vehicle_id="truck-1", status=VEHICLE_STATUS_AVAILABLE, reason="repaired"
    )
    assert (await stub.SetVehicleStatus(back)).vehicle.vehicle_id == "truck-1"
    early = await stub.ResolveDevice(
        api.ResolveDeviceRequest(device_id="device-truck-1", at_time=stamp(START + timedelta(minutes=30)))
    )
    assert early.assignment.epoch == 1


async def test_listings_go_page_by_page(stub: DispatchServiceAsyncStub, clock: VirtualClock) -> None:
    for name in ("a", "b"):
        request = api.PlanLoadsRequest(request_id=an_id(name), region="us", orders=[to_plan(name)])
        await stub.PlanLoads(request)
        clock.advance(timedelta(minutes=1))
    seen: list[str] = []
    token = ""
    for _ in range(2):
        page = await stub.ListLoads(api.ListLoadsRequest(page_size=1, page_token=token))
        seen += [load.planned_vehicle_id for load in page.loads]
        token = page.next_page_token
    assert (seen, token) == (["truck-2", "truck-1"], "")
    cars = await stub.ListVehicles(api.ListVehiclesRequest(page_size=2))
    assert [v.vehicle_id for v in cars.vehicles] == ["truck-1", "truck-2"]
    rest = await stub.ListVehicles(api.ListVehiclesRequest(page_size=2, page_token=cars.next_page_token))
    assert ([v.vehicle_id for v in rest.vehicles], rest.next_page_token) == (["truck-3"], "")
    people = await stub.ListDrivers(api.ListDriversRequest(page_size=1, available_only=True))
    assert [d.driver_id for d in people.drivers] == ["driver-1"]
    rest_of_people = await stub.ListDrivers(api.ListDriversRequest(available_only=True))
    assert [d.driver_id for d in rest_of_people.drivers] == ["driver-1", "driver-2", "driver-3"]
    assert (await stub.GetVehicle(api.GetVehicleRequest(vehicle_id="truck-3"))).vehicle.region == "eu"
    assert (await stub.GetDriver(api.GetDriverRequest(driver_id="driver-3"))).driver.driver_id == "driver-3"
    code, info, fields = await refused(
        stub.ListVehicles(api.ListVehiclesRequest(region="us", page_token=cars.next_page_token))
    )
    assert (code, info.reason, fields) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", ["page_token"])


async def test_garbage_is_refused_by_field(stub: DispatchServiceAsyncStub) -> None:
    good = to_plan("a")
    no_id = to_plan("b")
    no_id.order.order_id = ""
    negative = to_plan("c")
    negative.order.lines[0].quantities.ordered.value = "-4"
    cases: list[tuple[object, str]] = [
        (stub.PlanLoads(api.PlanLoadsRequest(region="us", orders=[good])), "request_id"),
        (stub.PlanLoads(api.PlanLoadsRequest(request_id="7", region="us", orders=[good])), "request_id"),
        (stub.PlanLoads(api.PlanLoadsRequest(request_id=an_id("x"), orders=[good])), "region"),
        (stub.PlanLoads(api.PlanLoadsRequest(request_id=an_id("x"), region="us")), "orders"),
        (stub.PlanLoads(api.PlanLoadsRequest(request_id=an_id("x"), region="us", orders=[no_id])), ""),
        (stub.PlanLoads(api.PlanLoadsRequest(request_id=an_id("x"), region="us", orders=[good, good])), ""),
        (
            stub.PlanLoads(api.PlanLoadsRequest(request_id=an_id("x"), region="us", orders=[negative])),
            "orders[0].order",
        ),
        (stub.AssignLoad(api.AssignLoadRequest(request_id=an_id("x"), load_id="load 7")), "load_id"),
        (stub.ReassignLoad(api.ReassignLoadRequest(request_id=an_id("x"), load_id=an_id("l"), reason="x")), ""),
        (stub.CancelLoad(api.CancelLoadRequest(request_id=an_id("x"), load_id=an_id("l"))), "reason"),
        (stub.ResolveDevice(api.ResolveDeviceRequest()), "device_id"),
        (
            stub.SetVehicleStatus(
                api.SetVehicleStatusRequest(request_id=an_id("x"), vehicle_id="v", status=VEHICLE_STATUS_IN_USE)
            ),
            "",
        ),
    ]
    for call, field in cases:
        code, info, fields = await refused(call)
        assert code == InvalidArgument.code
        assert info.domain == "gladhand"
        assert any(found.startswith(field) for found in fields), (field, fields)


async def test_refusals_of_the_fleet_carry_their_reason(stub: DispatchServiceAsyncStub) -> None:
    code, info, _ = await refused(stub.GetLoad(api.GetLoadRequest(load_id=an_id("none"))))
    assert (code, info.reason) == ("NOT_FOUND", "LOAD_NOT_FOUND")
    code, info, _ = await refused(stub.ResolveDevice(api.ResolveDeviceRequest(device_id="nobody's")))
    assert (code, info.reason) == ("NOT_FOUND", "DEVICE_UNKNOWN")
    plan = await stub.PlanLoads(api.PlanLoadsRequest(request_id=an_id("p"), region="us", orders=[to_plan("a")]))
    load_id = plan.loads[0].load_id
    carrier = api.TenderLoadRequest(request_id=an_id("t"), load_id=load_id, carrier_scac="ABCD")
    code, info, fields = await refused(stub.TenderLoad(carrier))
    assert (code, info.reason, fields) == ("INVALID_ARGUMENT", "CONTRACT_VIOLATION", ["respond_by_time"])
    code, info, _ = await refused(stub.DispatchLoad(api.DispatchLoadRequest(request_id=an_id("d"), load_id=load_id)))
    assert (code, info.reason) == ("FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED")
    code, info, _ = await refused(stub.AssignLoad(api.AssignLoadRequest(request_id=an_id("p"), load_id=load_id)))
    assert (code, info.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
