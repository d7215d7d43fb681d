// Submits an order, watches it until it is released or rejected, and shows two refusals: go run . [SALE]
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	orchestrator "gladhand.local/contracts/logistics/orchestrator/v1"
	order "gladhand.local/contracts/logistics/order/v1"
	types "gladhand.local/contracts/logistics/type/v1"
)

func main() {
	sale := fmt.Sprintf("GO-%d", time.Now().UnixNano())
	if len(os.Args) > 1 {
		sale = os.Args[1]
	}
	channel, err := connect()
	if err != nil {
		log.Fatal(err)
	}
	defer channel.Close()
	if err := play(context.Background(), orchestrator.NewOrchestratorServiceClient(channel), sale); err != nil {
		log.Fatal(err)
	}
}

func play(ctx context.Context, orders orchestrator.OrchestratorServiceClient, sale string) error {
	answer, err := orders.SubmitOrder(ctx, submission(sale, "4"))
	if err != nil {
		return err
	}
	how := "known"
	if answer.Created {
		how = "created"
	}
	fmt.Println("submitted", answer.Order.OrderId, how)
	if err := watch(ctx, orders, answer.Order.OrderId); err != nil {
		return err
	}

	_, err = orders.SubmitOrder(ctx, submission(sale+"-bad", "four"))
	if broken, found := detail[*errdetails.BadRequest](err); found {
		fmt.Println("refused", status.Code(err), reason(err), broken.FieldViolations[0].Field)
	}
	_, err = orders.GetOrder(ctx, &orchestrator.GetOrderRequest{OrderId: uuid.NewString()})
	if missing, found := detail[*errdetails.ResourceInfo](err); found {
		fmt.Println("missing", status.Code(err), reason(err), missing.ResourceType)
	}
	return nil
}

// watch prints the order's events until it is released or rejected. A stream that follows the log ends when its context does.
func watch(ctx context.Context, orders orchestrator.OrchestratorServiceClient, orderID string) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	events, err := orders.WatchOrders(ctx, &orchestrator.WatchOrdersRequest{
		OrderIds: []string{orderID}, FromBeginning: true,
	})
	for err == nil {
		var seen *orchestrator.WatchOrdersResponse
		if seen, err = events.Recv(); err != nil || seen.Event == nil {
			continue // without an event it is a checkpoint: idle is not dead
		}
		body := seen.Event.ProtoReflect().WhichOneof(seen.Event.ProtoReflect().Descriptor().Oneofs().ByName("body"))
		fmt.Println("event", seen.Event.Version, body.Name())
		switch seen.Event.Body.(type) {
		case *order.OrderEvent_Released, *order.OrderEvent_Rejected:
			return nil
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// detail returns the first detail of its kind that a refusal carries.
func detail[D any](err error) (D, bool) {
	for _, one := range status.Convert(err).Details() {
		if found, ok := one.(D); ok {
			return found, true
		}
	}
	var none D
	return none, false
}

// reason returns the name of an ErrorReason without its prefix.
func reason(err error) string {
	told, _ := detail[*errdetails.ErrorInfo](err)
	return told.GetReason()
}

// submission is an order as an ERP would submit it: one line, under the ERP's sales order number.
func submission(sale, pieces string) *orchestrator.SubmitOrderRequest {
	return &orchestrator.SubmitOrderRequest{RequestId: uuid.NewString(), Order: &order.Order{
		ErpInstance: "books",
		Region:      "us",
		Currency:    "USD",
		References: []*types.ExternalReference{
			{System: "books", Type: types.ReferenceType_REFERENCE_TYPE_SALES_ORDER, Value: sale},
		},
		Customer: &types.Party{Name: "Alpine Foods"},
		ShipFrom: &types.Location{Name: "Warehouse", Point: &types.GeoPoint{Latitude: 39.7, Longitude: -105.0}},
		ShipTo:   &types.Location{Name: "Dock", Point: &types.GeoPoint{Latitude: 39.8, Longitude: -104.9}},
		Lines: []*order.OrderLine{{LineId: "1", Sku: "CRATE", Quantities: &order.LineQuantities{
			Ordered: &types.Quantity{Value: pieces, UnitCode: "C62"},
		}}},
	}}
}
