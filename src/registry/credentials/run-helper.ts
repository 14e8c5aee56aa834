import type { Environment } from "../../config/index.ts";

/** Longer than it takes to unlock a keychain by hand. */
const TIMEOUT_MS = 30_000;
/** How long output is awaited after the helper's end: an agent that it started may keep the pipes open for ever. */
const GRACE_MS = 500;
const MAX_OUTPUT = 64 << 10;

export type HelperOutcome =
  | { readonly kind: "ended"; readonly exitCode: number; readonly stdout: string; readonly stderr: string }
  | { readonly kind: "failed"; readonly reason: string };

interface Limits {
  readonly timeoutMs?: number | undefined;
}

/**
 * Runs `PROGRAM get` with a text as its stdin. It gets 30 seconds, and may write 64 KiB to each of its streams; after
 * that it is killed. Processes that it leaves running are not waited for.
 *
 * @throws what the operating system says when it cannot be started
 */
export async function runHelper(
  program: string,
  input: string,
  env: Environment,
  { timeoutMs = TIMEOUT_MS }: Limits = {},
): Promise<HelperOutcome> {
  const child = Bun.spawn([program, "get"], {
    env: { ...env },
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const stop = Promise.withResolvers<string>();
  const streams = [child.stdout, child.stderr].map((stream) => new Capture(stream.getReader(), stop.resolve));
  const late = `it did not answer within ${timeoutMs / 1000} s`;
  const timers = [setTimeout(() => stop.resolve(late), timeoutMs)];
  const output = async () => {
    await child.exited;
    const grace = Promise.withResolvers<void>();
    timers.push(setTimeout(grace.resolve, GRACE_MS));
    await Promise.race([grace.promise, Promise.all(streams.map((stream) => stream.done))]);
  };
  try {
    const reason = await Promise.race([stop.promise, output()]);
    if (reason !== undefined) return { kind: "failed", reason };
    const [stdout = "", stderr = ""] = streams.map((stream) => stream.text());
    const exitCode = child.exitCode;
    if (exitCode === null) return { kind: "failed", reason: `it was killed by ${child.signalCode}` };
    return { kind: "ended", exitCode, stdout, stderr };
  } finally {
    for (const timer of timers) clearTimeout(timer);
    child.kill("SIGKILL");
    for (const stream of streams) stream.cancel();
  }
}

interface Reader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** What arrives on a pipe, up to the limit. */
class Capture {
  readonly done: Promise<void>;
  readonly #parts: Uint8Array[] = [];

  constructor(
    readonly reader: Reader,
    readonly stop: (reason: string) => void,
  ) {
    this.done = this.#collect();
  }

  text(): string {
    return Buffer.concat(this.#parts).toString();
  }

  cancel(): void {
    void this.reader.cancel().catch(() => undefined); // it has ended, which is as good
  }

  async #collect(): Promise<void> {
    let size = 0;
    for (let part = await this.reader.read(); part.value !== undefined; part = await this.reader.read()) {
      size += part.value.length;
      if (size > MAX_OUTPUT) return this.stop("it writes more than 64 KiB");
      this.#parts.push(part.value);
    }
  }
}
