import { errorOf, OperationTimeoutError } from "./errors.ts";
import type { CallOptions } from "./types/index.ts";

/** Timers take no more; what is beyond 24 days is as good as no limit. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * A timer for a limit of a caller's.
 *
 * @param onOver told the error that says so
 * @returns what takes it back
 * @throws InvalidConfigError for a limit that is no span of time
 */
export function limitTimer(
  operation: string,
  timeoutMs: number,
  onOver: (error: OperationTimeoutError) => void,
): () => void {
  if (!(timeoutMs >= 0))
    throw errorOf({
      code: "sdk.bad_request",
      message: `timeoutMs: must be 0 or more milliseconds (got ${timeoutMs})`,
      details: { field: "timeoutMs" },
    });
  if (timeoutMs > MAX_TIMER_MS) return () => {};
  const timer = setTimeout(() => onOver(new OperationTimeoutError(operation, timeoutMs)), timeoutMs);
  return () => clearTimeout(timer);
}

/**
 * Does something within its caller's limits.
 *
 * @throws the signal's reason; OperationTimeoutError
 */
export async function within<T>(
  operation: string,
  { signal, timeoutMs }: CallOptions,
  work: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  if (timeoutMs === undefined) return await work(signal);
  const limit = new AbortController();
  const forget = limitTimer(operation, timeoutMs, (error) => limit.abort(error));
  try {
    return await work(signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]));
  } finally {
    forget();
  }
}
