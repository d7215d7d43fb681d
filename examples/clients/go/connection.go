package main

import (
	"context"
	"os"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // lets the channel leave out replicas that are not ready
	"google.golang.org/grpc/metadata"

	"gladhand.local/contracts/serviceconfig"
)

// connect opens a channel as GLADHAND_TARGET, GLADHAND_CA and GLADHAND_TOKEN say. What is repeated and how long a call
// may take comes from the contract.
func connect() (*grpc.ClientConn, error) {
	target := os.Getenv("GLADHAND_TARGET")
	if target == "" {
		target = "127.0.0.1:7051"
	}
	trusted := insecure.NewCredentials()
	if ca := os.Getenv("GLADHAND_CA"); ca != "" {
		var err error
		if trusted, err = credentials.NewClientTLSFromFile(ca, ""); err != nil {
			return nil, err
		}
	}
	return grpc.NewClient(target,
		grpc.WithTransportCredentials(trusted),
		grpc.WithDefaultServiceConfig(serviceconfig.Of("logistics.orchestrator.v1")),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, request, answer any,
			channel *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
			return invoke(identified(ctx), method, request, answer, channel, options...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, stream *grpc.StreamDesc,
			channel *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(identified(ctx), stream, channel, method, options...)
		}))
}

// identified adds the token, and the id under which every log line and event of the call will be found.
func identified(ctx context.Context) context.Context {
	ctx = metadata.AppendToOutgoingContext(ctx, "x-correlation-id", uuid.NewString())
	if token := os.Getenv("GLADHAND_TOKEN"); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	return ctx
}
