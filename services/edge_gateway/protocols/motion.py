"""A position from loosely given parts: what is unknown stays unset, what is out of shape is put right (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from logistics.fleet.v1 import SAMPLE_SOURCE_GPS, Position, SampleQuality, TelemetrySample
from services.edge_gateway.units import heading_deg

__all__ = ["Motion"]

_MOST_METRES = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Where a device says it was and how it moved; None where it did not say.

    Devices write "unknown" as a negative speed, heading or accuracy: `sample` leaves these unset. Latitude and
    longitude are kept as they came, also where no such place exists: the filters name that.
    """

    occurred: datetime
    latitude: float
    longitude: float
    speed_mps: float | None = None
    heading: float | None = None
    altitude_m: float | None = None
    accuracy_m: float | None = None
    odometer_m: float | None = None
    battery_percent: float | None = None
    ignition_on: bool | None = None
    valid: bool = True
    buffered: bool = False
    message_id: str = ""
    recorded: datetime | None = None
    driver: str = ""

    def sample(self) -> TelemetrySample:
        """Return the sample of the contract."""
        quality = SampleQuality(valid=self.valid, source=SAMPLE_SOURCE_GPS, buffered=self.buffered)
        if self.accuracy_m is not None and self.accuracy_m > 0:
            quality.accuracy_m = self.accuracy_m
        sample = TelemetrySample(
            provider_message_id=self.message_id,
            driver_reference=self.driver,
            position=self._position(),
            quality=quality,
        )
        sample.occur_time.FromDatetime(self.occurred)
        if self.recorded is not None:
            sample.record_time.FromDatetime(self.recorded)
        return sample

    def _position(self) -> Position:
        position = Position(ignition_on=self.ignition_on, altitude_m=self.altitude_m)
        position.point.latitude = self.latitude
        position.point.longitude = self.longitude
        if self.speed_mps is not None and self.speed_mps >= 0:
            position.speed_mps = self.speed_mps
        if self.heading is not None and self.heading >= 0:
            position.heading_deg = heading_deg(self.heading)
        if self.odometer_m is not None and 0 <= self.odometer_m < _MOST_METRES:
            position.odometer_m = round(self.odometer_m)
        if self.battery_percent is not None and 0 <= self.battery_percent <= 100:
            position.battery_percent = self.battery_percent
        return position
