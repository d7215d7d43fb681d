"""Process policies: list, show, put in force."""

from __future__ import annotations

import grpc

from gladhand.errors import NotFound, Unsupported
from logistics.orchestrator.v1 import (
    ApplyPolicyRequest,
    ApplyPolicyResponse,
    GetEffectivePolicyRequest,
    GetEffectivePolicyResponse,
    GetPolicyRequest,
    GetPolicyResponse,
    ListPoliciesRequest,
    ListPoliciesResponse,
)
from logistics.order.v1 import Order
from logistics.process.v1 import PolicyLayer
from logistics.type.v1 import ExternalReference, ReferenceType
from services.orchestrator.deciders import order
from services.orchestrator.policies import label_of
from services.orchestrator.policies.book import PolicyBook
from services.orchestrator.policies.layering import effective, origins
from services.orchestrator.policies.reading import read_policy
from services.orchestrator.policies.safety import examine
from services.orchestrator.policies.store import KeptPolicies, Wish
from services.orchestrator.servicer.desk import Methods, cause_of


class PolicyMethods(Methods):
    """The part of the service that concerns policies."""

    async def ListPolicies(
        self, request: ListPoliciesRequest, context: grpc.aio.ServicerContext[ListPoliciesRequest, ListPoliciesResponse]
    ) -> ListPoliciesResponse:
        """List the layers in force, or every version of one."""
        book = await self._kept().load()
        if not request.name:
            return ListPoliciesResponse(policies=[_shown(book, each) for each in book.in_force()])
        versions = book.versions(request.name)
        if not versions:
            raise NotFound("policy", request.name)
        return ListPoliciesResponse(policies=[_shown(book, each) for each in reversed(versions)])

    async def GetPolicy(
        self, request: GetPolicyRequest, context: grpc.aio.ServicerContext[GetPolicyRequest, GetPolicyResponse]
    ) -> GetPolicyResponse:
        """Read one version of a layer."""
        book = await self._kept().load()
        found = book.version(request.name, request.version)
        if found is None:
            raise NotFound("policy", f"{request.name}@{request.version}" if request.version else request.name)
        return GetPolicyResponse(policy=_shown(book, found))

    async def GetEffectivePolicy(
        self,
        request: GetEffectivePolicyRequest,
        context: grpc.aio.ServicerContext[GetEffectivePolicyRequest, GetEffectivePolicyResponse],
    ) -> GetEffectivePolicyResponse:
        """Read what all layers together demand, and which says what."""
        book = await self._kept().load()
        recorded = ""
        if request.order_id:
            found = (await self._desk.journal.find(order.DECIDER, request.order_id)).state.order
            if found is None:
                raise NotFound("order", request.order_id)
            layers, recorded = book.layers_of(found), found.policy_version
        else:
            layers = book.layers_at_receipt(_like(request))
        policy = effective(layers)
        label = label_of(policy)
        return GetEffectivePolicyResponse(
            policy=policy,
            label=label,
            origins=origins(layers),
            recorded_label=recorded if recorded != label else "",
        )

    async def ApplyPolicy(
        self, request: ApplyPolicyRequest, context: grpc.aio.ServicerContext[ApplyPolicyRequest, ApplyPolicyResponse]
    ) -> ApplyPolicyResponse:
        """Put a policy file in force for orders that come from then on, or only check it."""
        kept = self._kept()
        wish = Wish(
            layer=read_policy(request.document),
            actor=cause_of(request.request_id).actor,
            reason=request.reason,
            expected_version=request.expected_version if request.HasField("expected_version") else None,
        )
        applied = await kept.apply(wish, examine, check_only=request.check_only)
        return ApplyPolicyResponse(
            policy=_shown(kept.book, applied.layer), created=applied.created, explored=applied.explored
        )

    def _kept(self) -> KeptPolicies:
        policies = self._desk.policies
        if not isinstance(policies, KeptPolicies):
            raise Unsupported("this orchestrator runs by one fixed policy; start it with a bucket of policies")
        return policies


def _shown(book: PolicyBook, layer: PolicyLayer) -> PolicyLayer:
    shown = PolicyLayer()
    shown.CopyFrom(layer)
    current = book.version(layer.name, 0)
    shown.in_force = current is not None and current.version == layer.version
    shown.settings.extend(origins([layer]))
    return shown


def _like(request: GetEffectivePolicyRequest) -> Order:
    """Return an order that the layers in question are for."""
    like = Order(region=request.region, erp_instance=request.erp_instance, cost_center=request.cost_center)
    if request.customer_code:
        like.customer.references.append(
            ExternalReference(
                system=request.erp_instance,
                type=ReferenceType.REFERENCE_TYPE_PARTY,
                value=request.customer_code,
            )
        )
    return like
