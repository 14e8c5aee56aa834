import { deferred } from "./deferred.ts";

/**
 * Waits for something, but no longer than a limit. The timer does not outlive the wait, so it keeps no process alive.
 *
 * @param limitMs milliseconds
 * @returns whether the work has ended, well or not
 */
export async function endsWithin(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  const { promise: late, resolve } = deferred<boolean>();
  const timer = setTimeout(() => resolve(false), limitMs);
  const ended = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for something until a signal is aborted. The work itself goes on. @throws the signal's reason, at once */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  work.catch(() => {});
  signal.throwIfAborted();
  const { promise: aborted, reject } = deferred<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
