"""The corpus catches what it is there for: each mutation of rules, decoding and folding is found and told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import protovalidate
import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gladhand import validation
from gladhand.decider import Decider
from gladhand.lifecycle import MachineState
from logistics.contract.v1 import state as state_option
from logistics.exception.v1 import Hold
from logistics.type.v1 import GeoPoint
from services.orchestrator.deciders import hold
from tools.corpus import __main__ as generator
from tools.corpus import accepting, entry, filling, folding
from tools.corpus.released import Released
from tools.corpus.stories import STORIES
from tools.corpus.telling import NothingNew, Story, payloads
from tools.generate import build_image

Change = Callable[[FieldDescriptorProto, validate_pb2.FieldRules], None]


@pytest.fixture(autouse=True)
def at_the_root(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    # A validator remembers the rules of a type by its name, and here one name has many.
    monkeypatch.setattr(validation, "_validator", protovalidate.Validator())


@pytest.fixture(scope="module")
def image(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        return build_image(tmp_path_factory.mktemp("image") / "image.binpb").SerializeToString()


def pool_of(image: bytes, change: Callable[[FileDescriptorProto], None]) -> DescriptorPool:
    """The contract with one file changed."""
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(image).file:
        change(file)
        pool.Add(file)
    return pool


def holds_with(image: bytes, field: str, change: Change) -> type[Message]:
    """The message Hold of a contract in which one field of it was changed."""

    def edit(file: FileDescriptorProto) -> None:
        for message in file.message_type:
            if file.package == "logistics.exception.v1" and message.name == "Hold":
                (found,) = (each for each in message.field if each.name == field)
                change(found, found.options.Extensions[validate_pb2.field])

    return GetMessageClass(pool_of(image, edit).FindMessageTypeByName("logistics.exception.v1.Hold"))


def set_rule(path: str, value: object) -> Change:
    def change(_field: FieldDescriptorProto, rules: validate_pb2.FieldRules) -> None:
        *outer, last = path.split(".")
        target: Any = rules
        for name in outer:
            target = getattr(target, name)
        setattr(target, last, value)

    return change


def add_cel(_field: FieldDescriptorProto, rules: validate_pb2.FieldRules) -> None:
    rules.cel.add(id="hold.reason.short", message="must be short", expression="this.size() < 10")


def rename(field: FieldDescriptorProto, _rules: validate_pb2.FieldRules) -> None:
    field.name, field.json_name = "cause", "cause"


def renumber_type(field: FieldDescriptorProto, _rules: validate_pb2.FieldRules) -> None:
    field.type = FieldDescriptorProto.TYPE_INT64
    field.options.ClearExtension(validate_pb2.field)


def stored_holds() -> list[dict[str, Any]]:
    return [content for kind, _, content in entry.messages("v1.0.0") if kind == "logistics.exception.v1.Hold"]


def found_by(kind: type[Message]) -> list[str]:
    return [fault for content in stored_holds() for fault in accepting.faults(kind, content)]


def test_an_unchanged_contract_is_accepted(image: bytes) -> None:
    assert found_by(holds_with(image, "reason", lambda _field, _rules: None)) == []
    assert found_by(Hold) == []


@pytest.mark.parametrize(
    ("field", "change"),
    [
        pytest.param("reason", set_rule("string.max_len", 100), id="a shorter string"),
        pytest.param("reason", set_rule("string.min_len", 5), id="a longer least string"),
        pytest.param("reason", set_rule("string.pattern", "^[a-w ]*$"), id="a new pattern"),
        pytest.param("reason", add_cel, id="a new expression"),
        pytest.param("expire_time", set_rule("required", value=True), id="a new required field"),
        pytest.param("gates", set_rule("repeated.max_items", 1), id="a shorter list"),
        pytest.param("kind", set_rule("enum.defined_only", value=True), id="only known values"),
        pytest.param("version", set_rule("int64.gte", 1), id="a larger least number"),
        pytest.param("version", set_rule("int64.lte", 1 << 40), id="a smaller largest number"),
        pytest.param("reason", rename, id="a renamed field"),
        pytest.param("reason", renumber_type, id="another type"),
    ],
)
def test_a_tightened_rule_is_caught_and_named(image: bytes, field: str, change: Change) -> None:
    found = found_by(holds_with(image, field, change))
    assert found
    assert any(field in fault for fault in found)


# ---- logs ---------------------------------------------------------------------------------------------------------

AnyDecider = Decider[Any, Any, Any]


def hold_logs() -> list[entry.Log]:
    return [log for aggregate, _, log in entry.logs("v1.0.0") if aggregate == "hold"]


def faults(decider: AnyDecider) -> list[str]:
    released = Released.of("v1.0.0")
    return [fault for log in hold_logs() for fault in folding.faults(decider, log, released)]


def forgetting_the_evidence(state: hold.State, event: Any) -> hold.State:
    after = hold.DECIDER.evolve(state, event)
    if after.hold is not None:
        after.hold.ClearField("release_evidence")
    return after


def releasing_what_expires(state: hold.State, event: Any) -> hold.State:
    if event.WhichOneof("body") == "expired":
        event.released.SetInParent()
    return hold.DECIDER.evolve(state, event)


def test_the_deciders_as_they_are_pass() -> None:
    assert faults(hold.DECIDER) == []


@pytest.mark.parametrize(
    ("evolve", "told"),
    [(forgetting_the_evidence, "state.hold is"), (releasing_what_expires, "HOLD_STATE_RELEASED")],
)
def test_a_changed_evolve_is_caught(evolve: Any, told: str) -> None:
    assert any(told in fault for fault in faults(replace(hold.DECIDER, evolve=evolve)))


def test_a_removed_edge_is_caught(image: bytes) -> None:
    def edit(file: FileDescriptorProto) -> None:
        for enum in file.enum_type:
            if enum.name == "HoldState":
                forget_expiry(enum)

    narrow = SimpleNamespace(DESCRIPTOR=pool_of(image, edit).FindEnumTypeByName("logistics.exception.v1.HoldState"))

    def machines(state: hold.State) -> dict[str, MachineState]:
        return {name: MachineState(narrow, one.value) for name, one in hold.DECIDER.machines(state).items()}

    assert any("expired cannot lead" in fault for fault in faults(replace(hold.DECIDER, machines=machines)))


def forget_expiry(enum: EnumDescriptorProto) -> None:
    for value in enum.value:
        edges = value.options.Extensions[state_option].edges
        for edge in [edge for edge in edges if edge.event == "expired"]:
            edges.remove(edge)


def test_a_lost_event_is_caught() -> None:
    released = Released.of("v1.0.0")
    for log in hold_logs():
        shorter = replace(log, steps=log.steps[:-1])
        if len(log.steps) > 1 and dict(log.steps[-1].then) != dict(log.steps[-2].then):
            assert folding.faults(hold.DECIDER, shorter, released)
        backwards = replace(log, steps=log.steps[::-1])
        assert any("stands at place 1" in fault for fault in folding.faults(hold.DECIDER, backwards, released))


def test_bytes_that_do_not_say_what_stands_beside_them_are_caught() -> None:
    log = hold_logs()[0]
    forged = replace(log.steps[0], event={**log.steps[0].event, "region": "eu"})
    found = folding.faults(hold.DECIDER, replace(log, steps=(forged, *log.steps[1:])), Released.of("v1.0.0"))
    assert found == ["the bytes of event 1 do not say what stands beside them"]


# ---- the generator ------------------------------------------------------------------------------------------------


def test_a_story_stores_the_same_bytes_each_time() -> None:
    for story in STORIES[::7]:
        assert payloads(story) == payloads(story)


def test_a_story_whose_wish_changes_nothing_is_told_wrong() -> None:
    story = next(each for each in STORIES if each.aggregate == "hold")
    twice = replace(story, wishes=(*story.wishes, story.wishes[-1]))
    with pytest.raises(NothingNew, match="changed nothing"):
        payloads(twice)


def test_what_exists_is_never_rewritten(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "ROOT", tmp_path)
    first = replace(hold_story(), name="first")
    monkeypatch.setattr(generator, "STORIES", (first,))
    monkeypatch.setattr(filling, "kinds", lambda: [GeoPoint])  # unchanged since the first release
    assert generator.main(["v1.0.0"]) == 0
    assert "2 entries added" in capsys.readouterr().out
    kept = tmp_path / "v1.0.0" / entry.LOGS / "hold" / "first.json"
    kept.write_text(json.dumps({"kept": True}), encoding="utf-8")
    assert generator.main(["v1.0.0"]) == 0
    assert "0 entries added" in capsys.readouterr().out
    assert json.loads(kept.read_text(encoding="utf-8")) == {"kept": True}


def hold_story() -> Story:
    return next(each for each in STORIES if each.aggregate == "hold" and each.name == "released")


def test_an_entry_that_uses_what_the_version_lacks_is_refused(
    image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    older = FileDescriptorSet.FromString(image)
    for file in older.file:
        for message in file.message_type:
            if message.name == "Hold":
                drop_reason(message)
    (tmp_path / "v0.9.0.binpb").write_bytes(older.SerializeToString())
    monkeypatch.setattr(entry, "ROOT", tmp_path / "corpus")
    monkeypatch.setattr("tools.corpus.released.RELEASED", tmp_path)
    monkeypatch.setattr(generator, "STORIES", (hold_story(),))
    assert generator.main(["v0.9.0"]) == 1
    assert "uses what v0.9.0 does not have" in capsys.readouterr().out
    assert not (tmp_path / "corpus").exists()


def drop_reason(message: DescriptorProto) -> None:
    for field in [field for field in message.field if field.name == "reason"]:
        message.field.remove(field)


def test_an_unknown_version_is_told_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert generator.main(["v9.9.9"]) == 2
    assert "v1.0.0" in capsys.readouterr().out
