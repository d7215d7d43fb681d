package gladhand.example;

import com.google.gson.Gson;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.UUID;

/** Opens a channel as GLADHAND_TARGET, GLADHAND_CA and GLADHAND_TOKEN say. */
final class Connection {
  private static final Metadata.Key<String> AUTHORIZATION = key("authorization");
  private static final Metadata.Key<String> CORRELATION = key("x-correlation-id");

  private Connection() {}

  /** What is repeated and how long a call may take comes from the contract. */
  static ManagedChannel open() throws IOException {
    String target = System.getenv().getOrDefault("GLADHAND_TARGET", "127.0.0.1:7051");
    return Grpc.newChannelBuilder(target, credentials(System.getenv("GLADHAND_CA")))
        .defaultServiceConfig(serviceConfig("logistics.orchestrator.v1"))
        .intercept(new Identified(System.getenv("GLADHAND_TOKEN")))
        .build();
  }

  private static ChannelCredentials credentials(String ca) throws IOException {
    return ca == null
        ? InsecureChannelCredentials.create()
        : TlsChannelCredentials.newBuilder().trustManager(new File(ca)).build();
  }

  @SuppressWarnings("unchecked")
  private static Map<String, ?> serviceConfig(String name) {
    var found = Connection.class.getResourceAsStream("/service_config/" + name + ".json");
    try (var reader = new InputStreamReader(found, StandardCharsets.UTF_8)) {
      return new Gson().fromJson(reader, Map.class);
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    }
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }

  /** Adds the token, and the id under which every log line and event of the call will be found. */
  private record Identified(String token) implements ClientInterceptor {
    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(
        MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
      return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
        @Override
        public void start(Listener<A> listener, Metadata headers) {
          headers.put(CORRELATION, UUID.randomUUID().toString());
          if (token != null) {
            headers.put(AUTHORIZATION, "Bearer " + token);
          }
          super.start(listener, headers);
        }
      };
    }
  }
}
