"""The rules of the plugin by id: what each holds, and whether it lints or looks for breaks (pure)."""

from __future__ import annotations

from typing import NamedTuple

CATEGORY = "GLADHAND"
CATEGORY_PURPOSE = "Checks the policy, lifecycles, routing and rules that Gladhand's annotations declare."

LINT, BREAKING = 1, 2


class Rule(NamedTuple):
    """One rule as buf lists it."""

    id: str
    kind: int
    purpose: str


RULES = (
    Rule("RPC_POLICY_REQUIRED", LINT, "Checks that every RPC has a complete policy and an idempotency level."),
    Rule("MUTATION_REQUEST_ID_REQUIRED", LINT, "Checks that an RPC which changes something requires a request id."),
    Rule("EVENT_ROUTING_REQUIRED", LINT, "Checks that event envelopes and event bodies say where they live."),
    Rule("LIFECYCLE_SOUND", LINT, "Checks that every state of a lifecycle is reached and leads to an end."),
    Rule("QUANTITY_UNIT_REQUIRED", LINT, "Checks that floating numbers name their unit and that money is none."),
    Rule("LIFECYCLE_EDGE_NO_DELETE", BREAKING, "Checks that no edge of a lifecycle is deleted."),
    Rule("LIFECYCLE_TERMINAL_SAME", BREAKING, "Checks that the terminal states of a lifecycle stay the same."),
    Rule("RULE_NO_TIGHTEN", BREAKING, "Checks that no validation rule becomes stricter."),
    Rule("SCOPE_NO_ADD", BREAKING, "Checks that nobody gains or loses an RPC by its scopes, nor loses it by audience."),
    Rule("RATE_CLASS_NO_LOWER", BREAKING, "Checks that no RPC falls into a rate class with a smaller share."),
    Rule("STAGE_NO_SKIP", BREAKING, "Checks that an RPC is deprecated and past its sunset before it is deleted."),
    Rule("IDENTITY_SAME", BREAKING, "Checks that the process behind a service keeps its identity."),
    Rule("EVENT_SUBJECT_SAME", BREAKING, "Checks that events stay on their subject and stream."),
)
