"""Process policies: how they are written, laid on each other, kept, checked, and found for an order."""

from services.orchestrator.policies.port import FixedPolicies, Policies, label_of

__all__ = ["FixedPolicies", "Policies", "label_of"]
