/**
 * Waits for something, but no longer than a limit. The timer does not outlive the wait, so it keeps no process alive.
 *
 * @param limitMs milliseconds
 * @returns whether the work has ended, well or not
 */
export async function endsWithin(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
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
