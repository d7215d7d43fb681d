"""Every version of every layer that was ever in force, and which policy an order gets out of them (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from gladhand.errors import Unavailable
from logistics.order.v1 import Order
from logistics.process.v1 import PolicyLayer, PolicyLayerKind, PolicyTarget, ProcessPolicy
from services.orchestrator.policies.layering import concerns, effective, rank
from services.orchestrator.policies.reading import DEFAULT, content_sha256


def default_policy() -> ProcessPolicy:
    """Return what holds where no file says otherwise; a field that it does not set means what the contract says."""
    return ProcessPolicy(name=DEFAULT, version=1, bill_accepted_after_rejection=True)


def built_in(policy: ProcessPolicy) -> PolicyLayer:
    """Return version 1 of the default layer, which needs no file: it sets what `policy` has set."""
    layer = PolicyLayer(
        name=DEFAULT, version=1, target=PolicyTarget(kind=PolicyLayerKind.POLICY_LAYER_KIND_DEFAULT), values=policy
    )
    layer.sets.extend(each.name for each, _ in policy.ListFields() if each.name not in {"name", "version", "layers"})
    layer.content_sha256 = content_sha256(layer)
    return layer


class PolicyBook:
    """`Policies` over layers that do not change; a new book is made where something came into force."""

    def __init__(self, layers: Mapping[str, Sequence[PolicyLayer]]) -> None:
        """`layers` holds by name the versions that were ever in force, the oldest first; `default` is among them."""
        self._layers = {name: tuple(versions) for name, versions in layers.items()}
        self._versions = {(each.name, each.version): each for found in self._layers.values() for each in found}
        self._cached = lru_cache(maxsize=1024)(self._effective)

    def in_force(self) -> list[PolicyLayer]:
        """Return the layers that orders get now, the lowest first."""
        return sorted((found[-1] for found in self._layers.values()), key=lambda each: (rank(each.target), each.name))

    def versions(self, name: str) -> tuple[PolicyLayer, ...]:
        """Return the versions of a layer that were ever in force, the oldest first; none where there is no such."""
        return self._layers.get(name, ())

    def version(self, name: str, version: int) -> PolicyLayer | None:
        """Return one version of a layer, the one in force where `version` is 0; None where there is none."""
        if version:
            return self._versions.get((name, version))
        found = self._layers.get(name)
        return found[-1] if found else None

    def with_layer(self, layer: PolicyLayer) -> PolicyBook:
        """Return a book in which a layer is in force."""
        return PolicyBook({**self._layers, layer.name: (*self.versions(layer.name), layer)})

    def layers_at_receipt(self, order: Order) -> list[PolicyLayer]:
        """Return the layers that an order gets that is received now, the lowest first."""
        return [each for each in self.in_force() if concerns(each.target, order)]

    def layers_of(self, order: Order) -> list[PolicyLayer]:
        """Return the layers under which a recorded order runs, the lowest first.

        Those that it recorded, and of each layer the newest that applies to running orders and came later. An order
        that recorded none came when only the built-in default was there. Raises Unavailable where a version is not
        known here: the policy of an order is never guessed.
        """
        recorded = dict(_parted(label) for label in (order.policy_version or f"{DEFAULT}@1").split("+"))
        found: list[PolicyLayer] = []
        for name, versions in self._layers.items():
            later = [
                each
                for each in versions
                if each.values.applies_to_running
                and each.version > recorded.get(name, 0)
                and (name in recorded or concerns(each.target, order))
            ]
            if later:
                found.append(later[-1])
            elif name in recorded:
                found.append(self._known(name, recorded[name]))
        for name in recorded.keys() - self._layers.keys():
            self._known(name, recorded[name])
        return sorted(found, key=lambda each: (rank(each.target), each.name))

    def at_receipt(self, order: Order) -> ProcessPolicy:
        """Return the policy under which an order that is received now will run; see `Policies.at_receipt`."""
        return self._policy(self.layers_at_receipt(order))

    def of(self, order: Order) -> ProcessPolicy:
        """Return the policy under which a recorded order runs; see `Policies.of`."""
        return self._policy(self.layers_of(order))

    def in_region(self, region: str) -> ProcessPolicy:
        """Return the policy for what concerns no order in particular; see `Policies.in_region`."""
        return self._policy(self.layers_at_receipt(Order(region=region)))

    def _known(self, name: str, version: int) -> PolicyLayer:
        found = self._versions.get((name, version))
        if found is None:
            raise Unavailable(
                f"policy {name}@{version} is not known here yet; wait for the watch to catch up, or restore the bucket "
                "POLICIES",
                metadata={"policy_id": f"{name}@{version}"},
            )
        return found

    def _policy(self, layers: Iterable[PolicyLayer]) -> ProcessPolicy:
        return self._cached(tuple((each.name, each.version) for each in layers))

    def _effective(self, refs: tuple[tuple[str, int], ...]) -> ProcessPolicy:
        return effective([self._versions[each] for each in refs])


def _parted(label: str) -> tuple[str, int]:
    name, _, version = label.partition("@")
    return name, int(version) if version.isdigit() else 0
