// Submits an order, watches it until it is released or rejected, and shows two refusals: node dist/orders.js [SALE]
import { randomUUID } from "node:crypto";

import { createClient } from "@connectrpc/connect";
import { OrchestratorService } from "@gladhand/contracts/logistics/orchestrator/v1";

import { accessFromEnvironment, connect } from "./connection.js";
import { orderOf } from "./order.js";
import { refusal } from "./refusal.js";

const sale = process.argv[2] ?? `TS-${Date.now()}`;
const connection = connect(accessFromEnvironment());
const orchestrator = createClient(OrchestratorService, connection.transport);

const { order, created } = await orchestrator.submitOrder({ requestId: randomUUID(), order: orderOf(sale, "4") });
const orderId = order?.orderId ?? "";
console.log("submitted", orderId, created ? "created" : "known");

// A stream that follows the log has no deadline: it goes on until the caller leaves.
const events = orchestrator.watchOrders({ orderIds: [orderId], fromBeginning: true }, { timeoutMs: 0 });
for await (const { event } of events) {
  if (!event) continue; // a checkpoint: idle is not dead
  console.log("event", String(event.version), event.body.case);
  if (event.body.case === "released" || event.body.case === "rejected") break;
}

try {
  await orchestrator.submitOrder({ requestId: randomUUID(), order: orderOf(`${sale}-bad`, "four") });
} catch (cause) {
  const { code, reason, violations } = refusal(cause);
  console.log("refused", code, reason, violations[0]?.field);
}

try {
  await orchestrator.getOrder({ orderId: randomUUID() });
} catch (cause) {
  const { code, reason, resource } = refusal(cause);
  console.log("missing", code, reason, resource?.resourceType);
}

connection.close();
