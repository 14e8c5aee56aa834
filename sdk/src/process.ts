import { errorOf } from "./errors.ts";
import { ExecResult } from "./result.ts";
import { signalNumber, statusOf } from "./signals.ts";
import { Kept, streamOf } from "./source.ts";
import type { AttachedRemote, RemoteProcess } from "./transport/types.ts";
import type { ExecEvent, ExitStatus, SignalName } from "./types/index.ts";

/** Of each output that `result()` keeps. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * A process that runs in a machine. Its output waits in the machine until it is read: read both, iterate over the events,
 * or ask for the result.
 *
 * @example
 * await using server = await machine.spawn(["python3", "-m", "http.server"]);
 * for await (const line of server.lines("stderr")) console.log(line);
 */
export class MachineProcess implements AsyncIterable<ExecEvent>, AsyncDisposable {
  /** As the machine's agent counts, and `machine ps` of the command line; what runs in the machine has numbers of its own. */
  readonly pid: number;
  /** How it ended, once it has. @throws SmolvmError when the machine is lost */
  readonly exited: Promise<ExitStatus>;
  /** Of a detached one: what `machine.attach` takes. */
  readonly id: string | undefined;
  /** Undefined while it runs. */
  exitCode: number | undefined;
  readonly #command: readonly string[];
  readonly #process: RemoteProcess | AttachedRemote;
  readonly #begun = performance.now();
  #stdin: WritableStream<Uint8Array> | undefined;
  #stdout: ReadableStream<Uint8Array> | undefined;
  #stderr: ReadableStream<Uint8Array> | undefined;

  /** @internal */
  constructor(
    command: readonly string[],
    process: RemoteProcess | AttachedRemote,
    signal: AbortSignal | undefined,
  ) {
    this.#command = command;
    this.#process = process;
    this.pid = process.pid;
    this.id = "id" in process ? process.id : undefined;
    this.exited = process.ended.then((end) => {
      const status = statusOf(end);
      this.exitCode = status.exitCode;
      return status;
    });
    this.exited.catch(() => {});
    const kill = () => process.kill();
    signal?.addEventListener("abort", kill, { once: true });
    // It may have been aborted just as the program began.
    if (signal?.aborted) kill();
    const forget = () => signal?.removeEventListener("abort", kill);
    process.ended.then(forget, forget);
  }

  /**
   * Its standard input; closing it is its end.
   *
   * @example
   * const cat = await machine.spawn(["cat"]);
   * const writer = cat.stdin.getWriter();
   * await writer.write(new TextEncoder().encode("hello\n"));
   * await writer.close();
   */
  get stdin(): WritableStream<Uint8Array> {
    const process = this.#process;
    this.#stdin ??= new WritableStream<Uint8Array>({
      write: (chunk) => process.write(chunk),
      close: () => process.end(),
      abort: () => process.end(),
    });
    return this.#stdin;
  }

  /** What it prints. */
  get stdout(): ReadableStream<Uint8Array> {
    this.#stdout ??= streamOf(this.#process.stdout);
    return this.#stdout;
  }

  /** Empty for a process with a terminal. */
  get stderr(): ReadableStream<Uint8Array> {
    this.#stderr ??= streamOf(this.#process.stderr);
    return this.#stderr;
  }

  /**
   * Sends a signal to its process group. Default: SIGTERM.
   *
   * @example
   * const server = await machine.spawn(["sleep", "1000"]);
   * server.kill("SIGINT");
   * @throws InvalidConfigError for one that Linux does not have
   */
  kill(signal: SignalName | number = "SIGTERM"): void {
    this.#process.signal(signalNumber(signal));
  }

  /**
   * Its terminal has another size now.
   *
   * @example
   * const shell = await machine.spawn(["sh"], { tty: { cols: 80, rows: 24 } });
   * shell.resize(120, 40);
   * @throws InvalidConfigError unless both are from 1 to 65,535
   */
  resize(cols: number, rows: number): void {
    for (const side of [cols, rows])
      if (!Number.isInteger(side) || side < 1 || side > 0xffff)
        throw errorOf({ code: "sdk.bad_request", message: `a terminal has no side of ${side}` });
    this.#process.resize({ columns: cols, rows });
  }

  /**
   * What it prints, by lines. Read the other output too, unless it prints little.
   *
   * @example
   * const build = await machine.spawn(["make"]);
   * for await (const line of build.lines()) console.log(line);
   */
  async *lines(stream: "stdout" | "stderr" = "stdout"): AsyncGenerator<string, void, void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of readerOf(this[stream])) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
    rest += decoder.decode();
    if (rest !== "") yield rest;
  }

  /**
   * Reads all that it prints until its end.
   *
   * @example
   * const sort = await machine.spawn(["sort", "/etc/passwd"]);
   * const { output } = await sort.result();
   */
  async result(): Promise<ExecResult> {
    const [stdout, stderr] = [new Kept(MAX_OUTPUT_BYTES), new Kept(MAX_OUTPUT_BYTES)];
    const [status] = await Promise.all([this.exited, fill(this.stdout, stdout), fill(this.stderr, stderr)]);
    return new ExecResult(this.#command, status, {
      stdout: stdout.bytes(),
      stderr: stderr.bytes(),
      truncated: stdout.truncated || stderr.truncated,
      durationMs: performance.now() - this.#begun,
    });
  }

  /**
   * Everything that it does; leaving the loop kills it, or lets go of a detached one.
   *
   * @example
   * for await (const event of await machine.spawn(["make"]))
   *   if (event.type === "stderr") process.stderr.write(event.data);
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ExecEvent, void, void> {
    const outputs = new Map<"stdout" | "stderr", AsyncIterator<Uint8Array>>([
      ["stdout", readerOf(this.stdout)],
      ["stderr", readerOf(this.stderr)],
    ]);
    const next = async (type: "stdout" | "stderr", output: AsyncIterator<Uint8Array>) => ({
      type,
      ...(await output.next()),
    });
    const pending = new Map([...outputs].map(([type, output]) => [type, next(type, output)]));
    try {
      yield { type: "started", pid: this.pid };
      while (pending.size > 0) {
        const { type, done, value } = await Promise.race(pending.values());
        const output = outputs.get(type);
        if (done || output === undefined) {
          pending.delete(type);
          continue;
        }
        pending.set(type, next(type, output));
        yield { type, data: value };
      }
      yield { type: "exit", ...(await this.exited) };
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  /** Bytes of a detached process's output that were gone before they were read: the machine keeps the last 512 KiB of each. */
  get missedBytes(): number {
    return "missedBytes" in this.#process ? this.#process.missedBytes : 0;
  }

  /**
   * Lets go of a detached process, which runs on; `exited` rejects with `sdk.detached`.
   *
   * @example
   * const server = await machine.spawn(["redis-server"], { detached: true });
   * await server.detach();
   * @throws InvalidStateError for a process that ends with this program
   */
  async detach(): Promise<void> {
    if (this.id === undefined)
      throw errorOf({
        code: "sdk.not_detached",
        message: "the process ends with this program",
        hint: "spawn(argv, { detached: true })",
      });
    await this[Symbol.asyncDispose]();
  }

  /**
   * Kills it, and everything that it has started, and waits for its end; lets go of a detached one.
   *
   * @example
   * await using server = await machine.spawn(["nc", "-lk", "-p", "8000"]);
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill();
    await this.exited.catch(() => {});
  }
}

async function* readerOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}

async function fill(stream: ReadableStream<Uint8Array>, kept: Kept): Promise<void> {
  for await (const chunk of readerOf(stream)) kept.add(chunk);
}
