"""`gladhand contracts live` and `check` on a mesh with consumers in it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from nats.aio.client import Client

from gladhand.bus.jetstream import JetStreamBus
from gladhand.contracts.image import load
from gladhand.registry import Consumer, Service, registered
from gladhand.registry.images import digest_of, normal, own_image
from gladhand.registry.presence import enrolled
from logistics.order.v1 import OrderEvent
from tests.adapters.registry.conftest import READ_BY_BILLING
from tests.unit.registry.edits import edited, with_field, without_edges, without_field

BILLING = Consumer("billing-report", reads={OrderEvent: ["order_id", READ_BY_BILLING]})
INDIFFERENT = Consumer("counter", reads={OrderEvent: ["order_id", "received"]})
FLEET = Service("fleet_gateway", services=["logistics.dispatch.v1.DispatchService"])


class Done(NamedTuple):
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Gladhand = Callable[..., Awaitable[Done]]


@pytest.fixture
def gladhand(nats_url: str, repository: Path, tmp_path: Path) -> Gladhand:
    """Run `gladhand contracts` against the mesh of this test."""

    async def run(*arguments: str, nats: str = nats_url) -> Done:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gladhand.cli.main", "contracts", *arguments, *(["--nats", nats] if nats else []),
            cwd=repository, env={**os.environ, "GLADHAND_HOME": str(tmp_path / "home")},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 120)
        return Done(process.returncode or 0, out.decode(), err.decode())

    return run


async def test_live_shows_who_runs_what_and_reads_what(
    gladhand: Gladhand, nats_connection: Client, bus: JetStreamBus
) -> None:
    async with registered(nats_connection, BILLING), enrolled(bus, FLEET), enrolled(bus, FLEET):
        shown = await gladhand("live")
        assert shown.code == 0, shown.err
        for told in (
            "billing-report",
            "reads OrderEvent",
            READ_BY_BILLING,
            "DispatchService",
            "3 live, contracts among them: 1",
        ):
            assert told in shown.out
        found = (await gladhand("live", "--json")).json()
    names = [each["name"] for each in found["live"]]
    assert names == ["billing-report", "fleet_gateway", "fleet_gateway"]
    assert found["live"][0]["image_digest"] == digest_of(own_image())
    assert found["live"][0]["reads"][0]["bodies"] == ["received"]


async def test_live_names_the_release_that_a_contract_is(
    gladhand: Gladhand, bus: JetStreamBus, repository: Path
) -> None:
    released = normal(load(repository / "proto" / "released" / "v1.0.0.binpb").file)
    async with enrolled(bus, INDIFFERENT, image=released):
        assert (await gladhand("live", "--json")).json()["live"][0]["released_version"] == "v1.0.0"


async def test_live_tells_of_garbage(gladhand: Gladhand, bus: JetStreamBus) -> None:
    await (await bus.key_value("REGISTRY")).put("nonsense.1", b"\xff\xff")
    shown = await gladhand("live")
    assert shown.code == 0, shown.err
    assert "not readable: nonsense.1" in shown.out
    assert (await gladhand("live", "--json")).json()["unreadable"][0]["key"] == "nonsense.1"


async def test_the_contract_of_the_clone_may_go_out(
    gladhand: Gladhand, nats_connection: Client, repository: Path
) -> None:
    async with registered(nats_connection, BILLING):
        done = await gladhand("check", str(repository / "proto"))
    assert done.code == 0, done.out + done.err
    assert "fine: billing-report" in done.out


@pytest.mark.slow
async def test_a_broken_workspace_names_consumer_field_and_line(
    gladhand: Gladhand, nats_connection: Client, broken_workspace: Path
) -> None:
    async with registered(nats_connection, BILLING), registered(nats_connection, INDIFFERENT):
        done = await gladhand("check", str(broken_workspace / "proto"))
    assert done.code == 1, done.out + done.err
    for told in ("billing-report", READ_BY_BILLING, "logistics/order/v1/order.proto:", "fine: counter", "buf breaking"):
        assert told in done.out


@pytest.mark.slow
async def test_a_broken_copy_of_the_protos_is_checked_like_the_clone_and_told_as_json(
    gladhand: Gladhand, nats_connection: Client, broken_workspace: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(broken_workspace / "proto", copy, ignore=shutil.ignore_patterns("released"))
    async with registered(nats_connection, BILLING), registered(nats_connection, INDIFFERENT):
        done = await gladhand("check", str(copy), "--json")
    assert done.code == 1, done.out + done.err
    found = done.json()
    assert [each["name"] for each in found["broken"]] == ["billing-report"]
    (hit,) = found["broken"][0]["hits"]
    assert hit["element"] == "logistics.order.v1.OrderLine.description"
    assert [use["path"] for use in hit["uses"]] == [READ_BY_BILLING]
    assert hit["line"] > 0
    assert [each["name"] for each in found["unharmed"]] == ["counter"]
    assert any("OrderLine" in complaint for complaint in found["complaints"])


async def test_an_image_without_what_nobody_reads_may_go_out(
    gladhand: Gladhand, nats_connection: Client, tmp_path: Path
) -> None:
    narrower, wider = tmp_path / "narrower.binpb", tmp_path / "wider.binpb"
    narrower.write_bytes(edited(without_field("logistics.order.v1.OrderLine.sku")).SerializeToString())
    wider.write_bytes(edited(with_field("logistics.order.v1.OrderLine.colour")).SerializeToString())
    async with registered(nats_connection, BILLING):
        done = await gladhand("check", str(narrower))
        assert done.code == 0, done.out + done.err
        assert "takes away what nobody who is live needs" in done.out
        assert "OrderLine" in done.out
        assert (await gladhand("check", str(wider))).code == 0


async def test_a_deleted_edge_breaks_the_policy_and_nobody_on_the_wire(
    gladhand: Gladhand, nats_connection: Client, tmp_path: Path
) -> None:
    image = tmp_path / "edgeless.binpb"
    edgeless = edited(without_edges("logistics.order.v1.OrderState", "ORDER_STATE_RECEIVED"))
    image.write_bytes(edgeless.SerializeToString())
    async with registered(nats_connection, BILLING):
        done = await gladhand("check", str(image))
    assert done.code == 1, done.out
    assert "breaks what was promised, though nobody on the wire" in done.out
    assert "fine: billing-report" in done.out


async def test_what_cannot_be_read_is_told_with_the_remedy(
    gladhand: Gladhand, nats_connection: Client, tmp_path: Path
) -> None:
    (tmp_path / "rubbish.binpb").write_bytes(b"rubbish")
    done = await gladhand("check", str(tmp_path / "rubbish.binpb"))
    assert done.code == 1
    assert "this is no image of a contract" in done.err
    assert (await gladhand("check", str(tmp_path / "nowhere"))).code == 1


async def test_without_a_mesh_live_says_so(gladhand: Gladhand) -> None:
    done = await gladhand("live", nats="")
    assert (done.code, "gladhand up" in done.err) == (3, True), done.err


async def test_of_a_mesh_elsewhere_that_does_not_answer_check_says_so(gladhand: Gladhand, repository: Path) -> None:
    image = repository / "proto" / "released" / "v1.0.0.binpb"
    done = await gladhand("check", str(image), nats="nats://127.0.0.1:1")
    assert (done.code, "127.0.0.1:1" in done.err) == (3, True), done.err
