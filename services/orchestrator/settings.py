"""What the orchestrator needs to know beyond what every service does."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from gladhand.settings import Settings, TargetUri


class OrchestratorSettings(Settings):
    """Settings of the orchestrator, read from GLADHAND_ variables."""

    erp_target: TargetUri = Field(
        "127.0.0.1:7052",
        description="where the ERP gateway serves: 127.0.0.1:7052, static:HOST:PORT,HOST:PORT or dns:///NAME:PORT",
    )
    fleet_target: TargetUri = Field(
        "127.0.0.1:7053",
        description="where the fleet gateway serves: 127.0.0.1:7053, static:HOST:PORT,HOST:PORT or dns:///NAME:PORT",
    )
    database_url: str = Field(
        "",
        description="an SQLAlchemy URL, for example postgresql+asyncpg://user@host/gladhand; unset for a SQLite file "
        "in the data directory",
    )
    wave_delay_s: float = Field(
        2.0, ge=0.1, le=3600, description="seconds that released orders gather before they are planned, 0.1 to 3600"
    )
    watchdog_s: float = Field(
        10.0, ge=0.5, le=3600, description="seconds between two looks of the watchdog, 0.5 to 3600"
    )
    workers: int = Field(16, ge=1, le=256, description="aggregates that each consumer handles at once, 1 to 256")

    @property
    def wave_delay(self) -> timedelta:
        """How long released orders gather."""
        return timedelta(seconds=self.wave_delay_s)

    @property
    def read_model_url(self) -> str:
        """The SQLAlchemy URL of the read model."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'read_model.sqlite'}"
