"""Which vehicle carried a device at a time, asked of the fleet gateway and remembered."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from gladhand.client import call
from gladhand.clock import Clock
from gladhand.errors import FailedPrecondition, GladhandError, InvalidArgument, NotFound, Unavailable
from logistics.dispatch.v1 import ResolveDeviceRequest, ResolveDeviceResponse
from logistics.fleet.v1 import DeviceReference
from services.edge_gateway.matching import Pairing, PairingBook

if TYPE_CHECKING:
    from logistics.dispatch.v1 import DispatchServiceAsyncStub

__all__ = ["FleetPairings", "Pairings"]

_UNKNOWN_FOR_S = 5.0
_NEARBY_S = 3600.0
_MOST_UNKNOWN = 10_000


class Pairings(Protocol):
    """Where devices sit."""

    async def vehicle_of(self, device: DeviceReference, moment: datetime) -> str:
        """Return the vehicle that carried a device at a moment.

        Raises NotFound with DEVICE_UNKNOWN, Unavailable with FLEET_UNAVAILABLE where nobody can tell now.
        """
        ...


class FleetPairings:
    """Pairings as `DispatchService.ResolveDevice` tells them.

    While the fleet gateway does not answer, an older answer that covers the moment is still good: pairings are dated.
    """

    def __init__(self, stub: DispatchServiceAsyncStub, clock: Clock, *, timeout_s: float = 3.0) -> None:
        self._stub = stub
        self._clock = clock
        self._timeout_s = timeout_s
        self._book = PairingBook()
        self._asking: dict[tuple[str, str], asyncio.Lock] = {}
        self._unknown: OrderedDict[tuple[str, str], tuple[float, datetime]] = OrderedDict()

    async def vehicle_of(self, device: DeviceReference, moment: datetime) -> str:
        """See `Pairings.vehicle_of`."""
        name = (device.provider, device.device_id)
        known = self._book.find(*name, moment, self._clock.monotonic())
        if known is not None:
            return known.vehicle_id
        # A batch holds many samples of one device: the first asks, the others find the answer.
        lock = self._asking.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                known = self._book.find(*name, moment, self._clock.monotonic())
                return known.vehicle_id if known is not None else await self._ask(device, moment)
        finally:
            if not lock.locked():
                self._asking.pop(name, None)

    async def _ask(self, device: DeviceReference, moment: datetime) -> str:
        name = (device.provider, device.device_id)
        if self._just_unknown(name, moment):
            raise _unknown(device, moment)
        request = ResolveDeviceRequest(provider=device.provider, device_id=device.device_id)
        request.at_time.FromDatetime(moment)
        try:
            answer: ResolveDeviceResponse = await call(self._stub.ResolveDevice(request, timeout=self._timeout_s))
        except (NotFound, InvalidArgument, FailedPrecondition) as error:
            self._unknown[name] = (self._clock.monotonic() + _UNKNOWN_FOR_S, moment)
            while len(self._unknown) > _MOST_UNKNOWN:
                self._unknown.popitem(last=False)
            raise _unknown(device, moment) from error
        except GladhandError as error:
            stale = self._book.find(*name, moment, self._clock.monotonic(), stale=True)
            if stale is not None:
                return stale.vehicle_id
            raise Unavailable(
                "the fleet gateway does not tell the device's vehicle now",
                reason="FLEET_UNAVAILABLE",
                retry_after_s=5.0,
                metadata={"device_id": device.device_id},
            ) from error
        self._remember(name, answer)
        return answer.vehicle_id

    def _remember(self, name: tuple[str, str], answer: ResolveDeviceResponse) -> None:
        if not answer.HasField("device"):
            return
        held = answer.device
        keep_s = answer.cache_for.ToNanoseconds() / 1e9 if answer.HasField("cache_for") else 0.0
        pairing = Pairing(
            vehicle_id=answer.vehicle_id,
            start=held.valid_from_time.ToDatetime(UTC) if held.HasField("valid_from_time") else None,
            end=held.valid_to_time.ToDatetime(UTC) if held.HasField("valid_to_time") else None,
            fresh_until=self._clock.monotonic() + keep_s,
        )
        self._book.remember(*name, pairing)

    def _just_unknown(self, name: tuple[str, str], moment: datetime) -> bool:
        until, about = self._unknown.get(name, (0.0, moment))
        return self._clock.monotonic() < until and abs((moment - about).total_seconds()) < _NEARBY_S


def _unknown(device: DeviceReference, moment: datetime) -> NotFound:
    return NotFound(
        "device",
        device.device_id,
        message=(
            f"device {device.device_id!r} of {device.provider} sat in no vehicle at {moment.isoformat()}; "
            "pair it with a vehicle in the fleet system"
        ),
        reason="DEVICE_UNKNOWN",
        metadata={"provider": device.provider, "device_id": device.device_id, "occur_time": moment.isoformat()},
    )
