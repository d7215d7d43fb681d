"""Which policy an order gets: the layers that are for it when it comes, and those it recorded ever after."""

from __future__ import annotations

import pytest

from gladhand.errors import Unavailable
from logistics.order.v1 import Order
from logistics.process.v1 import PolicyLayer, ProcessPolicy
from logistics.type.v1 import ExternalReference, Party, ReferenceType
from services.orchestrator.policies import label_of
from services.orchestrator.policies.book import PolicyBook, built_in
from services.orchestrator.policies.reading import read_policy

CUSTOMER = "{erp_instance: books, customer_code: C-1}"
UNIT = "{erp_instance: books, cost_center: north}"


def layer(name: str, version: int, target: str, *lines: str) -> PolicyLayer:
    body = "".join(f"  {line}\n" for line in lines) or "  {}\n"
    found = read_policy(f"name: {name}\nfor: {target}\npolicy:\n{body}")
    found.version = version
    return found


def book(*layers: PolicyLayer) -> PolicyBook:
    found = PolicyBook({"default": [built_in(ProcessPolicy(name="default", version=1, wave_size=20))]})
    for each in layers:
        found = found.with_layer(each)
    return found


def an_order(label: str = "", *, system: str = "books", region: str = "us", unit: str = "") -> Order:
    customer = ExternalReference(system=system, type=ReferenceType.REFERENCE_TYPE_PARTY, value="C-1")
    return Order(
        erp_instance="books",
        region=region,
        cost_center=unit,
        policy_version=label,
        customer=Party(name="Alpine", references=[customer]),
    )


EVERY = book(
    layer("us", 3, "{region: us}", "wave_size: 30", "pod_distance_m: 100"),
    layer("north", 1, UNIT, "signer_required: true"),
    layer("alpine", 2, CUSTOMER, "wave_size: 40"),
)


def test_layers_lie_in_their_order_and_name_themselves() -> None:
    policy = EVERY.at_receipt(an_order(unit="north"))
    assert label_of(policy) == "default@1+us@3+north@1+alpine@2"
    assert (policy.wave_size, policy.pod_distance_m, policy.signer_required) == (40, 100, True)
    assert label_of(EVERY.in_region("us")) == "default@1+us@3"
    assert label_of(EVERY.in_region("eu")) == "default@1"


def test_a_customer_is_known_by_the_erp_that_sells() -> None:
    assert label_of(EVERY.at_receipt(an_order(system="elsewhere", region="eu"))) == "default@1"


def test_a_running_order_keeps_what_it_recorded() -> None:
    changed = EVERY.with_layer(layer("us", 4, "{region: us}", "wave_size: 31"))
    running = an_order("default@1+us@3")
    assert label_of(changed.of(running)) == "default@1+us@3"
    assert changed.of(running).pod_distance_m == 100
    assert label_of(changed.at_receipt(running)) == "default@1+us@4+alpine@2"


def test_a_version_that_applies_to_running_orders_takes_over_and_a_later_one_does_not() -> None:
    hot = layer("us", 4, "{region: us}", "pod_distance_m: 50", "applies_to_running: true")
    later = layer("us", 5, "{region: us}", "pod_distance_m: 10")
    changed = EVERY.with_layer(hot).with_layer(later)
    assert label_of(changed.of(an_order("default@1+us@3"))) == "default@1+us@4"
    assert changed.of(an_order("default@1+us@3")).pod_distance_m == 50
    assert label_of(changed.of(an_order("default@1+us@5"))) == "default@1+us@5"
    # Nor does it reach what it is not for.
    assert label_of(changed.of(an_order("default@1", region="eu"))) == "default@1"


def test_a_new_layer_for_running_orders_reaches_those_it_is_for() -> None:
    new = layer("north", 2, UNIT, "signer_required: false", "applies_to_running: true")
    changed = EVERY.with_layer(new)
    assert label_of(changed.of(an_order("default@1+us@3", unit="north"))) == "default@1+us@3+north@2"
    assert label_of(changed.of(an_order("default@1+us@3"))) == "default@1+us@3"


def test_an_order_from_before_policies_runs_by_the_built_in_default() -> None:
    assert label_of(EVERY.of(an_order())) == "default@1"


@pytest.mark.parametrize("label", ["default@1+us@9", "default@1+gone@1"])
def test_the_policy_of_an_order_is_never_guessed(label: str) -> None:
    with pytest.raises(Unavailable, match="is not known here"):
        EVERY.of(an_order(label))
