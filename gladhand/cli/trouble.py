"""What the commands about exceptions and holds show."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from gladhand.cli.output import as_dict, print_json, screen, table
from logistics.contract.v1 import finding_pb2
from logistics.exception.v1.exception_pb2 import Exception as MeshException
from logistics.exception.v1.exception_pb2 import ExceptionKind, ExceptionState, Severity
from logistics.exception.v1.hold_pb2 import Gate, Hold, HoldKind, HoldState
from logistics.orchestrator.v1.orchestrator_service_pb2 import BlockedByResponse


def gate_of(word: str) -> Gate.ValueType:
    """The gate that a word means. Raises BadParameter."""
    name = f"GATE_{word.upper()}"
    if name not in Gate.keys()[1:]:
        raise typer.BadParameter(f"no gate {word!r}; gates: planning, dispatch, delivery, billing")
    return Gate.Value(name)


def kind_of(word: str) -> HoldKind.ValueType:
    """The kind of hold that a word means. Raises BadParameter."""
    name = f"HOLD_KIND_{word.upper()}"
    if name not in HoldKind.keys()[1:]:
        known = ", ".join(each.removeprefix("HOLD_KIND_").lower() for each in HoldKind.keys()[1:])
        raise typer.BadParameter(f"no kind {word!r}; kinds: {known}")
    return HoldKind.Value(name)


def show_exceptions(found: Sequence[MeshException], as_json: bool) -> None:
    """A table of exceptions, or one JSON document."""
    if as_json:
        print_json({"exceptions": [as_dict(each) for each in found]})
        return
    columns = ("exception id", "kind", "severity", "state", "owner", "due", "#calls", "what is wrong")
    rows = [
        (
            each.exception_id,
            ExceptionKind.Name(each.kind).removeprefix("EXCEPTION_KIND_"),
            Severity.Name(each.severity).removeprefix("SEVERITY_").lower(),
            ExceptionState.Name(each.state).removeprefix("EXCEPTION_STATE_").lower(),
            each.owner or "nobody",
            _minute(each.due_time) if each.HasField("due_time") else "",
            each.escalation_level or "",
            _short(each.message),
        )
        for each in found
    ]
    screen().print(table(columns, rows))


def show_exception(found: MeshException, as_json: bool) -> None:
    """One exception, line by line."""
    if as_json:
        print_json(as_dict(found))
        return
    console = screen()
    show_exceptions([found], as_json=False)
    console.print(found.message, markup=False, highlight=False)
    subjects = {name: getattr(found, f"{name}_id") for name in ("order", "load", "stop", "invoice", "vehicle")}
    for name, subject in subjects.items():
        if subject:
            console.print(f"{name} {subject}", highlight=False)
    if found.evidence_ids:
        console.print("stands on " + ", ".join(found.evidence_ids), highlight=False)
    if found.resolution_code or found.resolution_note:
        done = ": ".join(part for part in (found.resolution_code, found.resolution_note) if part)
        console.print(f"done: {done}", markup=False, highlight=False)
    value = ExceptionKind.DESCRIPTOR.values_by_number.get(found.kind)
    if value is not None:
        console.print(
            "how it is resolved: " + value.GetOptions().Extensions[finding_pb2.finding].resolved_by, highlight=False
        )


def show_holds(found: Sequence[Hold], as_json: bool) -> None:
    """A table of holds, or one JSON document."""
    if as_json:
        print_json({"holds": [as_dict(each) for each in found]})
        return
    columns = ("hold id", "kind", "blocks", "on", "state", "placed by", "until", "why")
    rows = [
        (
            each.hold_id,
            HoldKind.Name(each.kind).removeprefix("HOLD_KIND_").lower(),
            ", ".join(Gate.Name(gate).removeprefix("GATE_").lower() for gate in each.gates),
            _on(each),
            HoldState.Name(each.state).removeprefix("HOLD_STATE_").lower() + (", four eyes" if each.four_eyes else ""),
            each.placed_by,
            _minute(each.expire_time) if each.HasField("expire_time") else "",
            _short(each.reason),
        )
        for each in found
    ]
    screen().print(table(columns, rows))


def show_hold(found: Hold, as_json: bool) -> None:
    """One hold."""
    if as_json:
        print_json(as_dict(found))
    else:
        show_holds([found], as_json=False)


def show_blockers(answer: BlockedByResponse, as_json: bool) -> None:
    """What blocks a gate, and who may release it."""
    if as_json:
        print_json(as_dict(answer))
        return
    if not answer.blocked:
        screen().print("nothing blocks it")
        return
    rows = [
        (
            one.hold.hold_id,
            one.stands_on,
            _short(one.hold.reason),
            one.release_scope + (f", not {one.not_by}" if one.not_by else ""),
        )
        for one in answer.blockers
    ]
    screen().print(table(("hold id", "stands on", "why", "released by whoever holds"), rows))


def _on(found: Hold) -> str:
    for name in ("invoice", "line", "stop"):
        subject = getattr(found, f"{name}_id")
        if subject:
            return f"{name} {subject} of {found.order_id or found.load_id}"
    return f"order {found.order_id}" if found.order_id else f"load {found.load_id}"


def _minute(time: Timestamp) -> str:
    return f"{time.ToDatetime():%Y-%m-%d %H:%M}"


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
