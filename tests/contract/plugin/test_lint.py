"""Each lint rule accepts the yard, and fails where a broken copy of it is broken."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from gladhand.contracts.plugin.catalog import LINT, RULES
from tests.contract.plugin import workspace

POLICY = "RPC_POLICY_REQUIRED"
REQUEST_ID = "MUTATION_REQUEST_ID_REQUIRED"
ROUTING = "EVENT_ROUTING_REQUIRED"
LIFECYCLE = "LIFECYCLE_SOUND"
UNIT = "QUANTITY_UNIT_REQUIRED"

EVENT_IMPORT = 'import "logistics/contract/v1/event.proto";'
SCOPES = """      scopes: [
        "yard.write",
        "yard.admin"
      ]
"""
AUDIENCES = """      audience: [
        AUDIENCE_INTERNAL,
        AUDIENCE_PARTNER
      ]
"""
COUNTING = """    option (logistics.contract.v1.policy) = {
      scopes: ["yard.read"]
      audience: [AUDIENCE_INTERNAL]
      rate_class: RATE_CLASS_READ
      stage: LIFE_STAGE_ALPHA
    };
"""
ENVELOPE = """  option (logistics.contract.v1.envelope) = {
    aggregate: "trailer"
    stream: "TRAILERS"
    id_field: "trailer_id"
  };
"""
PARKED_STATE = "TRAILER_STATE_PARKED = 2 [(logistics.contract.v1.state) = {"
PARKED_EDGES = """
    edges: {
      event: "left"
      to: ["TRAILER_STATE_GONE"]
    }
  }]"""
PARKED_ROUTING = """  option (logistics.contract.v1.event) = {
    token: "parked"
    priority: PRIORITY_OPERATIONS
  };
