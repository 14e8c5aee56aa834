import { Interrupted } from "../interrupted.ts";
import { Interrupts, settled } from "../terminal/index.ts";

/**
 * Carries out work that an interrupt gives up: its signal is aborted then, and it has a moment to put its things away.
 *
 * @throws Interrupted, which ends the program without a word; what the work throws
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupts = new Interrupts();
  const working = work(interrupts.signal);
  working.catch(() => {});
  try {
    return await Promise.race([working, interrupts.expired]);
  } catch (error) {
    if (error instanceof Interrupted) await settled(working);
    throw error;
  } finally {
    interrupts.release();
  }
}
