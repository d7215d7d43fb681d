"""Layers of policy laid on each other, field by field, the last on top; lists replace lists (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from google.protobuf.message import Message

from logistics.order.v1 import Order
from logistics.process.v1 import (
    PolicyLayer,
    PolicyLayerKind,
    PolicyOrigin,
    PolicyTarget,
    ProcessPolicy,
)
from services.orchestrator.parties import parties_of
from services.orchestrator.policies.spelling import at_path, spelled_field


@dataclass(frozen=True)
class Demands:
    """What some layers together demand. `origins` names, for each field that is set, the layer that sets it.

    Laying demands on each other is associative, and nothing at all is its neutral element.
    """

    values: ProcessPolicy = field(default_factory=ProcessPolicy)
    origins: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, layer: PolicyLayer) -> Demands:
        """Return what one layer demands. Whether it applies to running orders is a matter of the layer alone."""
        label = ref(layer)
        return cls(layer.values, {path: label for path in layer.sets if path != "applies_to_running"})

    def under(self, upper: Demands) -> Demands:
        """Return these demands with others laid on top."""
        values = ProcessPolicy()
        for demands in (self, upper):
            for path in demands.origins:
                _copy(demands.values, values, path)
        return Demands(values, {**self.origins, **upper.origins})


def effective(layers: Sequence[PolicyLayer]) -> ProcessPolicy:
    """Return what layers, the lowest first, demand together, complete with its name. There is at least one."""
    whole = ProcessPolicy()
    whole.CopyFrom(laid(layers).values)
    whole.name, whole.version = layers[-1].name, layers[-1].version
    whole.layers.extend(ref(layer) for layer in layers)
    return whole


def laid(layers: Iterable[PolicyLayer]) -> Demands:
    """Return the demands of layers, the lowest first."""
    return reduce(Demands.under, map(Demands.of, layers), Demands())


def origins(layers: Sequence[PolicyLayer]) -> list[PolicyOrigin]:
    """Return which layer each value comes from, by path."""
    whole = laid(layers)
    return [
        PolicyOrigin(path=path, value=value_at(whole.values, path), layer=whole.origins[path])
        for path in sorted(whole.origins)
    ]


def value_at(values: ProcessPolicy, path: str) -> str:
    """Return the value at a path as a file would spell it."""
    holder, leaf = at_path(values, path)
    return spelled_field(leaf, getattr(holder, leaf.name))


def ref(layer: PolicyLayer) -> str:
    """Return how labels name a version of a layer: `<name>@<version>`."""
    return f"{layer.name}@{layer.version}"


def rank(target: PolicyTarget) -> int:
    """Return where a layer lies; the higher is on top."""
    return target.kind


def concerns(target: PolicyTarget, order: Order) -> bool:
    """Return whether a layer is for an order."""
    kind = target.kind
    if kind == PolicyLayerKind.POLICY_LAYER_KIND_DEFAULT:
        return True
    if kind == PolicyLayerKind.POLICY_LAYER_KIND_REGION:
        return target.region == order.region
    if target.erp_instance != order.erp_instance:
        return False
    if kind == PolicyLayerKind.POLICY_LAYER_KIND_BUSINESS_UNIT:
        return target.cost_center == order.cost_center
    # Another system may use the same code for somebody else.
    return any(
        party.value == target.customer_code and party.system == order.erp_instance for party in parties_of(order)
    )


def _copy(source: Message, target: Message, path: str) -> None:
    from_, leaf = at_path(source, path)
    to, _ = at_path(target, path)
    if leaf.is_repeated:
        del getattr(to, leaf.name)[:]
        getattr(to, leaf.name).extend(getattr(from_, leaf.name))
    elif leaf.message_type is not None:
        getattr(to, leaf.name).CopyFrom(getattr(from_, leaf.name))
    else:
        setattr(to, leaf.name, getattr(from_, leaf.name))
