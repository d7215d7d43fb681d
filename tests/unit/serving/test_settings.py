from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import Field

from gladhand.errors import SettingsError
from gladhand.settings import ClockKind, LogFormat, Settings


class ErpSettings(Settings):
    erp_url: str = Field(description="the ERP's address, for example http://127.0.0.1:8000")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("GLADHAND_", "OTEL_")):
            monkeypatch.delenv(name)


def test_everything_has_a_default() -> None:
    settings = Settings.load()
    assert (settings.region, settings.host, settings.port) == ("eu", "127.0.0.1", 0)
    assert settings.otlp_endpoint is None
    assert settings.allow_unsynced is False


def test_variables_are_read_with_their_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GLADHAND_REGION": "us",
        "GLADHAND_CLOCK": "warp",
        "GLADHAND_LOG_FORMAT": "console",
        "GLADHAND_READY_FILE": "/run/erp.json",
        "GLADHAND_ERP_URL": "http://erp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317",
        "GLADHAND_DATA_DIR": "",
    }.items():
        monkeypatch.setenv(name, value)
    settings = ErpSettings.load()
    assert settings.region == "us"
    assert settings.clock is ClockKind.WARP
    assert settings.log_format is LogFormat.CONSOLE
    assert settings.ready_file == Path("/run/erp.json")
    assert settings.erp_url == "http://erp"
    assert settings.otlp_endpoint == "http://collector:4317"
    assert settings.data_dir == Path(".gladhand")


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("GLADHAND_PORT", "eighty", "a port between 1 and 65535"),
        ("GLADHAND_PORT", "70000", "a port between 1 and 65535"),
        ("GLADHAND_REGION", "EU.west", "for example eu"),
        ("GLADHAND_NATS_URL", "127.0.0.1:4222", "for example nats://127.0.0.1:4222"),
        ("GLADHAND_NATS_URL", "nats://a:1,b:2", "each URL begins with nats://"),
        ("GLADHAND_LOG_LEVEL", "loud", "DEBUG, INFO, WARNING or ERROR"),
        ("GLADHAND_GRACE_S", "-1", "seconds"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector", "for example http://127.0.0.1:4317"),
    ],
)
def test_a_wrong_variable_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, remedy: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value).startswith(f"{variable} is wrong: ")
    assert remedy in str(caught.value)


def test_several_servers_are_told_apart() -> None:
    assert Settings(nats_url="nats://a:1, tls://b:2").nats_servers == ("nats://a:1", "tls://b:2")


def test_a_missing_variable_is_named_with_its_remedy() -> None:
    with pytest.raises(SettingsError, match=r"^GLADHAND_ERP_URL is not set; set it to the ERP's address, for example"):
        ErpSettings.load()


def test_every_wrong_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLADHAND_PORT", "x")
    with pytest.raises(SettingsError) as caught:
        ErpSettings.load()
    assert {line.split()[0] for line in str(caught.value).splitlines()} == {"GLADHAND_PORT", "GLADHAND_ERP_URL"}


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_says_what_to_set(name: str) -> None:
    assert Settings.model_fields[name].description
