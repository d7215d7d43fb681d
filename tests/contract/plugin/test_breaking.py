"""Each breaking rule lets a harmless change of the yard pass, and fails where a harmful one is made."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from gladhand.contracts.plugin.catalog import BREAKING, RULES
from tests.contract.plugin import workspace

EDGE = "LIFECYCLE_EDGE_NO_DELETE"
TERMINAL = "LIFECYCLE_TERMINAL_SAME"
RULE = "RULE_NO_TIGHTEN"
SCOPE = "SCOPE_NO_ADD"
RATE = "RATE_CLASS_NO_LOWER"
STAGE = "STAGE_NO_SKIP"
SUBJECT = "EVENT_SUBJECT_SAME"
IDENTITY = "IDENTITY_SAME"

LEFT_FROM_GATE = """    edges: {
      event: "left"
      to: ["TRAILER_STATE_GONE"]
    }
  }];
  // On a spot."""
LEFT_ROUTING = """  option (logistics.contract.v1.event) = {
    token: "left"
    priority: PRIORITY_OPERATIONS
  };
"""
READ_POLICY = """      scopes: ["yard.read"]
      audience: [AUDIENCE_INTERNAL]
"""
ITEMS = "(buf.validate.field).repeated = {\n    max_items: 4\n    items: {string: {min_len: 1}}\n  }"
SHORT = '(buf.validate.field).cel = {id: "short" expression: "this.size() < 5"}'
LAST_FIELD = "  string remarks = 6;\n"
METHODS = {
    name: workspace.YARD[workspace.YARD.index(begin) : workspace.YARD.index(end)]
    for name, begin, end in (
        ("AdmitTrailer", "  // Admits a trailer.", "  // Reads a trailer."),
        ("GetTrailer", "  // Reads a trailer.", "  // Counts trailers"),
        ("CountTrailers", "  // Counts trailers", "}\n\n// Where a trailer stands."),
    )
}


class Harm(NamedTuple):
    """A rule, what is changed in the yard, what buf has to point at in the new source and what it has to say."""

    rule: str
    edits: dict[str, str]
    at: str
    says: str


