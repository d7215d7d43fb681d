"""Settings of the ERP gateway; each variable begins with GLADHAND_."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import AnyHttpUrl, Field, field_validator
from pydantic_settings import NoDecode

from gladhand.errors import SettingsError
from gladhand.settings import Settings, TargetUri


class ErpSettings(Settings):
    """What the gateway to one ERP instance needs beyond the common settings."""

    erp_instance: str = Field(
        "tryton-us",
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$",
        description="the ERP's name in the mesh, lower case, for example tryton-us",
    )
    tryton_url: AnyHttpUrl = Field(description="the base URL of Tryton, for example http://127.0.0.1:8000")
    tryton_database: str = Field("erp", min_length=1, description="the name of Tryton's database, for example erp")
    tryton_user: str = Field("gateway", min_length=1, description="the login of the gateway's ERP user")
    tryton_credentials: Path = Field(
        description="a JSON file of mode 0600 that holds the user's password under its login"
    )
    tryton_timeout_s: float = Field(30.0, gt=0, le=600, description="seconds that one call may take, up to 600")
    tryton_warnings: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="beginnings of warning names that may be acknowledged, comma between; unset refuses all"
    )
    orchestrator_target: TargetUri = Field(
        "127.0.0.1:7051",
        description="where the orchestrator serves: 127.0.0.1:7051, static:HOST:PORT,HOST:PORT or dns:///NAME:PORT",
    )
    poll_interval_s: float = Field(1.0, ge=0.1, le=600, description="seconds between two looks at the ERP, from 0.1")
    settle_s: float = Field(1.5, ge=0, le=600, description="seconds for which a sale must stand still, 0 to 600")
    overlap_s: float = Field(
        60.0, ge=0, le=3600, description="seconds that polling reaches back for late commits, 0 to 3600"
    )
    redrive_after_s: float = Field(
        60.0, ge=1, le=86_400, description="seconds after which a sale stuck in the ERP is pushed on, from 1"
    )

    @field_validator("tryton_warnings", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    def tryton_password(self) -> str:
        """Read the password. Raises SettingsError where the file does not hold it."""
        try:
            password = json.loads(self.tryton_credentials.read_text("utf-8"))[self.tryton_user]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"GLADHAND_TRYTON_CREDENTIALS: no password of {self.tryton_user!r} in {self.tryton_credentials} "
                f"({type(error).__name__}); start Tryton once, it writes the file"
            ) from error
        if not isinstance(password, str):
            raise SettingsError(f"GLADHAND_TRYTON_CREDENTIALS: the password of {self.tryton_user!r} is no text")
        return password
