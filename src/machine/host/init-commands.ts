import { SmolError } from "../../errors.ts";
import type { Guest, GuestExec } from "../../guest/index.ts";
import { Channel, type ExecResult } from "../../protocol/index.ts";
import { type StartOrder, surroundingsOf, workloadOf } from "../plan/index.ts";
import { MAIN_ROOT, withDefaultLimits } from "../root/index.ts";

/** Bytes of an init command's output that an error repeats, for those who did not watch. */
const MAX_TOLD_BYTES = 2000;

export interface InitListener {
  /** A command begins. @param index from 0 */
  onCommand(index: number, count: number): void;
  /** Commands that are not run any more. */
  onSkipped(count: number): void;
  /** @param channel 1 or 2; what it returns holds the command back */
  onOutput(channel: Channel, chunk: Uint8Array): Promise<void> | void;
}

/**
 * Runs shell commands one after the other in the workload's root, as its user, with its environment.
 *
 * @param first each of them makes a PID namespace, which ends with it
 * @throws SmolError `machine.init_failed` with the end of what the command printed; StreamFailure when it could not
 * be started
 */
export async function runInitCommands(
  guest: Guest,
  order: StartOrder,
  commands: readonly string[],
  listener: InitListener,
  first?: GuestExec["first"],
): Promise<void> {
  for (const [index, command] of commands.entries()) {
    listener.onCommand(index, commands.length);
    await runOne(guest, { ...initExec(order, command), first }, index, listener);
  }
}

function initExec(order: StartOrder, command: string): GuestExec {
  const session = { tty: false, stdin: false };
  const process = workloadOf(surroundingsOf(order), order.image, ["/bin/sh", "-c", command], session);
  return { ...process, root: MAIN_ROOT, rlimits: withDefaultLimits(order.record.rlimits) };
}

async function runOne(guest: Guest, exec: GuestExec, index: number, listener: InitListener): Promise<void> {
  const process = guest.exec(exec);
  let told = Buffer.alloc(0);
  const outputs = [Channel.stdout, Channel.stderr].map(async (channel) => {
    for await (const chunk of process.read(channel)) {
      told = Buffer.concat([told, chunk]).subarray(-MAX_TOLD_BYTES);
      await listener.onOutput(channel, chunk);
    }
  });
  const [result] = await Promise.all([process.result, ...outputs]);
  if ("exitCode" in result && result.exitCode === 0) return;
  const text = told.toString().trim();
  throw new SmolError(
    "machine.init_failed",
    `init[${index}] failed (${describeEnd(result)})${text === "" ? "" : `:\n${text}`}`,
  );
}

function describeEnd(result: ExecResult): string {
  if ("exitCode" in result) return `exit ${result.exitCode}`;
  return "signal" in result ? `signal ${result.signal}` : "it powered off";
}
