"""A small aggregate of the tests' own, compiled at run time: the runtime's tests know no logistics."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2  # noqa: F401 - registers itself
from google.protobuf.message import Message
from grpc_tools import protoc

from gladhand.bus.streams import StreamSpec
from gladhand.decider import Decider, Rejected
from gladhand.envelope import EnvelopeType, Stamp
from gladhand.lifecycle import MachineState

_HERE = Path(__file__).resolve().parent
_PROTO = _HERE.parents[2] / "proto"


def _compile() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "parcel.binpb"
        well_known = Path(protoc.__file__).parent / "_proto"
        code = protoc.main(
            ["protoc", f"-I{_HERE}", f"-I{_PROTO}", f"-I{well_known}", f"--descriptor_set_out={out}", "parcel.proto"]
        )
        assert code == 0
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = descriptor_pool.Default()
    pool.Add(files.file[0])
    found = pool.FindFileByName("parcel.proto")
    types: dict[str, Any] = {
        name: message_factory.GetMessageClass(found.message_types_by_name[name]) for name in found.message_types_by_name
    }
    return types | {name: SimpleNamespace(DESCRIPTOR=enum) for name, enum in found.enum_types_by_name.items()}


pb: Any = SimpleNamespace(**_compile())
ParcelEvent: Any = pb.ParcelEvent
KIND: EnvelopeType[Any] = EnvelopeType.of(ParcelEvent)
PARCELS = StreamSpec("PARCELS", ("logistics.parcel.>",), "Events of the tests' parcels.", max_bytes=8 << 20)

REGISTERED, SHIPPED, DELIVERED, LOST = 1, 2, 3, 4
EXPECTED, SEEN = 1, 2


@dataclass(frozen=True)
class Register:
    weight_g: int = 100
    pieces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ship:
    pass


@dataclass(frozen=True)
class Scan:
    piece: str


@dataclass(frozen=True)
class Note:
    text: str


@dataclass(frozen=True)
class Close:
    lost: bool = False


Command = Register | Ship | Scan | Note | Close


@dataclass(frozen=True)
class Parcel:
    state: int = 0
    weight_g: int = 0
    notes: tuple[str, ...] = ()
    pieces: Mapping[str, int] = field(default_factory=dict)


def decide(parcel: Parcel, command: Command) -> Message | None:
    event: Message | None
    match command:
        case Register(weight_g, _) if weight_g <= 0:
            raise Rejected(1, "a parcel weighs something", {"weight_g": str(weight_g)})
        case Register(weight_g, pieces):
            event = pb.Registered(weight_g=weight_g, pieces=pieces)
        case Ship():
            event = None if parcel.state == SHIPPED else pb.Shipped()
        case Scan(piece):
            if parcel.pieces.get(piece) == SEEN:
                return None
            event = pb.Scanned(piece=piece)
        case Note(text):
            event = None if text in parcel.notes else pb.Noted(text=text)
        case Close(lost):
            if parcel.state not in (0, SHIPPED, DELIVERED, LOST):
                raise Rejected(2, "a parcel is shipped before it is closed")
            event = pb.Closed(lost=lost)
    return event


def evolve(parcel: Parcel, event: Any) -> Parcel:
    match event.WhichOneof("body"):
        case "registered":
            pieces = dict.fromkeys(event.registered.pieces, EXPECTED)
            return replace(parcel, state=REGISTERED, weight_g=event.registered.weight_g, pieces=pieces)
        case "shipped":
            return replace(parcel, state=SHIPPED)
        case "scanned":
            return replace(parcel, pieces={**parcel.pieces, event.scanned.piece: SEEN})
        case "noted":
            return replace(parcel, notes=(*parcel.notes, event.noted.text))
        case "closed":
            return replace(parcel, state=LOST if event.closed.lost else DELIVERED)
    raise AssertionError("the shell lets no unknown body through")


def machines(parcel: Parcel) -> Mapping[str, MachineState]:
    pieces = {f"piece/{name}": MachineState(pb.PieceState, state) for name, state in parcel.pieces.items()}
    return {"": MachineState(pb.ParcelState, parcel.state), **pieces}


DECIDER: Decider[Parcel, Command, Any] = Decider(ParcelEvent, Parcel(), decide, evolve, machines)


def stamp(**more: Any) -> Stamp:
    return Stamp(**{"request_id": str(uuid4()), "region": "eu", **more})


def event(body: Message, parcel_id: str, version: int, event_id: str = "") -> Any:
    """A stamped event as the shell would write it."""
    return KIND.stamp(
        body,
        stamp(correlation_id="c"),
        aggregate_id=parcel_id,
        event_id=event_id or str(uuid4()),
        version=version,
        recorded=datetime(2026, 1, 5, tzinfo=UTC),
    )
