import { messageOf } from "../../errors.ts";
import type { Guest, GuestExec, GuestProcess } from "../../guest/index.ts";
import { Channel } from "../../protocol/index.ts";
import { processIn, type StartOrder, surroundingsOf } from "../plan/index.ts";
import { MAIN_ROOT, withDefaultLimits } from "../root/index.ts";
import type { CheckResult } from "./supervise/index.ts";

/** The end of a check's output that is passed on. */
const MAX_OUTPUT_BYTES = 4096;

/**
 * Runs a health command once, where and as the workload runs.
 *
 * @param signal ends it with everything that it has started
 */
export async function checkHealth(
  guest: Guest,
  order: Pick<StartOrder, "record" | "image" | "lent">,
  command: readonly string[],
  signal: AbortSignal,
): Promise<CheckResult> {
  const planned = processIn(surroundingsOf(order), order.image, command, { tty: false, stdin: false });
  const exec: GuestExec = { ...planned, root: MAIN_ROOT, rlimits: withDefaultLimits(order.record.rlimits) };
  const process = guest.exec(exec);
  const cancel = () => process.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    const outputs = [Channel.stdout, Channel.stderr].map((channel) => lastOf(process, channel));
    const [result, ...texts] = await Promise.all([process.result, ...outputs]);
    return { ok: "exitCode" in result && result.exitCode === 0, output: Buffer.concat(texts).toString() };
  } catch (error) {
    return { ok: false, output: messageOf(error) };
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

async function lastOf(
  process: GuestProcess,
  channel: typeof Channel.stdout | typeof Channel.stderr,
): Promise<Buffer> {
  let kept = Buffer.alloc(0);
  for await (const chunk of process.read(channel)) {
    kept = Buffer.concat([kept, chunk]).subarray(-MAX_OUTPUT_BYTES);
  }
  return kept;
}
