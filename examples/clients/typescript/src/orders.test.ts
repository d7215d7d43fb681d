// What a team that builds on the contract relies on, against a running mesh (GLADHAND_TARGET).
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, describe, test } from "node:test";

import { createClient } from "@connectrpc/connect";
import { OrchestratorService } from "@gladhand/contracts/logistics/orchestrator/v1";
import { OrderState } from "@gladhand/contracts/logistics/order/v1";

import { accessFromEnvironment, connect } from "./connection.js";
import { orderOf } from "./order.js";
import { refusal } from "./refusal.js";

const connection = connect(accessFromEnvironment());
const orchestrator = createClient(OrchestratorService, connection.transport);
const submit = (sale: string, pieces: string, requestId: string = randomUUID()) =>
  orchestrator.submitOrder({ requestId, order: orderOf(sale, pieces) });

const refused = (call: Promise<unknown>) => call.then(() => assert.fail("the call was not refused"), refusal);

describe("the orchestrator", () => {
  // Not at the top level: Node.js runs that hook when nothing is left open, and the connection is.
  after(() => connection.close());

  test("an order is recorded once, whoever submits it again", async () => {
    const sale = randomUUID();
    const first = await submit(sale, "4");
    const again = await submit(sale, "4");
    assert.equal(first.created, true);
    assert.equal(again.created, false);
    assert.equal(again.order?.orderId, first.order?.orderId);
    const read = await orchestrator.getOrder({ orderId: first.order?.orderId ?? "", atLeastVersion: first.version });
    assert.notEqual(read.order?.state, OrderState.UNSPECIFIED);
  });

  test("a watched order tells its events in order and without gaps", { timeout: 60_000 }, async () => {
    const { order } = await submit(randomUUID(), "4");
    const seen: string[] = [];
    const watch = { orderIds: [order?.orderId ?? ""], fromBeginning: true };
    for await (const { event } of orchestrator.watchOrders(watch, { timeoutMs: 0 })) {
      if (!event) continue;
      seen.push(event.body.case ?? "");
      assert.equal(event.version, BigInt(seen.length));
      if (event.body.case === "released") break;
    }
    assert.equal(seen[0], "received");
  });

  test("a broken rule is told by field", async () => {
    const { code, reason, violations } = await refused(submit(randomUUID(), "four"));
    assert.equal(code, "InvalidArgument");
    assert.equal(reason, "CONTRACT_VIOLATION");
    assert.deepEqual(violations.map(({ field }) => field), ["order.lines[0].quantities.ordered.value"]);
    assert.notEqual(violations[0]?.description, "");
  });

  test("what does not exist is named", async () => {
    const orderId = randomUUID();
    const { code, reason, metadata, resource } = await refused(orchestrator.getOrder({ orderId }));
    assert.equal(code, "NotFound");
    assert.equal(reason, "ORDER_NOT_FOUND");
    assert.deepEqual(metadata, { order_id: orderId });
    assert.equal(resource?.resourceName, orderId);
  });

  test("a request id that comes again with another body is refused with the first one's digest", async () => {
    const [requestId, sale] = [randomUUID(), randomUUID()];
    await submit(sale, "4", requestId);
    const { code, reason, metadata } = await refused(submit(sale, "5", requestId));
    assert.equal(code, "AlreadyExists");
    assert.equal(reason, "REQUEST_ID_REUSED");
    assert.match(metadata["first_sha256"] ?? "", /^[0-9a-f]{64}$/);
  });

  test("a deadline that passes ends the call", async () => {
    const watch = async () => {
      for await (const _ of orchestrator.watchOrders({ orderIds: [randomUUID()] }, { timeoutMs: 300 }));
    };
    assert.equal((await refused(watch())).code, "DeadlineExceeded");
  });
});
