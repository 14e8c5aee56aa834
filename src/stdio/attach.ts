import { Channel, checkExecResult, type ExecResult, type Stream } from "../protocol/index.ts";
import { writeFully } from "./output.ts";
import type { LocalTerminal } from "./terminal.ts";

export interface AttachOptions {
  /** Pass standard input on. */
  readonly stdin: boolean;
  /** Show the workload's terminal on this one; all output is on the stdout channel then. */
  readonly terminal?: LocalTerminal;
  /** Called once, when the first byte of output arrives. */
  readonly onFirstOutput?: () => void;
}

/**
 * Connects this process's standard streams with those of a process in a machine until that process has ended and
 * all its output is written.
 *
 * @throws OutputClosed when the reader of our output is gone; StreamFailure when the process could not be started.
 */
export async function attach(stream: Stream, options: AttachOptions): Promise<ExecResult> {
  const { terminal } = options;
  if (options.stdin) void sendInput(stream, terminal?.input ?? Bun.stdin.stream());
  terminal?.onResize((size) => stream.control({ type: "resize", ...size }));
  const outputs = [
    showOutput(stream, Channel.stdout, 1, options),
    showOutput(stream, Channel.stderr, 2, options),
  ];
  const [result] = await Promise.all([stream.result, ...outputs]);
  return checkExecResult(result);
}

async function sendInput(stream: Stream, input: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of input) await stream.write(Channel.stdin, chunk);
  } catch {
    // Standard input that cannot be read (a closed descriptor, a lost terminal) has ended, as far as the workload knows.
  }
  stream.end(Channel.stdin);
}

async function showOutput(
  stream: Stream,
  channel: Channel,
  fd: number,
  options: AttachOptions,
): Promise<void> {
  for await (const chunk of stream.read(channel)) {
    options.onFirstOutput?.();
    await writeFully(fd, chunk);
  }
}
