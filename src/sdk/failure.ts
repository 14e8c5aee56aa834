import { SmolError } from "../errors.ts";
import { type Failure, failureOf } from "../protocol/index.ts";
import { Refused } from "../serve/errors.ts";

export const badRequest = (message: string) => new SmolError("sdk.bad_request", message);

/** The reason of work that its client has given up. */
export const cancelled = () => new SmolError("sdk.cancelled", "it was cancelled");

/** What the client is told about anything that was thrown. */
export function explain(error: unknown): Failure {
  if (error instanceof Refused) return { code: "sdk.bad_request", message: error.message, hint: undefined };
  return failureOf(error);
}
