"""Settings of a process, read once from the environment by its `main.py`.

Every variable begins with GLADHAND_, in this class and in the subclasses of the services: each process has an
environment of its own. The one exception is OTEL_EXPORTER_OTLP_ENDPOINT, whose name OpenTelemetry sets.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gladhand.errors import SettingsError
from gladhand.security.names import ISSUER, TRUST_DOMAIN
from gladhand.security.rates import USUAL, Rate, parse_rates
from gladhand.targets import target

__all__ = ["ClockKind", "LogFormat", "LogLevel", "Settings", "TargetUri"]

_PREFIX = "GLADHAND_"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class ClockKind(StrEnum):
    """Which clock the process reads."""

    SYSTEM = "system"
    """The machine's clock."""

    WARP = "warp"
    """The mesh's shared clock, which may run ahead; for demonstrations and trials only."""


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least severe line that is written."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


def _one_of(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        for url in value.split(","):
            scheme, found, rest = url.strip().partition("://")
            if not found or scheme not in schemes or not rest:
                raise ValueError(f"each URL begins with {' or '.join(f'{s}://' for s in schemes)}")
        return value

    return AfterValidator(check)


TargetUri = Annotated[str, AfterValidator(target)]
"""Where another service is, in any form that `gladhand.targets` reads."""


def _key_set(value: str) -> str:
    scheme, found, rest = value.partition("://")
    host = rest.partition("/")[0].rpartition(":")[0] or rest.partition("/")[0]
    if found and (scheme != "https" or not rest) and (scheme != "http" or host not in _LOOPBACK):
        raise ValueError("keys come from a file or over https")
    return value


def _rates(value: object) -> object:
    return parse_rates(value) if isinstance(value, str) else value


class Settings(BaseSettings):
    """What every service needs to know. A service adds its own fields in a subclass.

    The description of a field is the remedy that an operator reads when the variable is wrong: say what to set and
    give an example.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

    region: str = Field("eu", pattern=r"^[a-z0-9]{2,16}$", description="two to 16 of a-z and 0-9, for example eu")
    host: str = Field("127.0.0.1", min_length=1, description="the address to listen on, for example 127.0.0.1")
    port: int = Field(0, ge=0, le=65535, description="a port between 1 and 65535, or 0 for any free one")
    ready_file: Path | None = Field(None, description="a path that is written once the process serves")
    data_dir: Path = Field(Path(".gladhand"), description="a directory that this process may write to")
    clock: ClockKind = Field(ClockKind.SYSTEM, description="system, or warp for a demonstration")
    reflection: bool = Field(True, description="true or false: whether gRPC reflection answers")

    tls_dir: Path | None = Field(
        None, description="a folder with cert.pem, key.pem and ca.pem of this process, for example .gladhand/secure/ID"
    )
    trust_domain: str = Field(
        TRUST_DOMAIN,
        pattern=r"^[a-z0-9][a-z0-9.-]{0,252}$",
        description="the trust domain of the mesh's certificates, for example gladhand.local",
    )
    token_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="a port for callers with a token and no certificate, 0 for any free one, or unset for none",
    )
    insecure: bool = Field(False, description="true to go without TLS, on a loopback address only")

    nats_url: Annotated[str, _one_of("nats", "tls", "ws", "wss")] = Field(
        "nats://127.0.0.1:4222", description="one or more URLs, comma between, for example nats://127.0.0.1:4222"
    )
    nats_credentials: Path | None = Field(
        None, description="the path of this identity's seed file, for example .gladhand/secure/bus/orchestrator.nk"
    )
    monitoring_url: Annotated[str, _one_of("http", "https")] | None = Field(
        None, description="the HTTP address of nats-server's monitoring, for example http://127.0.0.1:8222"
    )
    allow_unsynced: bool = Field(
        False, description="true only where losing the newest events in a power cut is acceptable"
    )

    allow_breaking: bool = Field(
        False, description="true only where the consumers that the contract of this service would break may break"
    )

    replicas: int = Field(1, ge=1, le=5, description="1 on a lone nats-server, 3 or 5 on a cluster of as many")

    jwks: Annotated[str, AfterValidator(_key_set)] | None = Field(
        None,
        description="the key set of tokens, a path or an https:// URL, for example .gladhand/secure/tokens/jwks.json",
    )
    token_issuer: str = Field(ISSUER, min_length=1, description="what stands in the iss of tokens that are trusted")
    clock_skew_s: float = Field(
        30.0, ge=0, le=300, description="seconds by which the clocks of token issuers may differ, 0 to 300"
    )
    rates: Annotated[dict[int, Rate], NoDecode, BeforeValidator(_rates)] = Field(
        default_factory=lambda: dict(USUAL),
        description="calls that each client may make, by rate class, for example READ=200/s:400,FINANCE=30/m:10",
    )
    service_replicas: int = Field(
        1, ge=1, le=1000, description="how many processes of this service share its clients' calls, 1 to 1000"
    )
    refuse_sunset: bool = Field(False, description="true or false: whether methods past their sunset date are refused")

    grace_s: float = Field(10.0, ge=0, le=600, description="seconds that calls in flight get at stop, 0 to 600")
    max_message_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="a size in bytes between 1024 and 67108864"
    )
    unread_s: float = Field(
        60.0, gt=0, le=3600, description="seconds that an answer of a stream may wait to be read, above 0 to 3600"
    )
    max_concurrent_calls: int = Field(
        2048, ge=1, le=100_000, description="calls at once, beyond which callers are refused, 1 to 100000"
    )

    log_level: LogLevel = Field(LogLevel.INFO, description="DEBUG, INFO, WARNING or ERROR")
    log_format: LogFormat = Field(LogFormat.JSON, description="json or console")
    slow_call_s: float = Field(1.0, gt=0, description="seconds from which a call is logged as slow, above 0")
    otlp_endpoint: Annotated[str, _one_of("http", "https")] | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint"),
        description="the collector's gRPC address, for example http://127.0.0.1:4317, or unset for no telemetry",
    )

    @property
    def nats_servers(self) -> tuple[str, ...]:
        """The URLs of `nats_url`, one by one."""
        return tuple(url.strip() for url in self.nats_url.split(","))

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises SettingsError naming every wrong variable with its remedy."""
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError("\n".join(cls._explain(dict(line)) for line in error.errors())) from error

    @classmethod
    def _explain(cls, line: dict[str, Any]) -> str:
        name = str(line["loc"][0]) if line["loc"] else ""
        field = cls.model_fields.get(name)
        variable = name if name.isupper() else _PREFIX + name.upper()
        if field is None:
            field = next((f for f in cls.model_fields.values() if name in _aliases(f.validation_alias)), None)
        what = "is not set" if line["type"] == "missing" else f"is wrong: {line['msg'].removeprefix('Value error, ')}"
        remedy = f"; set it to {field.description}" if field is not None and field.description else ""
        return f"{variable} {what}{remedy}"


def _aliases(alias: object) -> tuple[str, ...]:
    if isinstance(alias, AliasChoices):
        return tuple(choice for choice in alias.choices if isinstance(choice, str))
    return (alias,) if isinstance(alias, str) else ()
