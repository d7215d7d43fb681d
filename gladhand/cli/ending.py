"""What people decide about orders that end otherwise than invoiced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gladhand.cli.failure import Exit, Failure
from gladhand.cli.output import as_dict, print_json, screen
from gladhand.client import call
from gladhand.ids import new_id
from logistics.orchestrator.v1 import orchestrator_service_pb2 as api
from logistics.order.v1.order_pb2 import ClaimState, Disposition, LineQuantity, Order

if TYPE_CHECKING:
    from gladhand.cli.ask import Orchestrator


async def cancelled(client: Orchestrator, name: str, reason: str) -> api.CancelOrderResponse:
    """Cancel an order. Raises what the orchestrator refuses."""
    order = await client.order(name)
    return await call(
        client.stub.CancelOrder(api.CancelOrderRequest(request_id=new_id(), order_id=order.order_id, reason=reason))
    )


async def disposed(client: Orchestrator, name: str, goods: str, disposition: Disposition.ValueType) -> Order:
    """Decide about goods of an order. Raises Failure where it is not clear which, and what is refused."""
    order = await client.order(name)
    known = [each.disposition_id for each in order.dispositions if not goods or each.disposition_id == goods]
    request = api.DecideDispositionRequest(
        request_id=new_id(),
        order_id=order.order_id,
        disposition_id=_only(known, "decision about goods", "--goods"),
        disposition=disposition,
    )
    return (await call(client.stub.DecideDisposition(request))).order


async def claimed(client: Orchestrator, name: str, lines: Sequence[str], reason: str) -> api.ClaimGoodsResponse:
    """Ask goods back. Raises Failure where a line is not LINE=QUANTITY, and what is refused."""
    order = await client.order(name)
    units = {line.line_id: line.quantities.ordered.unit_code for line in order.lines}
    request = api.ClaimGoodsRequest(request_id=new_id(), order_id=order.order_id, reason=reason)
    for told in lines:
        line_id, _, quantity = told.partition("=")
        if line_id not in units or not quantity:
            raise Failure(f"{told!r} is no LINE=QUANTITY of the order", f"its lines: {', '.join(units)}")
        part = LineQuantity(line_id=line_id)
        part.quantity.value, part.quantity.unit_code = quantity, units[line_id]
        request.lines.append(part)
    return await call(client.stub.ClaimGoods(request))


async def credited(client: Orchestrator, name: str, claim_id: str, note: str, *, decline: bool) -> Order:
    """Decide about a claim. Raises Failure where it is not clear which, and what is refused."""
    order = await client.order(name)
    known = [
        claim.claim_id
        for claim in order.claims
        if claim.claim_id == claim_id or (not claim_id and claim.state == ClaimState.CLAIM_STATE_OPEN)
    ]
    request = api.ApproveCreditRequest(
        request_id=new_id(),
        order_id=order.order_id,
        claim_id=_only(known, "open claim", "--claim"),
        decline=decline,
        note=note,
    )
    return (await call(client.stub.ApproveCredit(request))).order


def show_ending(order: Order, told: str, as_json: bool) -> None:
    """Show what a decision did."""
    if as_json:
        print_json({"told": told, "order": as_dict(order)})
        return
    console = screen()
    console.print(told, highlight=False)
    for goods in order.dispositions:
        fate = Disposition.Name(goods.disposition).removeprefix("DISPOSITION_")
        console.print(f"goods {goods.disposition_id}: {fate} {_amounts(goods.lines)}", highlight=False)
    for claim in order.claims:
        state = ClaimState.Name(claim.state).removeprefix("CLAIM_STATE_")
        console.print(f"claim {claim.claim_id}: {state} {_amounts(claim.lines)}", highlight=False)
    console.print(f"its journey: gladhand trace {order.order_id}", highlight=False)


def _amounts(lines: Sequence[LineQuantity]) -> str:
    return ", ".join(f"{line.quantity.value} of line {line.line_id}" for line in lines)


def _only(known: Sequence[str], what: str, option: str) -> str:
    if not known:
        raise Failure(f"the order has no such {what}", "look at it: gladhand orders show ORDER --json", Exit.NOT_FOUND)
    if len(known) > 1:
        raise Failure(f"the order has more than one {what}", f"name one with {option}: {', '.join(known)}")
    return known[0]
