"""Which ERP gateway is asked, and how an operator names them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gladhand.errors import InvalidArgument
from services.orchestrator.erps import ErpGateways
from services.orchestrator.settings import OrchestratorSettings
from tests.simulation.outside import Faults, LedgerErp


def settings(targets: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> OrchestratorSettings:
    monkeypatch.setenv("GLADHAND_ERP_TARGETS", targets)
    return OrchestratorSettings(data_dir=folder)


def test_each_erp_has_its_own_gateway() -> None:
    us, eu = LedgerErp(Faults(), "us"), LedgerErp(Faults(), "eu")
    gateways = ErpGateways({"us": us, "eu": eu})
    assert gateways.of("us") is us
    assert gateways.of("eu") is eu
    assert gateways.names == ("eu", "us")


def test_an_erp_that_nobody_named_is_refused_with_field_and_remedy() -> None:
    with pytest.raises(InvalidArgument) as caught:
        ErpGateways({"us": LedgerErp(Faults())}).of("mars")
    assert caught.value.reason == "ERP_INSTANCE_UNKNOWN"
    assert caught.value.violations[0].field == "order.erp_instance"
    assert "GLADHAND_ERP_TARGETS" in caught.value.message
    assert "us" in caught.value.message


def test_one_gateway_without_a_name_is_asked_about_everything() -> None:
    only = LedgerErp(Faults())
    assert ErpGateways.only(only).of("whatever") is only


def test_targets_are_read_by_name_and_may_be_lists_of_replicas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = "tryton-us=127.0.0.1:7052, tryton-eu=static:10.0.0.1:7052,10.0.0.2:7052,books=dns:///books.internal:7052"
    assert settings(told, monkeypatch, tmp_path).erp_targets == {
        "tryton-us": "127.0.0.1:7052",
        "tryton-eu": "static:10.0.0.1:7052,10.0.0.2:7052",
        "books": "dns:///books.internal:7052",
    }
    assert settings("", monkeypatch, tmp_path).erp_targets == {}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("127.0.0.1:7052", "NAME=TARGET"),
        ("us=127.0.0.1:7052,us=127.0.0.1:7053", "named twice"),
        ("us=127.0.0.1:7052,eu=127.0.0.1:7052", "gateway of its own"),
        ("us=nowhere", "no target"),
    ],
)
def test_targets_that_cannot_be_meant_are_refused(
    told: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(told, monkeypatch, tmp_path)