HARMFUL = {
    "an_edge": Harm(
        EDGE, {LEFT_FROM_GATE: "  }];\n  // On a spot."}, "(logistics.contract.v1.state) = {\n    born_by", "by left"
    ),
    "another_identity": Harm(
        IDENTITY, {'identity: "yard_gate"': 'identity: "gate"'}, "identity:", "was yard_gate and is gate"
    ),
    "no_identity": Harm(
        IDENTITY,
        {'  option (logistics.contract.v1.service) = {identity: "yard_gate"};\n': ""},
        "service YardService",
        "was yard_gate and is nobody",
    ),
    "a_birth": Harm(
        EDGE, {'    born_by: ["admitted"]\n': ""}, "(logistics.contract.v1.state) = {\n    edges", "is born"
    ),
    "an_event_anywhere": Harm(
        EDGE, {'    anywhere: ["weighed"]\n': ""}, "(logistics.contract.v1.lifecycle)", "weighed may no longer happen"
    ),
    "a_whole_lifecycle": Harm(
        EDGE,
        {
            "  option (logistics.contract.v1.lifecycle) = {\n"
            '    initial: ["TRAILER_STATE_GATE"]\n'
            '    terminal: ["TRAILER_STATE_GONE"]\n'
            '    anywhere: ["weighed"]\n'
            "  };\n": ""
        },
        "enum TrailerState",
        "declares no lifecycle any more",
    ),
    "one_terminal_state_more": Harm(
        TERMINAL,
        {'terminal: ["TRAILER_STATE_GONE"]': 'terminal: ["TRAILER_STATE_GONE", "TRAILER_STATE_PARKED"]'},
        "terminal:",
        "PARKED ends the life",
    ),
    "smaller_max": Harm(RULE, {"max_len: 20": "max_len: 10"}, "max_len:", "max_len was 20 and is 10"),
    "larger_min": Harm(RULE, {"min_len: 2": "min_len: 3"}, "min_len:", "min_len was 2 and is 3"),
    "smaller_end_of_another_form": Harm(RULE, {"lt: 100": "lte: 98"}, "lte: 98", "lt 100 is gone, lte 98 is new"),
    "fewer_items": Harm(
        RULE, {"max_items = 4": "max_items = 3"}, "(buf.validate.field).repeated.max_items", "max_items was 4"
    ),
    "rule_for_items": Harm(
        RULE,
        {"(buf.validate.field).repeated.max_items = 4": ITEMS},
        "min_len: 1}}",
        "min_len 1 is new for items",
    ),
    "new_pattern": Harm(
        RULE,
        {LAST_FIELD: '  string remarks = 6 [(buf.validate.field).string.pattern = "^x*$"];\n'},
        "(buf.validate.field).string.pattern",
        "pattern ^x*$ is new",
    ),
    "changed_pattern": Harm(RULE, {"^[A-Z0-9]*$": "^[A-Z]*$"}, "pattern:", "pattern was ^[A-Z0-9]*$ and is ^[A-Z]*$"),
    "new_required": Harm(
        RULE,
        {"  Trailer trailer = 2;": "  Trailer trailer = 2 [(buf.validate.field).required = true];"},
        "(buf.validate.field).required",
        "required is new",
    ),
    "smaller_list": Harm(RULE, {',\n      "B"': ""}, "in:", "in is [, A]"),
    "new_not_in": Harm(
        RULE,
        {LAST_FIELD: '  string remarks = 6 [(buf.validate.field).string.not_in = "x"];\n'},
        "(buf.validate.field).string.not_in",
        "not_in is [x]",
    ),
    "new_const": Harm(
        RULE,
        {LAST_FIELD: '  string remarks = 6 [(buf.validate.field).string.const = "x"];\n'},
        "(buf.validate.field).string.const",
        "const x is new",
    ),
    "new_expression": Harm(
        RULE,
        {LAST_FIELD: f"  string remarks = 6 [{SHORT}];\n"},
        "(buf.validate.field).cel",
        "the CEL rule short is new",
    ),
    "changed_expression": Harm(
        RULE,
        {"this.spot == 0 || this.row != ''": "this.row != ''"},
        "option (buf.validate.message).cel",
        "spot_has_row reads otherwise",
    ),
    "new_field_that_must_be_set": Harm(
        RULE,
        {LAST_FIELD: LAST_FIELD + "\n  // Its owner.\n  string owner = 7 [(buf.validate.field).string.min_len = 1];\n"},
        "[(buf.validate.field).string.min_len = 1]",
        "its rules refuse a message without it",
    ),
    "request_id_required": Harm(
        RULE,
        {READ_POLICY: f"{READ_POLICY}      requires_request_id: true\n"},
        "requires_request_id: true\n      rate_class",
        "refuses requests without request_id",
    ),
    "one_scope_more": Harm(
        SCOPE, {'"yard.admin"': '"yard.admin",\n        "yard.guest"'}, "scopes:", "opens to the scope yard.guest"
    ),
    "one_scope_less": Harm(SCOPE, {',\n        "yard.admin"': ""}, "scopes:", "no longer takes the scope yard.admin"),
    "one_audience_less": Harm(
        SCOPE, {",\n        AUDIENCE_PARTNER": ""}, "audience:", "closed to the audience PARTNER"
    ),
    "no_policy_any_more": Harm(
        SCOPE,
        {METHODS["CountTrailers"]: METHODS["CountTrailers"].split("    option (log")[0] + "  }\n"},
        "rpc CountTrailers",
        "no policy",
    ),
    "smaller_share": Harm(
        RATE,
        {"RATE_CLASS_READ": "RATE_CLASS_COMMAND"},
        "rate_class: RATE_CLASS_COMMAND",
        "falls from the rate class READ to COMMAND",
    ),
    "a_stable_method_is_gone": Harm(
        STAGE, {METHODS["AdmitTrailer"]: ""}, "service YardService", "first declare it DEPRECATED"
    ),
    "a_deprecated_method_is_gone_before_its_sunset": Harm(
        STAGE, {METHODS["GetTrailer"]: ""}, "service YardService", "its sunset is 2026-06-30"
    ),
    "a_promise_is_taken_back": Harm(
        STAGE, {"LIFE_STAGE_STABLE": "LIFE_STAGE_ALPHA"}, "stage: LIFE_STAGE_ALPHA", "falls back from STABLE"
    ),
    "an_earlier_sunset": Harm(STAGE, {"2026-06-30": "2026-06-01"}, "sunset_date:", "was 2026-06-30 and is 2026-06-01"),
    "another_aggregate": Harm(
        SUBJECT, {'aggregate: "trailer"': 'aggregate: "unit"'}, "aggregate:", "was trailer and is unit"
    ),
    "another_stream": Harm(SUBJECT, {'stream: "TRAILERS"': 'stream: "UNITS"'}, "stream:", "was TRAILERS and is UNITS"),
    "another_token": Harm(
        SUBJECT, {'token: "left"': 'token: "gone"'}, 'token: "gone"', "ended with left and ends with gone"
    ),
    "no_routing_any_more": Harm(
        SUBJECT,
        {LEFT_ROUTING: ""},
        "message TrailerLeft",
        "is not routed any more",
    ),
}

