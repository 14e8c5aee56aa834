import type { Guest, GuestExec, GuestProcess, GuestSocket, SocketAddress } from "../../src/guest/index.ts";
import { Channel } from "../../src/protocol/index.ts";

export const PATH = "PATH=/bin";

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  /** `exit N`, `signal N`, `restart`, `poweroff`, or the failure's code. */
  readonly end: string;
  readonly message?: string | undefined;
}

/** Starts a program in the root "main". */
export function start(guest: Guest, argv: readonly string[], options: Partial<GuestExec> = {}): GuestProcess {
  return guest.exec({ root: "main", argv, env: [PATH], stdin: false, ...options });
}

export async function collect(
  process: GuestProcess,
  channel: typeof Channel.stdout | typeof Channel.stderr = Channel.stdout,
): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of process.read(channel)) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

/** Reads until the output contains `text`; returns all of it. */
export async function readUntil(output: AsyncGenerator<Uint8Array>, text: string): Promise<string> {
  let seen = "";
  while (!seen.includes(text)) {
    const { value, done } = await output.next();
    if (done) throw new Error(`ended before ${JSON.stringify(text)}: ${JSON.stringify(seen)}`);
    seen += Buffer.from(value);
  }
  return seen;
}

export async function endOf(process: GuestProcess): Promise<{ end: string; message?: string }> {
  try {
    const result = await process.result;
    if ("exitCode" in result) return { end: `exit ${result.exitCode}` };
    if ("signal" in result) return { end: `signal ${result.signal}` };
    return { end: result.halted };
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { end: code, message };
  }
}

/** Runs a program to its end; `input` is its whole standard input. */
export async function run(
  guest: Guest,
  argv: readonly string[],
  options: Partial<GuestExec> & { input?: string } = {},
): Promise<Finished> {
  const { input, ...request } = options;
  const process = start(guest, argv, { stdin: input !== undefined, ...request });
  if (input !== undefined)
    void process.write(Channel.stdin, Buffer.from(input)).then(() => process.end(Channel.stdin));
  const [stdout, stderr, end] = await Promise.all([
    collect(process, Channel.stdout),
    collect(process, Channel.stderr),
    endOf(process),
  ]);
  return { stdout, stderr, ...end };
}

/** What a shell script prints, once it has ended well. @throws Error when it has not */
export async function output(
  guest: Guest,
  script: string,
  options: Partial<GuestExec> = {},
): Promise<string> {
  const { stdout, stderr, end, message } = await run(guest, ["sh", "-c", script], options);
  if (end !== "exit 0") throw new Error(`${script}: ${end} ${message ?? ""} ${stderr}${stdout}`);
  return stdout;
}

/**
 * Most connections that a listener of the agent has before somebody takes one: the agent's own, and the
 * kernel's queue.
 */
const MOST_WAITING = 64 + 129;

/** Connects to a listener of the agent so often that whoever comes now waits for ever; in no order. */
export async function crowd(guest: Guest, socket: SocketAddress): Promise<GuestSocket[]> {
  const sockets = Array.from({ length: MOST_WAITING + 20 }, () => guest.connect(socket));
  let connected = 0;
  await new Promise<void>((resolve, reject) => {
    for (const one of sockets)
      one.connected.then(() => {
        if (++connected === MOST_WAITING) resolve();
      }, reject);
  });
  return sockets;
}
