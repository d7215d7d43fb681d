"""`logistics.dispatch.v1.DispatchService` over a fleet adapter and a planner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from logistics.dispatch.v1 import dispatch_service_pb2 as api
from logistics.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceServicer
from services.fleet_gateway.adapters.port import FleetAdapter, LoadCursor
from services.fleet_gateway.paging import key_in, page_size, token_after
from services.fleet_gateway.planning import Planning

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_Context = Any


class Dispatch(DispatchServiceServicer):
    """Hands each call to planning or to the fleet system; both keep the first answer to each request id."""

    def __init__(self, fleet: FleetAdapter, planning: Planning, device_cache: timedelta = timedelta(0)) -> None:
        """`device_cache` is how long callers may keep the vehicle of a device; zero means not at all."""
        self._fleet = fleet
        self._planning = planning
        self._device_cache = device_cache

    async def PlanLoads(self, request: api.PlanLoadsRequest, _context: _Context) -> api.PlanLoadsResponse:
        return await self._planning.plan(request)

    async def TenderLoad(self, request: api.TenderLoadRequest, _context: _Context) -> api.TenderLoadResponse:
        return await self._fleet.tender(request)

    async def AssignLoad(self, request: api.AssignLoadRequest, _context: _Context) -> api.AssignLoadResponse:
        return await self._fleet.assign(request)

    async def DispatchLoad(self, request: api.DispatchLoadRequest, _context: _Context) -> api.DispatchLoadResponse:
        return await self._fleet.dispatch(request)

    async def CompleteLoad(self, request: api.CompleteLoadRequest, _context: _Context) -> api.CompleteLoadResponse:
        return await self._fleet.complete(request)

    async def ReplanLoad(self, request: api.ReplanLoadRequest, _context: _Context) -> api.ReplanLoadResponse:
        return await self._planning.replan(request)

    async def ReassignLoad(self, request: api.ReassignLoadRequest, _context: _Context) -> api.ReassignLoadResponse:
        return await self._fleet.reassign(request)

    async def CancelLoad(self, request: api.CancelLoadRequest, _context: _Context) -> api.CancelLoadResponse:
        return await self._fleet.cancel(request)

    async def SetVehicleStatus(
        self, request: api.SetVehicleStatusRequest, _context: _Context
    ) -> api.SetVehicleStatusResponse:
        return await self._fleet.set_vehicle_status(request)

    async def GetLoad(self, request: api.GetLoadRequest, _context: _Context) -> api.GetLoadResponse:
        return api.GetLoadResponse(load=(await self._fleet.booking(request.load_id)).load)

    async def ListLoads(self, request: api.ListLoadsRequest, _context: _Context) -> api.ListLoadsResponse:
        size, after = page_size(request.page_size), _cursor(request)
        found = await self._fleet.bookings(request, after, size + 1)
        response = api.ListLoadsResponse(loads=[booking.load for booking in found[:size]])
        if len(found) > size:
            last = found[size - 1]
            key = (str((last.create_time - _EPOCH) // _TICK), last.load.load_id)
            response.next_page_token = token_after(key, request)
        return response

    async def GetVehicle(self, request: api.GetVehicleRequest, _context: _Context) -> api.GetVehicleResponse:
        return api.GetVehicleResponse(vehicle=await self._fleet.vehicle(request.vehicle_id))

    async def ListVehicles(self, request: api.ListVehiclesRequest, _context: _Context) -> api.ListVehiclesResponse:
        size, after = page_size(request.page_size), key_in(request.page_token, request, 1) or ("",)
        found = await self._fleet.vehicles(
            request.region, available_only=request.available_only, after=after[0], limit=size + 1
        )
        token = token_after((found[size - 1].vehicle_id,), request) if len(found) > size else ""
        return api.ListVehiclesResponse(vehicles=found[:size], next_page_token=token)

    async def GetDriver(self, request: api.GetDriverRequest, _context: _Context) -> api.GetDriverResponse:
        return api.GetDriverResponse(driver=await self._fleet.driver(request.driver_id))

    async def ListDrivers(self, request: api.ListDriversRequest, _context: _Context) -> api.ListDriversResponse:
        size, after = page_size(request.page_size), key_in(request.page_token, request, 1) or ("",)
        found = await self._fleet.drivers(
            request.region, available_only=request.available_only, after=after[0], limit=size + 1
        )
        token = token_after((found[size - 1].driver_id,), request) if len(found) > size else ""
        return api.ListDriversResponse(drivers=found[:size], next_page_token=token)

    async def ResolveDevice(self, request: api.ResolveDeviceRequest, _context: _Context) -> api.ResolveDeviceResponse:
        response = await self._fleet.resolve(request)
        if self._device_cache > timedelta(0):
            response.cache_for.CopyFrom(Duration())
            response.cache_for.FromTimedelta(self._device_cache)
        return response


def _cursor(request: api.ListLoadsRequest) -> LoadCursor | None:
    key = key_in(request.page_token, request, 2)
    return None if key is None else LoadCursor(_EPOCH + int(key[0]) * _TICK, key[1])
