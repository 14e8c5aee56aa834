import { SmolError } from "../../errors.ts";
import type { RunningProcess } from "../../machine/index.ts";
import type { ExecResult } from "../../protocol/index.ts";
import { readStdin } from "./input.ts";
import { writeFully } from "./output.ts";
import type { LocalTerminal } from "./terminal.ts";

export interface AttachOptions {
  /** Pass standard input on. */
  readonly stdin: boolean;
  /** Show the workload's terminal on this one; all output is on the stdout channel then. */
  readonly terminal?: LocalTerminal | undefined;
  /** Called once, when the first byte of output arrives. */
  readonly onFirstOutput?: (() => void) | undefined;
}

/**
 * Connects this process's standard streams with those of a process in a machine until that process has ended and
 * all its output is written.
 *
 * @throws OutputClosed when the reader of our output is gone; SmolError `cli.stdin`, `cli.stdout` when our own streams
 * fail, and those of `Process.result`.
 */
export async function attach(process: RunningProcess, options: AttachOptions): Promise<ExecResult> {
  const { terminal } = options;
  const inputFailed = Promise.withResolvers<never>();
  if (options.stdin) sendInput(process, terminal?.input ?? readStdin()).catch(inputFailed.reject);
  terminal?.onResize((size) => process.resize(size));
  const outputs = [
    showOutput(process.stdout, 1, options.onFirstOutput),
    showOutput(process.stderr, 2, options.onFirstOutput),
  ];
  const finished = Promise.all([process.result, ...outputs]);
  const [result] = await Promise.race([finished, inputFailed.promise]);
  return result;
}

/** @throws SmolError `cli.stdin`: half of the input must not pass for all of it. */
async function sendInput(process: RunningProcess, input: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of input) await process.write(chunk);
  } catch (error) {
    if (error instanceof SmolError) throw error;
    // A lost terminal, or a process that is over: as far as the workload knows, its input has ended.
  }
  process.end();
}

async function showOutput(
  output: AsyncIterable<Uint8Array>,
  fd: number,
  onFirstOutput: (() => void) | undefined,
): Promise<void> {
  for await (const chunk of output) {
    onFirstOutput?.();
    await writeFully(fd, chunk);
  }
}
