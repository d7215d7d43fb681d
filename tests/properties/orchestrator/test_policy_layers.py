"""Layers of policy: however they are put together, the last word on a field is the top layer's."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from logistics.pod.v1 import PodMethod
from logistics.process.v1 import PolicyLayer, ProcessPolicy
from services.orchestrator.policies.layering import Demands, laid, value_at
from services.orchestrator.policies.reading import read_policy

DURATIONS = st.integers(0, 9_999_999).map(lambda seconds: Duration(seconds=seconds))
METHODS = st.lists(st.sampled_from([number for number in PodMethod.values() if number]), max_size=3)
FIELDS = {
    "quiet_period": DURATIONS,
    "pod_methods": METHODS,
    "signer_required": st.booleans(),
    "wave_size": st.integers(0, 1000),
    "cold_chain.review_due": DURATIONS,
    "cold_chain.min_coverage_percent": st.integers(0, 100),
    "rejection.short_tolerance_permille": st.integers(0, 1000),
}


@st.composite
def layers(draw: st.DrawFn, version: int = 0) -> PolicyLayer:
    layer = PolicyLayer(name="layer", version=version or draw(st.integers(1, 99)))
    for path, values in FIELDS.items():
        if draw(st.booleans()):
            _set(layer.values, path, draw(values))
            layer.sets.append(path)
    return layer


def _set(policy: ProcessPolicy, path: str, value: object) -> None:
    *parents, leaf = path.split(".")
    holder: object = policy
    for name in parents:
        holder = getattr(holder, name)
    if isinstance(value, list):
        getattr(holder, leaf).extend(value)
    elif isinstance(value, Duration):
        getattr(holder, leaf).CopyFrom(value)
    else:
        setattr(holder, leaf, value)


def seen(demands: Demands) -> dict[str, tuple[str, str]]:
    return {path: (value_at(demands.values, path), layer) for path, layer in demands.origins.items()}


@given(layers(), layers(), layers())
def test_laying_is_associative(low: PolicyLayer, middle: PolicyLayer, top: PolicyLayer) -> None:
    a, b, c = Demands.of(low), Demands.of(middle), Demands.of(top)
    assert a.under(b).under(c) == a.under(b.under(c))
    assert Demands().under(a) == a.under(Demands())
    assert seen(Demands().under(a)) == seen(a)


@given(st.lists(layers(), max_size=4), layers(version=100))
def test_the_top_layer_has_the_last_word_and_says_nothing_else(below: list[PolicyLayer], top: PolicyLayer) -> None:
    under, whole = laid(below), laid([*below, top])
    for path in FIELDS:
        if path in top.sets:
            assert whole.origins[path] == "layer@100"
            assert value_at(whole.values, path) == value_at(top.values, path)
        else:
            assert whole.origins.get(path) == under.origins.get(path)
            assert value_at(whole.values, path) == value_at(under.values, path)


@given(layers())
def test_what_is_spelled_is_read_again(layer: PolicyLayer) -> None:
    lines = []
    for path in layer.sets:
        *parents, leaf = path.split(".")
        word = f"{leaf}: {value_at(layer.values, path)}"
        for name in reversed(parents):
            word = f"{name}: {{{word}}}"
        document = f"name: a\nfor: {{region: us}}\npolicy:\n  {word}\n"
        found = read_policy(document)
        assert value_at(found.values, path) == value_at(layer.values, path)
        lines.append(document)
    assert len(lines) == len(layer.sets)
