"""The fleet gateway's process: `python -m services.fleet_gateway.main`."""

from __future__ import annotations

from datetime import timedelta

from gladhand.mesh import present
from gladhand.server import ServiceProcess
from logistics.dispatch.v1.dispatch_service_pb2_grpc import add_DispatchServiceServicer_to_server
from services.fleet_gateway.adapters.fleet_desk import FleetDesk
from services.fleet_gateway.adapters.sqlite_book import SqliteBook
from services.fleet_gateway.planner.process import VroomPlanner
from services.fleet_gateway.planning import Planning
from services.fleet_gateway.register import read_register
from services.fleet_gateway.registration import REGISTRATION
from services.fleet_gateway.servicer import Dispatch
from services.fleet_gateway.settings import FleetSettings

NAME = "fleet_gateway"


async def build(process: ServiceProcess[FleetSettings]) -> None:
    """Open the desk, register the fleet, start the planning process and serve."""
    settings = process.settings
    clock = (await process.enter(present(NAME, settings, part=REGISTRATION))).clock
    register = None if settings.fleet_file is None else read_register(settings.fleet_file)
    book = await process.enter(SqliteBook.opened(settings.desk, clock.now()))
    desk = FleetDesk(book, clock, hold_for=timedelta(seconds=settings.hold_s), known_hours=settings.known_hours)
    if register is not None:
        await desk.register(register.vehicles, register.drivers)
    planner = await process.enter(VroomPlanner(settings.matrix, settings.effort))
    planning = Planning(desk, planner, settings.matrix, clock, settings.planning)
    servicer = Dispatch(desk, planning, timedelta(seconds=settings.device_cache_s))
    process.add_servicer(add_DispatchServiceServicer_to_server, servicer, own_idempotency=True)


def main() -> int:
    """Run the process and return its exit code."""
    return ServiceProcess.main(NAME, FleetSettings, build)


if __name__ == "__main__":
    raise SystemExit(main())
