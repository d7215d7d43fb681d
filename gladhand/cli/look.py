"""What the looking commands show: processes, orders, loads, and the journey of an order."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence

from nats.errors import Error as NatsError
from rich.markup import escape
from rich.tree import Tree

from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.warp import MeshClock
from gladhand.cli import journey, traffic, words
from gladhand.cli.mesh import certificates
from gladhand.cli.mesh.declared import IDENTITIES
from gladhand.cli.mesh.probe import answers_http, serves_grpc
from gladhand.cli.mesh.state import Condition, MeshState, ProcessState
from gladhand.cli.output import as_dict, print_json, screen, table
from gladhand.errors import GladhandError
from logistics.load.v1.load_pb2 import Load, Stop
from logistics.orchestrator.v1.orchestrator_service_pb2 import HistoryEntry
from logistics.order.v1.order_pb2 import Order, OrderLine

_WELL = {Condition.READY, Condition.DONE}


async def show_status(mesh: MeshState, as_json: bool) -> bool:
    """Show the mesh and ask each process whether it is well; whether all are."""
    asked = {name: serves_grpc(mesh.target(name), name, mesh.secure) for name in IDENTITIES if name in mesh.processes}
    erp = asyncio.to_thread(answers_http, mesh.url("tryton") + "/", mesh.secure)
    ending = certificates.ends(mesh)
    *answers, erp_answers = await asyncio.gather(*asked.values(), erp)
    servers = await traffic.ask({name: mesh.target(name) for name in asked}, certificates.operator(mesh))
    health = {**dict(zip(asked, answers, strict=True)), "tryton": erp_answers}
    streams, ahead = await _log(mesh.bus(first_connect=2.0))
    health["nats"] = bool(streams)
    well = mesh.ready and all(health.values()) and all(p.condition in _WELL for p in mesh.processes.values())
    if as_json:
        document = {**mesh.to_json(), "health": health, "streams": streams, "clock_ahead_ms": ahead, "well": well}
        document["tls"] = {
            "on": mesh.secure is not None,
            "ends": {name: end.isoformat() for name, end in ending.items()},
        }
        document["servers"] = {name: as_dict(server) for name, server in servers.items()}
        print_json(document)
        return well
    now = dt.datetime.now(dt.UTC)
    rows = [
        (*_process_row(process, health.get(process.name), now), mesh.token_target(process.name))
        for process in mesh.processes.values()
    ]
    console = screen()
    console.print(table(("process", "state", "answers", "#pid", "since", "#restarts", "address", "for tokens"), rows))
    console.print(traffic.targets(servers))
    if streams:
        console.print("messages kept: " + "  ".join(f"{n} {c}" for n, c in streams.items() if c), highlight=False)
    clock = f"{now + dt.timedelta(milliseconds=ahead):%Y-%m-%d %H:%M:%S} UTC"
    warped = f", {dt.timedelta(seconds=ahead // 1000)} ahead of this machine" if ahead else ""
    console.print(f"mesh {mesh.phase}, region {mesh.region}, its clock {clock}{warped}", highlight=False)
    console.print(_tls(ending, now))
    console.print("logs: gladhand logs   stop: gladhand down", highlight=False)
    return well


def _tls(ending: Mapping[str, dt.datetime], now: dt.datetime) -> str:
    """What to say of TLS: when the first certificate ends. Certificates that are not replaced in time are a fault."""
    if not ending:
        return "[yellow]tls off: everybody on this machine can read and send everything[/]"
    name, first = min(ending.items(), key=lambda each: each[1])
    over = "" if first > now else "[red]over: [/]"
    return f"tls on, mutual; {over}the first certificate ({name}) ends {first:%Y-%m-%d %H:%M} UTC"


def _process_row(process: ProcessState, answers: bool | None, now: dt.datetime) -> tuple[object, ...]:
    running = process.identity is not None and process.condition in {Condition.READY, Condition.STARTING}
    age = now - dt.datetime.fromisoformat(process.since)
    return (
        process.name,
        process.condition + (f" ({escape(process.last_exit)})" if process.condition is Condition.GIVEN_UP else ""),
        "" if answers is None else ("yes" if answers else "[red]no[/]"),
        process.identity.pid if running and process.identity is not None else "",
        str(age).partition(".")[0],
        process.restarts or "",
        process.address,
    )


async def _log(bus: ConnectionSettings) -> tuple[Mapping[str, int], int]:
    """Messages by stream, and by how many milliseconds the mesh's clock is ahead; empty where JetStream is silent."""
    try:
        async with connected(bus) as connection:
            found = await connection.jetstream().streams_info()
            clock = MeshClock()
            async with clock.following(JetStreamBus(connection, clock)):
                ahead = clock.offset
    except (NatsError, GladhandError, OSError):
        return {}, 0
    by_name = sorted(found, key=lambda each: str(each.config.name))
    counts = {str(each.config.name): each.state.messages for each in by_name}
    return counts, ahead // dt.timedelta(milliseconds=1)


def show_orders(orders: Sequence[Order], as_json: bool) -> None:
    """List orders."""
    if as_json:
        print_json([as_dict(order) for order in orders])
        return
    rows = [
        (
            words.sale(order), words.purchase_order(order), order.customer.name, words.order_state(order),
            len(order.lines), words.moment(order.update_time), words.refusal(order),
        )
        for order in orders
    ]  # fmt: skip
    columns = ("sale", "reference", "customer", "state", "#lines", "updated", "refusal")
    screen().print(table(columns, rows))
    print("the way of one: gladhand trace SALE   its lines: gladhand orders show SALE")


