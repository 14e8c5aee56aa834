/** Programs of the guest's own system: what keeps its disks in order. */

import { SmolError } from "../../errors.ts";
import type { Guest, GuestProcess } from "../../guest/index.ts";
import { Channel, type ExecResult } from "../../protocol/index.ts";

/** The environment of the system's programs. */
export const SYSTEM_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/** Output of a program that is kept for a message. */
const MAX_OUTPUT_BYTES = 4096;

export interface Finished {
  readonly result: ExecResult;
  /** The end of what it printed. */
  readonly output: string;
}

/** Runs a program to its end. @param root absent: the system's own */
export async function runInSystem(guest: Guest, argv: readonly string[], root?: string): Promise<Finished> {
  const process = guest.exec({ root, argv, env: [SYSTEM_PATH], stdin: false });
  const [result, output] = await Promise.all([process.result, lastOutput(process)]);
  return { result, output };
}

/** The end of what a process prints, once it has ended: of both channels, the standard output first. */
export async function lastOutput(process: GuestProcess): Promise<string> {
  const channels = [Channel.stdout, Channel.stderr] as const;
  return Buffer.concat(
    await Promise.all(channels.map((channel) => lastBytes(process.read(channel)))),
  ).toString();
}

async function lastBytes(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  let kept = Buffer.alloc(0);
  for await (const chunk of chunks) kept = Buffer.concat([kept, chunk]).subarray(-MAX_OUTPUT_BYTES);
  return kept;
}

/** e2fsck's exit codes are bits: 1 errors were corrected, 2 the system should be restarted (for a mounted disk). */
const MENDED = 3;

/**
 * Repairs an ext4 of the guest: first what is safe without asking, then everything. A damaged disk is repaired, never
 * formatted anew.
 *
 * @returns whether something had to be mended
 * @throws SmolError `disk.repair_failed`
 */
export async function repairDisk(guest: Guest, device: string): Promise<boolean> {
  const careful = exitCode(await runInSystem(guest, ["e2fsck", "-p", "-f", device]));
  if (careful <= MENDED) return careful > 0;
  const thorough = await runInSystem(guest, ["e2fsck", "-y", "-f", device]);
  if (exitCode(thorough) > MENDED) throw failed("disk.repair_failed", `repair ${device}: e2fsck`, thorough);
  return true;
}

export function exitCode({ result }: Finished): number {
  return "exitCode" in result ? result.exitCode : 255;
}

export function failed(code: string, what: string, { result, output }: Finished): SmolError {
  const end = "exitCode" in result ? `ended with code ${result.exitCode}` : "was killed";
  const lastLine = output.trim().split("\n").at(-1);
  return new SmolError(code, `cannot ${what} ${end}${lastLine ? `: ${lastLine}` : ""}`);
}
