"""Policy files: what they mean, and that every fault is told with file, line, field and remedy."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration

from logistics.pod.v1 import PodMethod
from logistics.process.v1 import PolicyLayerKind, TenderMode
from logistics.type.v1 import Money
from services.orchestrator.policies.layering import value_at
from services.orchestrator.policies.reading import PolicyInvalid, read_policy

GOOD = """\
name: alpine  # the customer
for: {erp_instance: tryton-us, customer_code: "0007"}
policy:
  quiet_period: 1h30m
  pod_methods: [SIGNATURE, photo]
  signer_required: false
  tender:
    mode: WATERFALL
    carriers:
      - {carrier_scac: KNGT, rate: 900.50 USD, respond_within: 45m}
"""


def faults(document: str) -> list[str]:
    with pytest.raises(PolicyInvalid) as refused:
        read_policy(document, file="alpine.yaml")
    assert refused.value.reason == "POLICY_INVALID"
    return [found.description for found in refused.value.violations]


def test_a_file_becomes_a_layer() -> None:
    layer = read_policy(GOOD)
    assert (layer.name, layer.target.kind) == ("alpine", PolicyLayerKind.POLICY_LAYER_KIND_CUSTOMER)
    assert layer.target.customer_code == "0007"
    assert layer.values.quiet_period == Duration(seconds=5400)
    assert list(layer.values.pod_methods) == [PodMethod.POD_METHOD_SIGNATURE, PodMethod.POD_METHOD_PHOTO]
    assert layer.values.tender.mode == TenderMode.TENDER_MODE_WATERFALL
    assert layer.values.tender.carriers[0].rate == Money(currency="USD", units=900, nanos=500_000_000)
    # A value that is said counts, even where it is the one that unset would mean.
    assert list(layer.sets) == ["pod_methods", "quiet_period", "signer_required", "tender.carriers", "tender.mode"]
    assert layer.document == GOOD


def test_values_are_spelled_as_they_are_written() -> None:
    values = read_policy(GOOD).values
    assert value_at(values, "quiet_period") == "1h30m"
    assert value_at(values, "pod_methods") == "[SIGNATURE, PHOTO]"
    assert value_at(values, "tender.carriers") == "[{carrier_scac: KNGT, rate: 900.50 USD, respond_within: 45m}]"
    assert value_at(values, "signer_required") == "false"


def test_comments_make_no_other_content() -> None:
    assert read_policy(GOOD).content_sha256 == read_policy(GOOD + "# more\n").content_sha256
    assert read_policy(GOOD).content_sha256 != read_policy(GOOD.replace("1h30m", "1h")).content_sha256


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("quiet_perod: 3m", "alpine.yaml:4: policy.quiet_perod: no such key; did you mean quiet_period?"),
        ("quiet_period: 3", "alpine.yaml:4: policy.quiet_period: '3' is no duration; write a number and"),
        ("quiet_period: 20000d", "'20000d' is longer than ten years"),
        ("quiet_period:", "policy.quiet_period: '' is no duration"),
        ("signer_required: yes", "policy.signer_required: 'yes' is neither true nor false"),
        ("pod_methods: PHOTO", "policy.pod_methods: it is a list; write [one, another]"),
        ("pod_methods: [PHOTOO]", "policy.pod_methods[0]: 'PHOTOO' is none of its values; did you mean PHOTO?"),
        ("wave_size: many", "policy.wave_size: 'many' is no whole number"),
        ("wave_size: 1001", "alpine.yaml:4: policy.wave_size: must be greater than or equal to 0"),
        ("cold_chain: cold", "policy.cold_chain: it has keys of its own"),
        ("cancellation: {return_charge: 5}", "policy.cancellation.return_charge: '5' is no amount of money"),
        ("version: 3", "policy.version: no such key"),
        ("tender: {carriers: [{carrier_scac: kngt}]}", "alpine.yaml:4: policy.tender.carriers[0].carrier_scac: "),
    ],
)
def test_a_fault_names_line_field_and_remedy(line: str, told: str) -> None:
    head = "name: alpine\nfor: {erp_instance: a, customer_code: b}\npolicy:\n"
    (found,) = faults(f"{head}  {line}\n")
    assert told in found


def test_every_fault_is_told_at_once() -> None:
    assert len(faults("name: a\nfor: {regio: us}\npolicy:\n  one: 1\n  wave_size: x\n")) == 4


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("a: [", "no YAML"),
        ("[" * 30_000, "no YAML"),
        ("[]", "no keys; begin with name:"),
        ("policy: {}\nfor: {region: us}", "name: it is missing"),
        ("name: us\npolicy: {}", "for: it is missing, and only default is for every order"),
        ("name: default\nfor: {region: us}\npolicy: {}", "default is for every order; leave it out"),
        ("name: us\nfor: {region: us}", "policy: it is missing"),
        ("name: US\nfor: {region: us}\npolicy: {}", "name: begin with a letter or digit"),
        ("name: us\nfor: {region: u-s}\npolicy: {}", "for.region: "),
        ("name: us\nname: eu\nfor: {region: us}\npolicy: {}", "name: it is there twice; keep one"),
    ],
)
def test_what_is_no_policy_says_what_is_wrong(document: str, told: str) -> None:
    assert any(told in found for found in faults(document)), faults(document)