def show_order(order: Order, as_json: bool) -> None:
    """Show one order."""
    if as_json:
        print_json(as_dict(order))
        return
    console = screen()
    facts = [
        ("order id", order.order_id), ("sale", words.sale(order)), ("reference", words.purchase_order(order)),
        ("customer", order.customer.name), ("state", words.order_state(order)), ("from", order.ship_from.name),
        ("to", order.ship_to.name or "as the lines say"), ("loads", " ".join(order.load_ids)),
        ("invoices", " ".join(order.invoice_ids)), ("refusal", words.refusal(order)),
    ]  # fmt: skip
    console.print(table(("field", "value"), [fact for fact in facts if fact[1]]))
    columns = ("line", "product", "to", "#ordered", "#delivered", "#accepted", "#rejected", "#invoiced")
    console.print(table(columns, [_line_row(line, order) for line in order.lines]))
    console.print(f"its journey: gladhand trace {order.order_id}", highlight=False)


def _line_row(line: OrderLine, order: Order) -> tuple[str, ...]:
    amounts = line.quantities
    place = line.ship_to.name or order.ship_to.name
    told = (amounts.ordered, amounts.delivered, amounts.accepted, amounts.rejected, amounts.invoiced)
    return (line.line_id, line.sku, place, *(each.value for each in told))


def show_loads(loads: Sequence[Load], as_json: bool) -> None:
    """List loads."""
    if as_json:
        print_json([as_dict(load) for load in loads])
        return
    ids = [load.load_id for load in loads]
    rows = [
        (
            words.short(load.load_id, ids), words.load_state(load),
            load.assignments[-1].vehicle_id if load.assignments else "",
            ",".join(load.assignments[-1].driver_ids) if load.assignments else "",
            len(load.stops), len(load.order_ids), words.moment(load.update_time),
        )
        for load in loads
    ]  # fmt: skip
    screen().print(table(("load", "state", "vehicle", "driver", "#stops", "#orders", "updated"), rows))
    print("its stops: gladhand loads show LOAD")


def show_load(load: Load, as_json: bool) -> None:
    """Show one load."""
    if as_json:
        print_json(as_dict(load))
        return
    console = screen()
    facts = [
        ("load id", load.load_id), ("state", words.load_state(load)), ("dispatch", load.dispatch_reference),
        ("vehicle", load.assignments[-1].vehicle_id if load.assignments else load.planned_vehicle_id),
        ("planner", load.figures.planner), ("distance", f"{load.figures.distance_m / 1000:.1f} km"),
        ("orders", " ".join(load.order_ids)),
    ]  # fmt: skip
    console.print(table(("field", "value"), [fact for fact in facts if fact[1]]))
    columns = ("#", "kind", "place", "state", "planned", "arrived", "left", "goods", "stop id")
    console.print(table(columns, [_stop_row(stop) for stop in sorted(load.stops, key=lambda s: s.sequence)]))


def _stop_row(stop: Stop) -> tuple[object, ...]:
    goods = ", ".join(f"{task.expected.value} {task.sku or task.line_id}" for task in stop.tasks)
    return (
        stop.sequence, words.stop_kind(stop), stop.location.name, words.stop_state(stop),
        words.moment(stop.planned_arrival_time)[11:], words.moment(stop.arrival.time)[11:],
        words.moment(stop.departure.time)[11:], goods, stop.stop_id,
    )  # fmt: skip


def show_journey(order: Order, entries: Sequence[HistoryEntry], as_json: bool) -> None:
    """Show all events of an order's journey as a tree of causes."""
    roots = journey.grow(entries)
    if as_json:
        print_json({"order_id": order.order_id, "state": words.order_state(order), "events": journey.as_tree(roots)})
        return
    console = screen()
    title = f"order {order.order_id}  sale {words.sale(order)}  {order.customer.name}  {words.order_state(order)}"
    tree = Tree(escape(title), guide_style="dim")
    for root in roots:
        cause = journey.outside_cause(root, entries)
        branch = tree.add(_event_line(root, roots[0]) + (f" [dim]caused by {escape(cause)}[/]" if cause else ""))
        _grow_branch(branch, root, roots[0])
    console.print(tree, highlight=False)
    console.print(f"{len(entries)} events; times are the mesh's clock, from the first event on", highlight=False)
    console.print("a < b < c: a recorded it, b told a of it or carried it out, c is who did it", highlight=False)


def _grow_branch(branch: Tree, node: journey.Node, first: journey.Node) -> None:
    for child in node.children:
        _grow_branch(branch.add(_event_line(child, first)), child, first)


def _event_line(node: journey.Node, first: journey.Node) -> str:
    entry = node.entry
    state = f" -> {entry.state.partition('_STATE_')[2] or entry.state}" if entry.state else ""
    told = journey.details(entry)
    return (
        f"[dim]{journey.elapsed(entry, first.entry)}[/] [bold]{entry.aggregate}.{entry.event}[/]{escape(state)}"
        f" [cyan]{escape(journey.services(entry))}[/]" + (f" [dim]{escape(told)}[/]" if told else "")
    )
