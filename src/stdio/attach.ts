import { SmolError } from "../errors.ts";
import { Channel, checkExecResult, type ExecResult, type Stream } from "../protocol/index.ts";
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
 * fail; StreamFailure when the process could not be started.
 */
export async function attach(stream: Stream, options: AttachOptions): Promise<ExecResult> {
  const { terminal } = options;
  const inputFailed = Promise.withResolvers<never>();
  if (options.stdin) sendInput(stream, terminal?.input ?? readStdin()).catch(inputFailed.reject);
  terminal?.onResize((size) => stream.control({ type: "resize", ...size }));
  const outputs = [
    showOutput(stream, Channel.stdout, 1, options),
    showOutput(stream, Channel.stderr, 2, options),
  ];
  const finished = Promise.all([stream.result, ...outputs]);
  const [result] = await Promise.race([finished, inputFailed.promise]);
  return checkExecResult(result);
}

/** @throws SmolError `cli.stdin`: half of the input must not pass for all of it. */
async function sendInput(stream: Stream, input: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of input) await stream.write(Channel.stdin, chunk);
  } catch (error) {
    if (error instanceof SmolError) throw error;
    // A lost terminal, or a stream that is over: as far as the workload knows, its input has ended.
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
