// What a refused call says beyond its code: `google.rpc` details, the same in every language.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "@gladhand/contracts/google/rpc";

/** What was refused and why. `details` are there where they apply. */
export function refusal(cause: unknown) {
  const error = ConnectError.from(cause);
  const first = <Desc extends DescMessage>(kind: Desc): MessageShape<Desc> | undefined => error.findDetails(kind)[0];
  return {
    code: Code[error.code],
    message: error.rawMessage,
    /** A value of `logistics.error.v1.ErrorReason` without its prefix. */
    reason: first(ErrorInfoSchema)?.reason ?? "",
    metadata: first(ErrorInfoSchema)?.metadata ?? {},
    violations: first(BadRequestSchema)?.fieldViolations ?? [],
    preconditions: first(PreconditionFailureSchema)?.violations ?? [],
    resource: first(ResourceInfoSchema),
    retryDelay: first(RetryInfoSchema)?.retryDelay,
  };
}
