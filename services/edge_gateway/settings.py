"""What the edge gateway needs to know beyond what every service needs."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from gladhand.settings import Settings, TargetUri
from services.edge_gateway.filters import FilterRules
from services.edge_gateway.geofence import FenceRules
from services.edge_gateway.protocols.pod_form import FileLimits

__all__ = ["EdgeSettings"]


class EdgeSettings(Settings):
    """Settings of the edge gateway, each from GLADHAND_<NAME>."""

    http_host: str = Field("127.0.0.1", min_length=1, description="the address for HTTP, for example 127.0.0.1")
    http_port: int = Field(0, ge=0, le=65535, description="a port for HTTP, or 0 for any free one")
    fleet_target: TargetUri = Field(
        "127.0.0.1:7053",
        description="where the fleet gateway serves: 127.0.0.1:7053, static:HOST:PORT,HOST:PORT or dns:///NAME:PORT",
    )
    orchestrator_target: TargetUri = Field(
        "127.0.0.1:7051",
        description="where the orchestrator serves: 127.0.0.1:7051, static:HOST:PORT,HOST:PORT or dns:///NAME:PORT",
    )

    most_telemetry_bytes: int = Field(
        512 * 1024, ge=1024, le=640 * 1024, description="the largest telemetry body in bytes, 1024 to 655360"
    )
    pod_file_bytes: int = Field(
        10 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="the largest file of a proof in bytes"
    )
    pod_total_bytes: int = Field(
        30 * 1024 * 1024, ge=1024, le=256 * 1024 * 1024, description="the largest proof in bytes, files included"
    )
    dedupe_days: float = Field(7.0, gt=0, le=60, description="days for which reports are known again, above 0 to 60")
    dedupe_bytes: int = Field(
        64 * 1024 * 1024, ge=1024 * 1024, description="bytes for the keys of known reports, about 250 for each"
    )
    inbox_attempts: int = Field(15, ge=1, le=100, description="attempts before a kept message is a dead letter")
    redeliver_after_s: float = Field(
        10.0, ge=1, le=600, description="seconds without a sign of life after which work of a dead process is redone"
    )
    publish_wait_s: float = Field(
        4.0, gt=0, le=60, description="seconds for which storing a message is tried before a sender is turned away"
    )

    future_skew_s: float = Field(300.0, ge=0, le=86_400, description="seconds by which a sample may lie in the future")
    earliest: datetime = Field(
        datetime(2005, 1, 1, tzinfo=UTC), description="the moment before which no sample is believed, with its zone"
    )
    worst_accuracy_m: float = Field(500.0, gt=0, description="metres of uncertainty above which a position is refused")
    most_speed_mps: float = Field(75.0, gt=0, description="metres per second that no vehicle drives")
    most_jump_mps: float = Field(100.0, gt=0, description="metres per second between two positions that is a jump")
    least_jump_m: float = Field(1000.0, ge=0, description="metres that are never a jump")

    geofence_radius_m: float = Field(150.0, gt=0, le=50_000, description="metres around a place that tells no radius")
    geofence_exit_factor: float = Field(1.3, ge=1, le=10, description="how much wider the circle is that must be left")
    geofence_dwell_s: float = Field(120.0, ge=0, description="seconds that a vehicle must stay to have arrived")
    geofence_still_dwell_s: float = Field(60.0, ge=0, description="the same where it stands still all the while")
    geofence_still_mps: float = Field(0.5, ge=0, description="metres per second up to which a vehicle stands still")
    geofence_exit_s: float = Field(30.0, ge=0, description="seconds that a vehicle must stay away to have left")
    cold_chain_look_s: float = Field(
        30.0, ge=0.1, le=600, description="seconds between two looks for sensors of cold goods that fell silent"
    )
    correction_s: float = Field(1.0, ge=0.01, description="seconds by which a told time may move uncorrected")

    def filter_rules(self) -> FilterRules:
        """Return which samples are believed."""
        return FilterRules(
            skew_s=self.future_skew_s,
            earliest=self.earliest if self.earliest.tzinfo else self.earliest.replace(tzinfo=UTC),
            accuracy_m=self.worst_accuracy_m,
            speed_mps=self.most_speed_mps,
            jump_mps=self.most_jump_mps,
            jump_m=self.least_jump_m,
        )

    def fence_rules(self) -> FenceRules:
        """Return when positions count as presence."""
        return FenceRules(
            radius_m=self.geofence_radius_m,
            exit_factor=self.geofence_exit_factor,
            dwell_s=self.geofence_dwell_s,
            still_dwell_s=self.geofence_still_dwell_s,
            still_mps=self.geofence_still_mps,
            exit_s=self.geofence_exit_s,
        )

    def file_limits(self) -> FileLimits:
        """Return what files of a proof may be."""
        return FileLimits(file_bytes=self.pod_file_bytes, total_bytes=self.pod_total_bytes)
