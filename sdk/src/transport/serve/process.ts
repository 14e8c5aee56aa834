/** A process of a machine by way of a server: `exec/process` of the HTTP API (docs/http-api.md), over a WebSocket. */
import { errorOf } from "../../errors.ts";
import type { ProcessEnd, ProcessRequest, RemoteProcess } from "../types.ts";
import type { Address } from "./address.ts";
import { failureOf } from "./failure.ts";
import { machinePath } from "./operations.ts";
import { WebSocketClient } from "./websocket.ts";

/** What may be under way on each stream. */
const WINDOW_BYTES = 256 * 1024;

/** What was read is granted again in steps of this, so that a stream of small pieces is not two. */
const GRANT_BYTES = WINDOW_BYTES / 4;

/** Of one message with input. */
const PIECE_BYTES = 64 * 1024;

export class ServedProcess implements RemoteProcess {
  /** A server does not tell. */
  readonly pid = 0;
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  readonly ended: Promise<ProcessEnd>;
  readonly #outputs: readonly [Output, Output];
  #socket: WebSocketClient | undefined;
  #room = WINDOW_BYTES;
  #hasRoom = () => {};
  /** Writes go one after the other. */
  #writing: Promise<void> = Promise.resolve();
  #isOver = false;
  #onStarted = () => {};
  #onEnd: (end: ProcessEnd) => void = () => {};
  #onFailure: (error: unknown) => void = () => {};

  private constructor() {
    const output = (channel: number) => new Output((bytes) => this.#say({ type: "grant", channel, bytes }));
    this.#outputs = [output(1), output(2)];
    [this.stdout, this.stderr] = this.#outputs;
    this.ended = new Promise((resolve, reject) => {
      this.#onEnd = resolve;
      this.#onFailure = reject;
    });
    this.ended.catch(() => {});
  }

  /** Resolves when the program runs. @throws SmolvmError `exec.*`, `machine.*`; the signal's reason */
  static async open(
    address: Address,
    name: string,
    request: ProcessRequest,
    signal?: AbortSignal,
  ): Promise<ServedProcess> {
    const process = new ServedProcess();
    const socket = await WebSocketClient.open(
      address,
      `${machinePath(name, "/exec/process")}?autoStart=false`,
      { onMessage: (message) => process.#take(message), onClose: (failure) => process.#over(failure) },
      signal,
    );
    process.#socket = socket;
    const { argv, env, cwd: workdir, user, stdin, tty } = request;
    const variables = env?.map((entry) => {
      const end = entry.indexOf("=");
      return { name: entry.slice(0, end), value: entry.slice(end + 1) };
    });
    const size = tty && { cols: tty.columns, rows: tty.rows };
    const stop = () => socket.close();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        process.#onStarted = resolve;
        process.ended.catch(reject);
        socket.send(JSON.stringify({ command: argv, env: variables, workdir, user, stdin, tty: size }));
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
    return process;
  }

  write(bytes: Uint8Array): Promise<void> {
    const writing = this.#writing.then(async () => {
      for (let at = 0; at < bytes.length; ) {
        while (this.#room === 0 && !this.#isOver)
          await new Promise<void>((resolve) => {
            this.#hasRoom = resolve;
          });
        if (this.#isOver) throw errorOf({ code: "process.ended", message: "the process has ended" });
        const piece = bytes.subarray(at, at + Math.min(this.#room, PIECE_BYTES));
        this.#room -= piece.length;
        this.#socket?.send(piece);
        at += piece.length;
      }
    });
    this.#writing = writing.catch(() => {});
    return writing;
  }

  end(): void {
    void this.#writing.then(() => this.#say({ type: "eof" }));
  }

  signal(number: number): void {
    this.#say({ type: "signal", signal: number });
  }

  resize({ columns: cols, rows }: { readonly columns: number; readonly rows: number }): void {
    this.#say({ type: "resize", cols, rows });
  }

  kill(): void {
    this.#say({ type: "kill" });
  }

  #say(what: object): void {
    if (!this.#isOver) this.#socket?.send(JSON.stringify(what));
  }

  #take(message: string | Uint8Array): void {
    if (typeof message !== "string") {
      this.#outputs[message[0] === 2 ? 1 : 0].push(message.subarray(1));
      return;
    }
    const said = JSON.parse(message) as Record<string, unknown>;
    if (said.type === "started") this.#onStarted();
    else if (said.type === "taken") {
      this.#room += Number(said.bytes);
      this.#hasRoom();
    } else if (said.type === "exit") {
      const { exitCode, signal } = said as { exitCode: number; signal?: number };
      this.#onEnd(signal === undefined ? { exitCode } : { signal });
      this.#over(undefined);
    } else if (said.type === "error") this.#over(failureOf(said));
  }

  #over(failure: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#hasRoom();
    this.#onFailure(failure);
    for (const output of this.#outputs) output.end(failure);
    this.#socket?.close();
  }
}

/** One output: what has come and was not read is at most a window. */
class Output implements AsyncIterable<Uint8Array> {
  readonly #grant: (bytes: number) => void;
  readonly #waiting: Uint8Array[] = [];
  #read = 0;
  #end: { readonly failure: unknown } | undefined;
  #wake = () => {};

  constructor(grant: (bytes: number) => void) {
    this.#grant = grant;
  }

  push(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#wake();
  }

  /** @param failure undefined: it ended as it should */
  end(failure: unknown): void {
    this.#end = { failure };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      for (let bytes = this.#waiting.shift(); bytes !== undefined; bytes = this.#waiting.shift()) {
        this.#read += bytes.length;
        if (this.#read >= GRANT_BYTES) {
          this.#grant(this.#read);
          this.#read = 0;
        }
        yield bytes;
      }
      if (this.#end !== undefined) {
        if (this.#end.failure !== undefined) throw this.#end.failure;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
