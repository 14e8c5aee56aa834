import { OperationTimeoutError } from "./errors.ts";
import type { CallOptions } from "./types.ts";

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
  const timer = setTimeout(() => limit.abort(new OperationTimeoutError(operation, timeoutMs)), timeoutMs);
  try {
    return await work(signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]));
  } finally {
    clearTimeout(timer);
  }
}
