"""What callers of a deprecated method are told, how they are counted and how often that is logged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from gladhand.errors import ContractError, Unsupported
from gladhand.policy import MethodContract, read_contracts
from gladhand.security.life_stage import LifeStages, notices
from logistics.contract.v1.method_pb2 import LIFE_STAGE_DEPRECATED
from logistics.orchestrator.v1 import orchestrator_service_pb2


@pytest.fixture
def method() -> MethodContract:
    contracts = read_contracts(orchestrator_service_pb2.DESCRIPTOR.services_by_name.values())
    found = contracts["/logistics.orchestrator.v1.OrchestratorService/GetOrder"]
    return replace(found, stage=LIFE_STAGE_DEPRECATED, sunset_date="2026-06-30", replacement="a.B/C")


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    found = InMemoryMetricReader()
    provider = MeterProvider([found])
    monkeypatch.setattr("opentelemetry.metrics.get_meter", provider.get_meter)
    yield found
    provider.shutdown()


def counted(reader: InMemoryMetricReader) -> dict[str, int]:
    data: Any = reader.get_metrics_data()
    [metric] = data.resource_metrics[0].scope_metrics[0].metrics
    assert metric.name == "gladhand.deprecated.calls"
    return {point.attributes["gladhand.caller"]: point.value for point in metric.data.data_points}


def test_each_caller_is_counted_and_a_multitude_together(method: MethodContract, reader: InMemoryMetricReader) -> None:
    stages = LifeStages(lambda: date(2026, 1, 5), refuse_sunset=False)
    for caller in ("ann", "bob", "ann"):
        stages.notices(method, caller)
    for number in range(1500):
        stages.notices(method, f"client-{number}")
    found = counted(reader)
    assert (found["ann"], found["bob"]) == (2, 1)
    assert len(found) == 1001
    assert found["others"] == 502


def test_a_line_a_day_for_each_caller(
    method: MethodContract, reader: InMemoryMetricReader, caplog: pytest.LogCaptureFixture
) -> None:
    day = [date(2026, 1, 5)]
    stages = LifeStages(lambda: day[0], refuse_sunset=False)
    for _ in range(3):
        stages.notices(method, "ann")
    day[0] = date(2026, 1, 6)
    stages.notices(method, "ann")
    assert len(caplog.records) == 2


def test_the_last_day_still_answers_and_the_day_after_refuses_where_configured(
    method: MethodContract, reader: InMemoryMetricReader
) -> None:
    assert LifeStages(lambda: date(2026, 6, 30), refuse_sunset=True).notices(method, "ann")
    assert LifeStages(lambda: date(2026, 7, 1), refuse_sunset=False).notices(method, "ann")
    with pytest.raises(Unsupported, match=r"call a\.B/C"):
        LifeStages(lambda: date(2026, 7, 1), refuse_sunset=True).notices(method, "ann")


def test_what_the_contract_leaves_open_is_not_made_up(method: MethodContract) -> None:
    told = dict(notices(replace(method, sunset_date="", replacement="")))
    assert told == {"deprecation": "true"}
    with pytest.raises(ContractError, match="YYYY-MM-DD"):
        notices(replace(method, sunset_date="next summer"))