HARMLESS = {
    "an_edge_more": {'to: ["TRAILER_STATE_PARKED"]': 'to: ["TRAILER_STATE_PARKED", "TRAILER_STATE_GATE"]'},
    "an_edge_that_may_happen_anywhere_now": {'anywhere: ["weighed"]': 'anywhere: ["weighed", "parked"]'},
    "another_initial_state": {
        'initial: ["TRAILER_STATE_GATE"]': 'initial: ["TRAILER_STATE_GATE", "TRAILER_STATE_PARKED"]'
    },
    "looser_bounds": {
        "max_len: 20": "max_len: 30",
        "min_len: 2": "min_len: 1",
        "lt: 100": "lte: 100",
        "max_items = 4": "max_items = 5",
    },
    "the_same_end_of_another_form": {"lt: 100": "lte: 99"},
    "fewer_rules": {'    pattern: "^[A-Z0-9]*$"\n': "", '"B"': '"B",\n      "C"'},
    "another_message_of_an_expression": {"a spot needs a row": "a spot has to have a row"},
    "new_field_that_may_be_unset": {
        LAST_FIELD: LAST_FIELD
        + "\n  // Its owner.\n  optional string owner = 7 [(buf.validate.field).string.min_len = 1];\n"
    },
    "scopes_in_another_order": {'"yard.write",\n        "yard.admin"': '"yard.admin",\n        "yard.write"'},
    "one_audience_more": {"AUDIENCE_PARTNER": "AUDIENCE_PARTNER,\n        AUDIENCE_CUSTOMER"},
    "larger_share": {"RATE_CLASS_READ": "RATE_CLASS_BULK"},
    "an_alpha_method_is_gone": {METHODS["CountTrailers"]: ""},
    "a_method_is_deprecated": {
        "stage: LIFE_STAGE_STABLE": 'stage: LIFE_STAGE_DEPRECATED\n      sunset_date: "2026-01-01"'
    },
    "a_later_sunset": {"2026-06-30": "2026-12-31"},
    "another_body": {
        "    // It went out.": "    // It was painted.\n    TrailerPainted painted = 104;\n    // It went out.",
        "// A trailer went out.": "// Painted.\nmessage TrailerPainted {}\n\n// A trailer went out.",
    },
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[workspace.Told]:
    """What one `buf breaking` says about a changed copy of the yard for each case."""
    edits = {name: harm.edits for name, harm in HARMFUL.items()} | HARMLESS
    folder = tmp_path_factory.mktemp("breaking")
    before = workspace.lay(folder / "before", dict.fromkeys(edits, workspace.YARD))
    after = workspace.lay(folder / "after", {name: workspace.edited(edit) for name, edit in edits.items()})
    return workspace.breaking(after, before)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return workspace.lay(tmp_path / "before", {"yard": workspace.YARD})


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_change_fails_where_it_is_made(name: str, told: list[workspace.Told]) -> None:
    harm, path = HARMFUL[name], str(workspace.file_of(name))
    line, column = workspace.position(workspace.edited(harm.edits), harm.at)
    found = [line for line in told if line.path == path]
    assert [(line.rule, line.line, line.column) for line in found] == [(harm.rule, line, column)], found
    assert harm.says in found[0].sentence


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_change_passes(name: str, told: list[workspace.Told]) -> None:
    assert [line for line in told if line.path == str(workspace.file_of(name))] == []


def test_each_rule_is_broken_by_a_case() -> None:
    rules = {rule.id for rule in RULES if rule.kind == BREAKING}
    assert {harm.rule for harm in HARMFUL.values()} == rules


def test_a_method_may_go_once_its_sunset_has_passed(before: Path, tmp_path: Path) -> None:
    copies = {"yard": workspace.edited({METHODS["GetTrailer"]: ""})}
    on_the_day = workspace.lay(tmp_path / "on", copies, today="'2026-06-30'")
    assert [line.rule for line in workspace.breaking(on_the_day, before)] == [STAGE]
    afterwards = workspace.lay(tmp_path / "after", copies, today="'2026-07-01'")
    assert workspace.breaking(afterwards, before) == []


def test_terminal_states_that_were_exchanged_are_named_both(before: Path, tmp_path: Path) -> None:
    source = workspace.edited({'terminal: ["TRAILER_STATE_GONE"]': 'terminal: ["TRAILER_STATE_PARKED"]'})
    told = workspace.breaking(workspace.lay(tmp_path / "after", {"yard": source}), before)
    assert {(line.line, line.column) for line in told} == {workspace.position(source, "terminal:")}
    assert [line.sentence.split()[0] for line in told] == ["TRAILER_STATE_GONE", "TRAILER_STATE_PARKED"]


def test_methods_of_a_service_that_is_gone_with_its_file_are_told_without_a_place(before: Path, tmp_path: Path) -> None:
    after = workspace.lay(tmp_path / "after", {"yard": workspace.YARD})
    (after / workspace.FILE).write_text(
        'syntax = "proto3";\n\n// Nothing is left.\npackage acme.yard.v1;\n', encoding="utf-8"
    )
    (after / workspace.FILE).rename((after / workspace.FILE).with_name("other.proto"))
    told = workspace.breaking(after, before)
    assert sorted(line.sentence.split()[2] for line in told) == [
        "acme.yard.v1.YardService/AdmitTrailer",
        "acme.yard.v1.YardService/GetTrailer",
    ]


def test_images_without_positions_are_compared_too(before: Path, tmp_path: Path) -> None:
    image = tmp_path / "before.binpb"
    assert workspace.run("build", "proto", "--exclude-source-info", "-o", image, cwd=before).returncode == 0
    source = workspace.edited({"max_len: 20": "max_len: 10"})
    after = workspace.lay(tmp_path / "after", {"yard": source})
    done = workspace.run("breaking", "proto", "--against", image, cwd=after)
    line, column = workspace.position(source, "max_len:")
    assert done.stdout.startswith(f"{workspace.FILE}:{line}:{column}:acme.yard.v1.Trailer.plate: max_len was 20")


@pytest.mark.parametrize("today", ["tomorrow", "2026"])
def test_a_day_that_is_none_is_told(today: str, tmp_path: Path) -> None:
    folder = workspace.lay(tmp_path, {"yard": workspace.YARD}, today=today)
    done = workspace.run("lint", cwd=folder)
    assert done.returncode != 0
    assert "the option today of buf-plugin-gladhand must be a day" in done.stderr
