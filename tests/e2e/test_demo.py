"""The demo from end to end, every service a process of its own; then looked at with clients that are not ours."""

from __future__ import annotations

import base64
import json
import re
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grpc_requests import Client

from tests.adapters.certified import renew
from tests.e2e.mesh import Done, Mesh, PlainTryton, kill_group

pytestmark = [pytest.mark.tryton, pytest.mark.timeout(600)]

ORDERS = 6


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Mesh]:
    made = Mesh(tmp_path_factory.mktemp("mesh") / "home", repository)
    yield made
    made.gladhand("down")


@pytest.fixture(scope="module")
def demo(mesh: Mesh) -> Done:
    """One run of the demo, on which all tests of this module look."""
    done = mesh.gladhand("demo", "--orders", str(ORDERS), "--json", within_s=540)
    assert done.code == 0, f"{done.err}\n{mesh.gladhand('status').out}"
    return done


@pytest.fixture(scope="module")
def erp(mesh: Mesh, demo: Done) -> PlainTryton:
    password = json.loads((mesh.home / "data" / "tryton" / "credentials.json").read_text())["admin"]
    return PlainTryton(f"https://127.0.0.1:{mesh.ports['tryton']}", "admin", password, mesh.authority)


def test_every_order_ends_in_one_invoice_or_a_named_refusal(demo: Done) -> None:
    account = demo.json()
    assert account["orders"] == ORDERS
    assert account["invoiced"] == ORDERS - 1
    assert account["rejected"] == 1
    assert account["duplicates_posted"] == 0
    assert account["lost"] == 0
    assert len(account["invoices"]) == ORDERS - 1
    assert all(each["order_id"] and each["erp_order"] and each["erp_invoice"] for each in account["invoices"])
    assert "LOCATION_INVALID" in account["refusals"][0]["reason"]


def test_a_plain_client_of_tryton_sees_one_posted_invoice_for_each_order(demo: Done, erp: PlainTryton) -> None:
    for told in demo.json()["invoices"]:
        (sale,) = erp.search_read("sale.sale", [["number", "=", told["erp_order"]]], ["invoices"])
        invoices = erp.search_read("account.invoice", [["id", "in", sale["invoices"]]], ["number", "state"])
        assert [(each["number"], each["state"]) for each in invoices] == [(told["erp_invoice"], "posted")]
    assert len({told["erp_invoice"] for told in demo.json()["invoices"]}) == ORDERS - 1


def test_a_plain_client_of_tryton_sees_what_was_accepted_and_nothing_for_the_refused(
    demo: Done, erp: PlainTryton, mesh: Mesh
) -> None:
    for told in demo.json()["invoices"]:
        order = mesh.gladhand("orders", "show", told["order_id"], "--json").json()
        accepted = sorted((line["sku"], float(line["quantities"]["accepted"]["value"])) for line in order["lines"])
        moves = erp.search_read(
            "stock.move",
            [["origin.sale.number", "=", told["erp_order"], "sale.line"], ["state", "=", "done"]],
            ["product.code", "quantity"],
        )
        assert sorted((move["product."]["code"], move["quantity"]) for move in moves) == accepted
    refused = demo.json()["refusals"][0]["erp_order"]
    (sale,) = erp.search_read("sale.sale", [["number", "=", refused]], ["invoices"])
    assert sale["invoices"] == []


def test_a_client_that_is_not_ours_works_by_reflection(demo: Done, mesh: Mesh) -> None:
    own = mesh.home / "secure" / "operator"
    shown = {
        "root_certificates": (own / "ca.pem").read_bytes(),
        "private_key": (own / "key.pem").read_bytes(),
        "certificate_chain": (own / "cert.pem").read_bytes(),
    }
    client = Client(f"127.0.0.1:{mesh.ports['orchestrator']}", ssl=True, credentials=shown)
    service: Any = client.service("logistics.orchestrator.v1.OrchestratorService")
    listed = service.ListOrders({"page_size": 50})["orders"]
    assert len(listed) == ORDERS
    told = demo.json()["invoices"][0]
    order = service.GetOrder({"order_id": told["order_id"]})["order"]
    assert told["erp_order"] in {reference["value"] for reference in order["references"]}


def test_nothing_of_ours_answers_in_clear_text(demo: Done, mesh: Mesh) -> None:
    for name, port in mesh.ports.items():
        if name == "nats":
            continue  # greets in clear text, and then asks for TLS
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = plain.recv(64)
            refused = b"HTTP request to an HT" in answer  # Go says in clear text that it wants TLS
            assert refused or not answer.startswith((b"HTTP/", b"\0\0")), f"{name} speaks clear text"


def test_the_secure_folder_is_for_its_owner_alone(demo: Done, mesh: Mesh) -> None:
    folder = mesh.authority.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [each for each in folder.rglob("*") if stat.S_IMODE(each.stat().st_mode) & 0o077] == []


def test_a_running_mesh_takes_up_new_certificates(demo: Done, mesh: Mesh) -> None:
    folder = mesh.authority.parent
    served_by = {
        "edge_gateway": ("edge_http", "edge_gateway", "edge_gateway_token"),
        "orchestrator": ("orchestrator_token",),
        "tryton": ("tryton",),
    }
    for identity, names in served_by.items():
        fresh = renew(folder, identity)
        for name in names:
            deadline = time.monotonic() + 30
            while mesh.shown_on(name) != fresh.serial_number:
                assert time.monotonic() < deadline, f"{name} still shows the old certificate"
    assert mesh.gladhand("status").code == 0
    assert mesh.gladhand("orders", "list").code == 0


