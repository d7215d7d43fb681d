from __future__ import annotations

import json

import grpc
import pytest
from google.protobuf.descriptor import ServiceDescriptor

from gladhand.contracts.installed import files_with_services
from gladhand.errors import ContractError
from gladhand.policy import DEFAULT_TIMEOUT_S, Idempotency, read_contracts
from gladhand.service_config import MOST_IN_FLIGHT, service_config, service_config_json
from logistics.contract.v1 import method_pb2
from tests.adapters.serving.trial import careless, compiled


def services() -> list[ServiceDescriptor]:
    return [service for file in files_with_services() for service in file.services_by_name.values()]


def test_every_method_of_the_contract_can_be_served() -> None:
    contracts = read_contracts(services())
    assert len({contract.service for contract in contracts.values()}) >= 4
    for contract in contracts.values():
        assert contract.may_repeat, contract.path


def test_a_contract_is_read_in_full() -> None:
    trial = compiled()[0].DESCRIPTOR.services_by_name["TrialService"]
    contracts = read_contracts([trial])
    write, watch, read = (contracts[f"/trial.v1.TrialService/{name}"] for name in ("Write", "Watch", "Read"))
    assert write.scopes == {"trial.write"}
    assert write.audience == {method_pb2.AUDIENCE_INTERNAL}
    assert write.rate_class == method_pb2.RATE_CLASS_COMMAND
    assert write.stage == method_pb2.LIFE_STAGE_STABLE
    assert write.requires_request_id
    assert write.idempotency is Idempotency.IDEMPOTENT
    assert (write.timeout_s, watch.timeout_s, read.timeout_s) == (DEFAULT_TIMEOUT_S, None, 0.3)
    assert (watch.server_streaming, watch.client_streaming) == (True, False)
    assert read.request_type is compiled()[0].ReadRequest


def test_what_is_missing_is_named_for_every_method() -> None:
    with pytest.raises(ContractError) as caught:
        read_contracts([careless()[0].DESCRIPTOR.services_by_name["CarelessService"]])
    text = str(caught.value)
    assert "trial.v1.CarelessService/Silent lacks option idempotency_level, option (logistics.contract" in text
    assert "CarelessService/Vague lacks policy.scopes, policy.audience, policy.rate_class, policy.stage" in text
    assert "request_id in trial.v1.ReadRequest" in text
    assert "Careful" not in text


def test_only_what_may_be_repeated_is() -> None:
    trial = compiled()[0].DESCRIPTOR.services_by_name["TrialService"]
    config = service_config(read_contracts([trial]).values(), timeouts=True)
    by_name = {entry["name"][0]["method"]: entry for entry in config["methodConfig"]}
    assert by_name["Read"]["timeout"] == "0.3s"
    assert by_name["Read"]["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE", "CANCELLED"]
    assert "retryPolicy" not in by_name["Gather"]
    assert "timeout" not in by_name["Watch"]
    assert "retryPolicy" not in by_name["Roll"]


def test_a_client_asks_for_the_health_of_what_it_calls() -> None:
    trial = compiled()[0].DESCRIPTOR.services_by_name["TrialService"]
    one = service_config(read_contracts([trial]).values())
    all_of_them = service_config(read_contracts(services()).values())
    assert one["healthCheckConfig"] == {"serviceName": "trial.v1.TrialService"}
    assert all_of_them["healthCheckConfig"] == {"serviceName": ""}


def test_the_budget_covers_the_death_of_a_replica_with_everything_in_flight() -> None:
    assert service_config([])["retryThrottling"]["maxTokens"] / 2 >= MOST_IN_FLIGHT


def test_grpc_takes_the_config() -> None:
    text = service_config_json(read_contracts(services()).values())
    assert json.loads(text)["retryThrottling"]["maxTokens"] > 0
    # gRPC refuses a channel whose service config it cannot read only at its first call; parsing is all there is here.
    channel = grpc.insecure_channel("127.0.0.1:1", options=(("grpc.service_config", text),))
    channel.close()
