import { slowness } from "./program.ts";

export interface RunOptions {
  readonly stdin?: Uint8Array | Blob | "ignore" | "pipe" | undefined;
  /** Added to the home's environment. */
  readonly env?: Record<string, string> | undefined;
  readonly cwd?: string | undefined;
  /** The process is killed, and the test fails, after so many seconds on an ordinary machine. */
  readonly seconds?: number | undefined;
}

export interface Result {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** stdout as text, and as the bytes it was. */
  readonly output: string;
  readonly bytes: Buffer;
  readonly stderr: string;
  /** How long it took, in milliseconds. */
  readonly took: number;
}

const DEFAULT_SECONDS = 60;

export function limitOf({ seconds = DEFAULT_SECONDS }: RunOptions): number {
  return seconds * 1000 * slowness;
}

type Piped = Bun.Subprocess<Bun.SpawnOptions.Writable, "pipe", "pipe">;

/** The pipe to a process's standard input. */
export function inputOf({ stdin }: Bun.Subprocess): Bun.FileSink {
  if (stdin === undefined || typeof stdin === "number")
    throw new Error("this process has no pipe as standard input");
  return stdin;
}

/** A running program whose output is read as it comes. */
export class Talking {
  readonly #output: AsyncIterator<Uint8Array>;
  #unread = "";

  constructor(readonly child: Piped) {
    this.#output = child.stdout[Symbol.asyncIterator]();
  }

  /** The next line of its output, without its end. @throws Error with its stderr when there is none. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#unread.indexOf("\n");
      if (end >= 0) {
        const line = this.#unread.slice(0, end);
        this.#unread = this.#unread.slice(end + 1);
        return line;
      }
      if (!(await this.#readMore())) {
        throw new Error(
          `it ended without another line; stderr: ${await new Response(this.child.stderr).text()}`,
        );
      }
    }
  }

  /** Everything else that it writes. */
  async rest(): Promise<string> {
    while (await this.#readMore());
    return this.#unread;
  }

  say(text: string): void {
    const input = inputOf(this.child);
    input.write(text);
    void input.flush();
  }

  async #readMore(): Promise<boolean> {
    const part = await this.#output.next();
    if (!part.done) this.#unread += Buffer.from(part.value).toString();
    return !part.done;
  }
}

/** Waits for a process and everything it writes. */
export async function collect(child: Piped, what: string, limitMs: number): Promise<Result> {
  const start = performance.now();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, limitMs);
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).arrayBuffer(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  clearTimeout(timer);
  const bytes = Buffer.from(stdout);
  const output = bytes.toString();
  if (late) {
    throw new Error(
      `${what}: not finished after ${limitMs / 1000} s; stdout: ${output.slice(-2000)}; stderr: ${stderr}`,
    );
  }
  return {
    exitCode: child.exitCode,
    signal: child.signalCode === null ? null : String(child.signalCode),
    output,
    bytes,
    stderr,
    took: performance.now() - start,
  };
}

/**
 * Waits until something is so; an Error that says what was awaited after `seconds`. For what has no event: processes
 * that are not our children, files of other processes, the answers of a machine.
 */
export async function until<T>(
  what: string,
  check: () => T | Promise<T>,
  seconds = 30,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + seconds * 1000 * slowness;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (performance.now() > deadline)
      throw new Error(`still waiting for ${what} after ${seconds * slowness} s`);
    await Bun.sleep(10);
  }
}
