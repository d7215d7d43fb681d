// How to reach the mesh: TLS, token, correlation, deadline. Twenty lines that every program of yours can share.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

export interface Access {
  /** Where the service listens, for example 127.0.0.1:7051. */
  readonly target: string;
  /** Path of the certificate authority; without one the connection is plain text. */
  readonly ca?: string | undefined;
  /** A token of `gladhand token create`. */
  readonly token?: string | undefined;
}

export function accessFromEnvironment(): Access {
  const { GLADHAND_TARGET: target, GLADHAND_CA: ca, GLADHAND_TOKEN: token } = process.env;
  return { target: target ?? "127.0.0.1:7051", ca, token };
}

export interface Connection {
  readonly transport: Transport;
  /** Ends the connection and what still runs on it; until then it keeps the process alive. */
  close(): void;
}

export function connect(access: Access): Connection {
  const identify: Interceptor = (next) => (request) => {
    if (access.token) request.header.set("authorization", `Bearer ${access.token}`);
    // The id under which every log line and event of this call will be found.
    if (!request.header.has("x-correlation-id")) request.header.set("x-correlation-id", randomUUID());
    return next(request);
  };
  const baseUrl = `${access.ca ? "https" : "http"}://${access.target}`;
  const sessionManager = new Http2SessionManager(baseUrl, {}, access.ca ? { ca: readFileSync(access.ca) } : {});
  return {
    transport: createGrpcTransport({ baseUrl, sessionManager, interceptors: [identify], defaultTimeoutMs: 10_000 }),
    close: () => sessionManager.abort(),
  };
}
