"""What the orchestrator needs to know beyond what every service does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from gladhand.settings import Settings, TargetUri

_NAMED = re.compile(r"(?:^|,)\s*([a-z0-9][a-z0-9._-]{0,62})\s*=")


class OrchestratorSettings(Settings):
    """Settings of the orchestrator, read from GLADHAND_ variables."""

    erp_target: TargetUri = Field(
        "127.0.0.1:7052",
        description="where the ERP gateway serves: 127.0.0.1:7052, static:HOST:PORT,HOST:PORT or dns:///NAME:PORT; "
        "asked about every order where GLADHAND_ERP_TARGETS is unset",
    )
    erp_targets: Annotated[Mapping[str, TargetUri], NoDecode] = Field(
        {},
        description="where the gateway of each ERP instance serves, for example "
        "tryton-us=127.0.0.1:7052,tryton-eu=127.0.0.1:7152; orders of other instances are then refused",
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

    @field_validator("erp_targets", mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        return _targets(value) if isinstance(value, str) else value

    @property
    def wave_delay(self) -> timedelta:
        """How long released orders gather."""
        return timedelta(seconds=self.wave_delay_s)

    @property
    def read_model_url(self) -> str:
        """The SQLAlchemy URL of the read model."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'read_model.sqlite'}"


def _targets(text: str) -> dict[str, str]:
    """Return the targets by name. A target may be a list of addresses: the next name ends it.

    Raises ValueError with the remedy where the text is no such list.
    """
    starts = list(_NAMED.finditer(text))
    if not starts or text[: starts[0].start()].strip():
        raise ValueError(f"{text!r} begins with no NAME=TARGET; write tryton-us=127.0.0.1:7052")
    ends = [following.start() for _, following in pairwise(starts)] + [len(text)]
    found: dict[str, str] = {}
    for start, end in zip(starts, ends, strict=True):
        name, target = start.group(1), text[start.end() : end].strip().rstrip(",")
        if name in found:
            raise ValueError(f"{name} is named twice; name each ERP instance once")
        if target in found.values():
            raise ValueError(f"{target!r} is named twice; each ERP instance has a gateway of its own")
        found[name] = target
    return found
