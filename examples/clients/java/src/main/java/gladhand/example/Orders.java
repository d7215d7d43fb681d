package gladhand.example;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.ResourceInfo;
import gladhand.logistics.orchestrator.v1.GetOrderRequest;
import gladhand.logistics.orchestrator.v1.OrchestratorServiceGrpc;
import gladhand.logistics.orchestrator.v1.OrchestratorServiceGrpc.OrchestratorServiceBlockingStub;
import gladhand.logistics.orchestrator.v1.SubmitOrderRequest;
import gladhand.logistics.orchestrator.v1.WatchOrdersRequest;
import gladhand.logistics.order.v1.LineQuantities;
import gladhand.logistics.order.v1.Order;
import gladhand.logistics.order.v1.OrderEvent;
import gladhand.logistics.order.v1.OrderLine;
import gladhand.logistics.type.v1.ExternalReference;
import gladhand.logistics.type.v1.GeoPoint;
import gladhand.logistics.type.v1.Location;
import gladhand.logistics.type.v1.Party;
import gladhand.logistics.type.v1.Quantity;
import gladhand.logistics.type.v1.ReferenceType;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.util.UUID;

/** Submits an order, watches it until it is released or rejected, and shows two refusals. */
public final class Orders {
  private final OrchestratorServiceBlockingStub orders;

  private Orders(OrchestratorServiceBlockingStub orders) {
    this.orders = orders;
  }

  public static void main(String[] arguments) throws IOException {
    String sale = arguments.length > 0 ? arguments[0] : "JAVA-" + System.nanoTime();
    var channel = Connection.open();
    try {
      new Orders(OrchestratorServiceGrpc.newBlockingStub(channel)).play(sale);
    } finally {
      channel.shutdownNow();
    }
  }

  private void play(String sale) {
    var answer = orders.submitOrder(submission(sale, "4"));
    String orderId = answer.getOrder().getOrderId();
    System.out.printf("submitted %s %s%n", orderId, answer.getCreated() ? "created" : "known");
    watch(orderId);

    try {
      orders.submitOrder(submission(sale + "-bad", "four"));
    } catch (StatusRuntimeException refused) {
      var broken = detail(refused, BadRequest.class);
      System.out.printf("refused %s %s%n", told(refused), broken.getFieldViolations(0).getField());
    }
    try {
      orders.getOrder(GetOrderRequest.newBuilder().setOrderId(UUID.randomUUID().toString()).build());
    } catch (StatusRuntimeException refused) {
      System.out.printf("missing %s %s%n", told(refused), detail(refused, ResourceInfo.class).getResourceType());
    }
  }

  /** Prints the order's events until it is released or rejected. A stream that follows the log ends when its context does. */
  private void watch(String orderId) {
    var request = WatchOrdersRequest.newBuilder().addOrderIds(orderId).setFromBeginning(true).build();
    var scope = Context.current().withCancellation();
    scope.run(() -> {
      var answers = orders.watchOrders(request);
      while (answers.hasNext()) {
        var seen = answers.next();
        if (!seen.hasEvent()) {
          continue; // a checkpoint: idle is not dead
        }
        OrderEvent event = seen.getEvent();
        System.out.printf("event %d %s%n", event.getVersion(), event.getBodyCase().name().toLowerCase());
        if (event.hasReleased() || event.hasRejected()) {
          break;
        }
      }
    });
    scope.cancel(null);
  }

  /** Returns the code of a refusal and its reason: the name of an ErrorReason without its prefix. */
  private static String told(StatusRuntimeException refused) {
    return refused.getStatus().getCode() + " " + detail(refused, ErrorInfo.class).getReason();
  }

  /** Returns the first detail of its kind that a refusal carries. */
  private static <D extends Message> D detail(StatusRuntimeException refused, Class<D> kind) {
    try {
      for (Any one : StatusProto.fromThrowable(refused).getDetailsList()) {
        if (one.is(kind)) {
          return one.unpack(kind);
        }
      }
    } catch (InvalidProtocolBufferException garbled) {
      throw new IllegalStateException("the server sent details that are none", garbled);
    }
    throw new IllegalStateException("the refusal has no " + kind.getSimpleName(), refused);
  }

  /** An order as an ERP would submit it: one line, under the ERP's sales order number. */
  private static SubmitOrderRequest submission(String sale, String pieces) {
    var ordered = Quantity.newBuilder().setValue(pieces).setUnitCode("C62");
    var order = Order.newBuilder()
        .setErpInstance("books")
        .setRegion("us")
        .setCurrency("USD")
        .addReferences(ExternalReference.newBuilder()
            .setSystem("books")
            .setType(ReferenceType.REFERENCE_TYPE_SALES_ORDER)
            .setValue(sale))
        .setCustomer(Party.newBuilder().setName("Alpine Foods"))
        .setShipFrom(place("Warehouse", 39.7, -105.0))
        .setShipTo(place("Dock", 39.8, -104.9))
        .addLines(OrderLine.newBuilder()
            .setLineId("1")
            .setSku("CRATE")
            .setQuantities(LineQuantities.newBuilder().setOrdered(ordered)));
    return SubmitOrderRequest.newBuilder().setRequestId(UUID.randomUUID().toString()).setOrder(order).build();
  }

  private static Location place(String name, double latitude, double longitude) {
    var point = GeoPoint.newBuilder().setLatitude(latitude).setLongitude(longitude);
    return Location.newBuilder().setName(name).setPoint(point).build();
  }
}
