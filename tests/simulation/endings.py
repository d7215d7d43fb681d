"""What tests of orders that end otherwise than invoiced clean have in common."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from gladhand import ids
from gladhand.testing import eventually
from logistics.exception.v1 import ExceptionKind
from logistics.order.v1 import (
    ClaimOrder,
    ClaimState,
    DecideOrderClaim,
    Disposition,
    LineQuantity,
    Order,
    OrderClaim,
    OrderState,
)
from logistics.process.v1 import ProcessPolicy
from tests.simulation.world import World, pieces

S = OrderState


def a_policy(**more: object) -> ProcessPolicy:
    return ProcessPolicy(
        name="trial",
        version=3,
        bill_accepted_after_rejection=True,
        wave_delay=Duration(seconds=2),
        **more,  # type: ignore[arg-type]
    )


def quantities(shown: Order, name: str) -> list[str]:
    return [getattr(line.quantities, name).value for line in shown.lines]


async def claim(
    world: World, order_id: str, count: int, disposition: Disposition.ValueType = Disposition.DISPOSITION_UNSPECIFIED
) -> str:
    claim_id = ids.derive(order_id, "claim", str(count))
    told = OrderClaim(
        claim_id=claim_id,
        lines=[LineQuantity(line_id="1", quantity=pieces(count), reason="DAMAGED")],
        reason="broken under the foil",
        raised_by="ines",
    )
    await world.wish(order_id, ClaimOrder(claim=told))
    return claim_id


async def decide(world: World, order_id: str, claim_id: str, state: ClaimState.ValueType) -> None:
    await world.wish(order_id, DecideOrderClaim(claim_id=claim_id, state=state, decided_by="ines"))


async def exceptions(world: World, order_id: str, kind: ExceptionKind.ValueType) -> int:
    page = await world.read_model.exceptions(page_size=100, page_token="", states=[], order_id=order_id)
    return sum(1 for found in page.items if found.kind == kind)


async def told(world: World, order_id: str, kind: ExceptionKind.ValueType) -> None:
    async def there() -> bool:
        return await exceptions(world, order_id, kind) > 0

    await eventually(there, what=ExceptionKind.Name(kind))
