// An order as an ERP would submit it.
import { create } from "@bufbuild/protobuf";
import { OrderSchema, type Order } from "@gladhand/contracts/logistics/order/v1";
import { ReferenceType } from "@gladhand/contracts/logistics/type/v1";

/** One line with `pieces` crates, under the ERP's sales order number `sale`. */
export function orderOf(sale: string, pieces: string): Order {
  return create(OrderSchema, {
    erpInstance: "books",
    region: "us",
    currency: "USD",
    references: [{ system: "books", type: ReferenceType.SALES_ORDER, value: sale }],
    customer: { name: "Alpine Foods" },
    shipFrom: { name: "Warehouse", point: { latitude: 39.7, longitude: -105.0 } },
    shipTo: { name: "Dock", point: { latitude: 39.8, longitude: -104.9 } },
    lines: [{ lineId: "1", sku: "CRATE", quantities: { ordered: { value: pieces, unitCode: "C62" } } }],
  });
}
