"""Policies that would break a property: found by playing them, with a shortest way to the harm."""

from __future__ import annotations

import pytest

from logistics.process.v1 import PolicyLayer, ProcessPolicy
from services.orchestrator.policies.book import PolicyBook, built_in
from services.orchestrator.policies.reading import read_policy
from services.orchestrator.policies.rehearsal import rehearse
from services.orchestrator.policies.safety import Harm, PolicyUnsafe, examine, harm_of

REGION = "{region: us}"
CUSTOMER = "{erp_instance: books, customer_code: C-1}"
BASE = PolicyBook({"default": [built_in(ProcessPolicy(name="default", version=1))]})


def layer(*lines: str, name: str = "us", target: str = REGION) -> PolicyLayer:
    body = "".join(f"  {line}\n" for line in lines)
    found = read_policy(f"name: {name}\nfor: {target}\npolicy:\n{body}")
    found.version = 1
    return found


def harm(*lines: str) -> Harm | None:
    return harm_of(layer(*lines).values)


def test_the_defaults_do_no_harm_and_the_rehearsal_reaches_both_ends() -> None:
    assert harm_of(ProcessPolicy(name="default", version=1)) is None
    played = rehearse(ProcessPolicy(name="default", version=1))
    assert any(scene.billable for scene in played.scenes)
    assert any(scene.ended and not scene.billable for scene in played.scenes)
    assert not played.stuck


@pytest.mark.parametrize("method", ["EDI_ONLY", "GEOFENCE_ONLY"])
def test_a_proof_that_proves_nothing_opens_no_gate(method: str) -> None:
    found = harm(f"pod_methods: [SIGNATURE, {method}]")
    assert found is not None
    assert found.number == 1
    assert found.way == (
        "delivered, everything is kept",
        f"proof by {method}: verified",
        "the billing gate opens",
    )


def test_a_customer_may_accept_for_itself_what_a_region_may_not() -> None:
    own = layer("pod_methods: [EDI_ONLY]", name="alpine", target=CUSTOMER)
    assert examine(BASE.with_layer(own), own) == ("default@1+alpine@1",)
    with pytest.raises(PolicyUnsafe, match=r"default@1\+us@1 is not safe.*property 1"):
        examine(BASE.with_layer(layer("pod_methods: [EDI_ONLY]")), layer("pod_methods: [EDI_ONLY]"))


def test_a_delivered_order_that_can_never_be_billed_is_found() -> None:
    found = harm("pod_methods: [GEOFENCE_ONLY]", "signer_required: true")
    assert found is not None
    assert found.number == 6
    assert found.way[:2] == (
        "delivered, everything is kept",
        "proof by GEOFENCE_ONLY: refused, nobody is named who signed",
    )
    assert "no verified proof of delivery" in found.way[-1]


def test_a_waiver_rule_is_a_way_out() -> None:
    waiver = "billing: {waivers: [{check: POD_VERIFIED, scope: billing.waive}]}"
    assert harm("pod_methods: [GEOFENCE_ONLY]", "signer_required: true", waiver) is None


def test_layers_that_are_harmless_alone_are_refused_together() -> None:
    own = layer("pod_methods: [GEOFENCE_ONLY]", name="alpine", target=CUSTOMER)
    strict = layer("signer_required: true")
    examine(BASE.with_layer(own), own)
    examine(BASE.with_layer(strict), strict)
    with pytest.raises(PolicyUnsafe) as refused:
        examine(BASE.with_layer(own).with_layer(strict), strict)
    assert refused.value.reason == "POLICY_UNSAFE"
    assert refused.value.metadata == {"property": "6", "policy": "default@1+us@1+alpine@1"}


@pytest.mark.parametrize("check", ["NO_BILLING_HOLD", "STOPS_TERMINAL", "QUANTITIES"])
def test_what_nobody_may_waive_no_policy_lets_pass(check: str) -> None:
    found = harm(f"billing: {{waivers: [{{check: {check}, scope: billing.waive}}]}}")
    assert found is not None
    assert found.number == 1
    assert f"{check} may be waived only where" in found.way[-1]


@pytest.mark.parametrize("check", ["POD_VERIFIED", "COLD_CHAIN", "RATE_VARIANCE", "REFERENCES", "QUIET_PERIOD"])
def test_what_may_be_waived_does_no_harm(check: str) -> None:
    assert harm(f"billing: {{waivers: [{{check: {check}, scope: billing.waive}}]}}") is None


@pytest.mark.parametrize("mode", ["WATERFALL", "BROADCAST_FIRST", "BROADCAST_BEST"])
def test_a_tender_needs_somebody_to_ask(mode: str) -> None:
    found = harm(f"tender: {{mode: {mode}}}")
    assert found is not None
    assert found.number == 6
    assert "there is none" in found.way[1]
    assert harm(f"tender: {{mode: {mode}, fall_back_to_own_fleet: true}}") is None
    assert harm(f"tender: {{mode: {mode}, carriers: [{{carrier_scac: KNGT}}]}}") is None


@pytest.mark.parametrize(
    "lines",
    [
        ("tender: {mode: WATERFALL, carriers: [{carrier_scac: KNGT}], respond_within: 61m}",),
        ("tender: {mode: WATERFALL, carriers: [{carrier_scac: KNGT, respond_within: 2h}], respond_within: 5m}",),
        (
            "tender: {mode: WATERFALL, carriers: [{carrier_scac: KNGT}]}",
            "milestones: {dispatch_lead: 29m}",
        ),
    ],
)
def test_nobody_may_think_past_the_dispatch(lines: tuple[str, ...]) -> None:
    found = harm(*lines)
    assert found is not None
    assert "nobody has answered" in found.way[1]


@pytest.mark.parametrize(
    "line",
    [
        "holds: [{kind: FINANCE, four_eyes: true}, {kind: FINANCE}]",
        "tender: {carriers: [{carrier_scac: KNGT}, {carrier_scac: KNGT}]}",
    ],
)
def test_two_rules_for_one_thing_are_refused(line: str) -> None:
    found = harm(line)
    assert found is not None
    assert found.number == 8


def test_time_passes_in_the_rehearsal_until_the_quiet_period_is_over() -> None:
    values = layer("quiet_period: 3d").values
    assert harm_of(values) is None
    ends = [scene for scene in rehearse(values).scenes if scene.billable]
    assert ends
    assert all(any("late events" in told for told in scene.way) for scene in ends)