"""


class Case(NamedTuple):
    """A rule, what is changed in the yard, what buf has to point at and what it has to say."""

    rule: str
    edits: dict[str, str]
    at: str
    says: str


CASES = {
    "no_idempotency_level": Case(
        POLICY,
        {"    option idempotency_level = IDEMPOTENT;\n": ""},
        "rpc AdmitTrailer",
        "add option idempotency_level",
    ),
    "no_policy": Case(
        POLICY,
        {COUNTING: ""},
        "rpc CountTrailers",
        "add option (logistics.contract.v1.policy)",
    ),
    "no_scope": Case(
        POLICY,
        {SCOPES: ""},
        "(logistics.contract.v1.policy) = {\n      audience",
        "names no scope",
    ),
    "no_audience": Case(
        POLICY,
        {AUDIENCES: ""},
        "(logistics.contract.v1.policy)",
        "no audience",
    ),
    "no_rate_class": Case(
        POLICY, {"      rate_class: RATE_CLASS_READ\n": ""}, "(logistics.contract.v1.policy)", "names no rate_class"
    ),
    "no_stage": Case(
        POLICY, {"      stage: LIFE_STAGE_STABLE\n": ""}, "(logistics.contract.v1.policy)", "names no stage"
    ),
    "no_sunset": Case(
        POLICY, {'      sunset_date: "2026-06-30"\n': ""}, "stage: LIFE_STAGE_DEPRECATED", "DEPRECATED without an end"
    ),
    "sunset_is_no_day": Case(POLICY, {"2026-06-30": "next year"}, "sunset_date:", "write YYYY-MM-DD"),
    "sunset_of_a_living_method": Case(
        POLICY, {"LIFE_STAGE_DEPRECATED": "LIFE_STAGE_STABLE"}, "sunset_date:", "though it is not DEPRECATED"
    ),
    "request_id_missing": Case(
        REQUEST_ID,
        {"  string request_id = 1 [(buf.validate.field).string.uuid = true];\n": ""},
        "message AdmitTrailerRequest",
        "lacks the field request_id",
    ),
    "request_id_of_any_form": Case(
        REQUEST_ID,
        {"string request_id = 1 [(buf.validate.field).string.uuid = true]": "string request_id = 1"},
        "string request_id = 1",
        "(buf.validate.field).string.uuid = true",
    ),
    "request_id_not_required": Case(
        REQUEST_ID,
        {"requires_request_id: true": "requires_request_id: false"},
        "requires_request_id: false",
        "NO_SIDE_EFFECTS",
    ),
    "envelope_not_routed": Case(
        ROUTING,
        {ENVELOPE: ""},
        "message TrailerEvent",
        "add option (logistics.contract.v1.envelope)",
    ),
    "aggregate_is_no_token": Case(ROUTING, {'"trailer"': '"the.trailer"'}, "aggregate:", "a subject token"),
    "stream_is_no_name": Case(ROUTING, {'"TRAILERS"': '"trailers.>"'}, "stream:", "name of a JetStream stream"),
    "id_field_unknown": Case(
        ROUTING, {'id_field: "trailer_id"': 'id_field: "id"'}, "id_field:", "no field is called that"
    ),
    "body_not_routed": Case(
        ROUTING,
        {PARKED_ROUTING: ""},
        "message TrailerParked",
        "is not routed",
    ),
    "token_taken": Case(
        ROUTING,
        {'token: "left"': 'token: "parked"'},
        'token: "parked"\n    priority: PRIORITY_OPERATIONS\n  };\n}\n\n// A trailer to admit',
        "take another one",
    ),
    "no_priority": Case(
        ROUTING,
        {"    priority: PRIORITY_TELEMETRY\n": ""},
        '(logistics.contract.v1.event) = {\n    token: "weighed"',
        "names no priority",
    ),
    "body_of_no_envelope": Case(
        ROUTING,
        {"    TrailerParked parked = 101;\n": ""},
        '(logistics.contract.v1.event) = {\n    token: "parked"',
        "body of no envelope",
    ),
    "initial_unknown": Case(
        LIFECYCLE,
        {'initial: ["TRAILER_STATE_GATE"]': 'initial: ["TRAILER_STATE_GATE", "TRAILER_STATE_BORN"]'},
        "initial:",
        "has no state TRAILER_STATE_BORN",
    ),
    "edge_to_unknown_state": Case(
        LIFECYCLE,
        {'to: ["TRAILER_STATE_PARKED"]': 'to: ["TRAILER_STATE_PARKED", "TRAILER_STATE_LOST"]'},
        "edges: {",
        "which is no state",
    ),
    "state_out_of_reach": Case(
        LIFECYCLE,
        {'      to: ["TRAILER_STATE_PARKED"]': '      to: ["TRAILER_STATE_GONE"]'},
        "TRAILER_STATE_PARKED = 2",
        "nothing leads to TRAILER_STATE_PARKED",
    ),
    "no_way_out": Case(
        LIFECYCLE,
        {PARKED_STATE + PARKED_EDGES: "TRAILER_STATE_PARKED = 2"},
        "TRAILER_STATE_PARKED = 2",
        "no terminal state can be reached from TRAILER_STATE_PARKED",
    ),
    "event_unknown": Case(LIFECYCLE, {'event: "parked"': 'event: "docked"'}, "edges: {", "docked is no body"),
    "born_outside_of_initial": Case(
        LIFECYCLE,
        {PARKED_STATE: f'{PARKED_STATE}\n    born_by: ["weighed"]'},
        'born_by: ["weighed"]',
        "is not initial",
    ),
    "bare_weight": Case(
        UNIT, {"double weight_kg = 1": "double weight = 1"}, "double weight = 1", "does not say its unit"
    ),
    "money": Case(UNIT, {"double length_m = 4": "double parking_fee_kg = 4"}, "double parking_fee_kg", "is money"),
    "wrapped": Case(
        UNIT,
        {
            "double length_m = 4": "google.protobuf.DoubleValue distance = 4",
            EVENT_IMPORT: f'import "google/protobuf/wrappers.proto";\n{EVENT_IMPORT}',
        },
        "google.protobuf.DoubleValue distance",
        "does not say its unit",
    ),
}


FINE = {
    "as_it_stands": {},
    "a_stream_of_requests_without_request_id": {
        "AdmitTrailer(AdmitTrailerRequest)": "AdmitTrailer(stream AdmitTrailerRequest)",
        "requires_request_id: true": "requires_request_id: false",
    },
    **{
        f"number_{name}": {"double length_m = 4": f"double {name} = 4"}
        for name in ("distance_m", "speed_mps", "temperature_celsius", "latitude", "fill_ratio", "tax_percent")
    },
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[workspace.Told]:
    """What one `buf lint` says about a copy of the yard for each case."""
    edits = {name: case.edits for name, case in CASES.items()} | FINE
    copies = {name: workspace.edited(edit) for name, edit in edits.items()}
    return workspace.lint(workspace.lay(tmp_path_factory.mktemp("lint"), copies))


@pytest.mark.parametrize("name", FINE)
def test_a_sound_yard_passes(name: str, told: list[workspace.Told]) -> None:
    assert [line for line in told if line.path == str(workspace.file_of(name))] == []


@pytest.mark.parametrize("name", CASES)
def test_a_broken_yard_fails_where_it_is_broken(name: str, told: list[workspace.Told]) -> None:
    case, path = CASES[name], str(workspace.file_of(name))
    line, column = workspace.position(workspace.edited(case.edits), case.at)
    found = [line for line in told if line.path == path and line.rule == case.rule]
    assert [(line.line, line.column) for line in found] == [(line, column)], found
    assert case.says in found[0].sentence


def test_each_rule_is_broken_by_a_case() -> None:
    assert {case.rule for case in CASES.values()} == {rule.id for rule in RULES if rule.kind == LINT}
