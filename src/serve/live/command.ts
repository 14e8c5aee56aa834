/** A command in a machine, to its end: within its time, as long as its client is there. */
import { SmolError } from "../../errors.ts";
import type { Process } from "../../machine/index.ts";
import { exitCodeOf } from "../../protocol/index.ts";

/** The exit code of what ran too long, as timeout(1) has it. */
const TIMED_OUT = 124;

/**
 * Passes standard input to a process, and waits for its end. Its output has to be read meanwhile.
 *
 * @param timeoutMs from its start; undefined: no limit
 * @param signal kills it
 * @returns its exit code; `TIMED_OUT` when it was killed for its time
 * @throws SmolError `exec.*`, `machine.lost`; the signal's reason
 */
export async function runToEnd(
  process: Process,
  { stdin, timeoutMs }: { readonly stdin: string | undefined; readonly timeoutMs: number | undefined },
  signal: AbortSignal,
): Promise<number> {
  let timedOut = false;
  const kill = () => process.kill();
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  let timer: Timer | undefined;
  try {
    await process.started;
    if (timeoutMs !== undefined)
      timer = setTimeout(() => {
        timedOut = true;
        kill();
      }, timeoutMs);
    if (stdin !== undefined) void sendInput(process, stdin);
    const result = await process.result;
    return timedOut ? TIMED_OUT : exitCodeOf(result);
  } catch (error) {
    signal.throwIfAborted();
    if (timedOut) return TIMED_OUT;
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
  }
}

/** A process need not read its input. */
async function sendInput(process: Process, text: string): Promise<void> {
  try {
    await process.write(Buffer.from(text));
    process.end();
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
  }
}
