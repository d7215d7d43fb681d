"""What a process may do is compared too: rights that it gains, rights that it loses, and its identity."""

from __future__ import annotations

from gladhand.contracts.changes import Change, ChangeKind, compare
from gladhand.registry.images import own_image
from logistics.contract.v1.service_pb2 import ServicePolicy, service

EDGE = "logistics.edge.v1.EdgeIngestService"


def changed(**rights: object) -> dict[str, Change]:
    """What is told, by sentence, where rights of the edge gateway are others than they are."""
    new = type(own_image())()
    new.CopyFrom(own_image())
    file = next(each for each in new.file if each.package == "logistics.edge.v1")
    policy = file.service[0].options.Extensions[service]
    policy.MergeFrom(ServicePolicy())
    for name, value in rights.items():
        policy.ClearField(name)  # type: ignore[arg-type]
        policy.MergeFrom(ServicePolicy(**{name: value}))  # type: ignore[arg-type]
    return {each.sentence.partition(":")[0]: each for each in compare(own_image(), new)}


def test_a_right_to_call_that_is_taken_away_is_told_of_what_was_called_and_for_whom() -> None:
    found = changed(calls=["logistics.dispatch.v1.DispatchService/ResolveDevice"])
    record = "logistics.orchestrator.v1.OrchestratorService/RecordProofOfDelivery"
    told = found.pop(f"edge_gateway may no longer call {record}")
    assert not found
    assert (told.kind, told.rule, told.element) == (ChangeKind.TIGHTENED, "RIGHT_REMOVED", record)
    assert told.whom == ("the process edge_gateway",)


def test_rights_on_the_bus_are_told_both_ways() -> None:
    found = changed(publishes=["logistics.invoice.>"], objects=[], consumers=[])
    assert found["edge_gateway may publish logistics.invoice.> now"].kind is ChangeKind.LOOSENED
    assert {each.kind for sentence, each in found.items() if "no longer" in sentence} == {ChangeKind.TIGHTENED}
    for lost in (
        "publish logistics.inbox.*.*",
        "use the objects of DOCUMENTS",
        "consume by edge-inbox (logistics.inbox.*.*)",
    ):
        assert f"edge_gateway may no longer {lost}" in found


def test_another_identity_breaks_those_who_call() -> None:
    found = changed(identity="edge")[f"the process of {EDGE} was edge_gateway and is edge"]
    assert (found.kind, found.rule) == (ChangeKind.BROKEN, "IDENTITY_SAME")
    assert all(who.startswith(f"callers of {EDGE}/") for who in found.whom)


def test_the_same_rights_are_no_change() -> None:
    assert changed() == {}