def test_nobody_needed_more_on_the_bus_than_the_contract_declares(demo: Done, mesh: Mesh) -> None:
    said = (mesh.home / "logs" / "nats.log").read_text("utf-8")
    assert "Listening for client connections" in said
    assert [line for line in said.splitlines() if "Violation" in line] == []


def test_twenty_lines_and_the_contracts_alone_print_the_events(
    demo: Done, mesh: Mesh, repository: Path, tmp_path: Path
) -> None:
    made = mesh.gladhand("bus", "credentials", "create", "printer", "--reads", "order,load,pod,invoice", "--json")
    assert made.json()["in_force"], made.err
    assert made.err == ""
    credentials = made.json()["credentials"]
    uv, python = Path(sys.executable).with_name("uv"), tmp_path / "venv" / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    what = [f"{repository}/gen/python", "nats-py[nkeys]", "--constraint", f"{repository}/requirements/runtime.txt"]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *what], check=True)
    consumer = subprocess.Popen(
        [
            python, repository / "examples" / "print_events.py", f"tls://127.0.0.1:{mesh.ports['nats']}",
            "--ca", mesh.authority, "--credentials", credentials,
        ],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert consumer.stdout is not None
    wanted = {
        "order.us.+received",
        "order.us.+invoiced",
        "load.us.+stop_arrived",
        "pod.us.+validated",
        "invoice.us.+posted",
    }
    missing = set(wanted)
    while missing:
        line = consumer.stdout.readline()
        assert line, f"the consumer ended before it had printed {missing}"
        missing -= {each for each in missing if re.search(rf"logistics\.{each} ", line)}
    consumer.kill()
    consumer.communicate()


def test_trace_finds_an_order_by_any_of_its_names(demo: Done, mesh: Mesh) -> None:
    told = demo.json()["invoices"][0]
    for name in (told["order_id"], told["erp_order"], told["erp_invoice"]):
        found = mesh.gladhand("trace", name, "--json").json()
        assert found["order_id"] == told["order_id"]
        events = set(names(found["events"]))
        assert {"order.received", "load.dispatched", "pod.validated", "invoice.posted", "order.invoiced"} <= events
    assert "invoice.posted" in mesh.gladhand("trace", told["erp_order"]).out


def names(tree: list[dict[str, Any]]) -> Iterator[str]:
    for node in tree:
        yield node["event"]
        yield from names(node["caused"])


def test_noise_was_refused_and_kept(demo: Done, mesh: Mesh) -> None:
    letters = mesh.gladhand("dead-letters", "list", "--json").json()
    reasons = {letter["reason"].partition(":")[0] for letter in letters if letter["consumer"] == "edge-inbox"}
    assert {"FUTURE_DATED", "POSITION_IMPLAUSIBLE"} <= reasons
    shown = mesh.gladhand("dead-letters", "show", str(letters[0]["letter"]), "--json").json()
    assert shown["bytes"] > 0
    assert "payload_base64" not in shown
    raw = mesh.gladhand("dead-letters", "show", str(letters[0]["letter"]), "--raw", "--json").json()
    assert len(base64.b64decode(raw["payload_base64"])) == shown["bytes"]


def test_status_is_well_and_a_second_start_says_that_it_runs(demo: Done, mesh: Mesh) -> None:
    status = mesh.gladhand("status", "--json")
    assert status.code == 0, status.out
    assert status.json()["well"]
    second = mesh.gladhand("up", "--detach")
    assert second.code == 1
    assert "gladhand status" in second.err


def test_what_is_not_there_is_said_with_a_remedy(demo: Done, mesh: Mesh) -> None:
    missing = mesh.gladhand("trace", "nobody-ordered-this")
    assert missing.code == 4
    assert "gladhand orders list" in missing.err


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.parametrize("moment", ["Tryton shows the dispatch", "at Store: signed"])
def test_after_killing_every_process_a_second_run_ends_the_same(moment: str, tmp_path: Path, repository: Path) -> None:
    mesh = Mesh(tmp_path / "home", repository)
    try:
        first = mesh.begin("demo", "--orders", str(ORDERS))
        assert first.stderr is not None
        told: list[str] = []
        while not told or (told[-1] and moment not in told[-1]):
            told.append(first.stderr.readline())
        assert told[-1], "".join(told)
        kill_group(first.pid)
        mesh.kill_everything()
        first.communicate()
        again = mesh.gladhand("demo", "--orders", str(ORDERS), "--json", within_s=400)
        assert again.code == 0, again.err
        account = again.json()
        assert (account["orders"], account["invoiced"], account["rejected"]) == (ORDERS, ORDERS - 1, 1)
        assert (account["duplicates_posted"], account["lost"]) == (0, 0)
        password = json.loads((mesh.home / "data" / "tryton" / "credentials.json").read_text())["admin"]
        plain = PlainTryton(f"https://127.0.0.1:{mesh.ports['tryton']}", "admin", password, mesh.authority)
        posted = plain.search_read("account.invoice", [["state", "=", "posted"], ["type", "=", "out"]], ["number"])
        assert sorted(each["number"] for each in posted) == sorted(e["erp_invoice"] for e in account["invoices"])
    finally:
        mesh.gladhand("down")
