/** A process in a machine for a program, over a WebSocket (RFC 6455): its three streams apart, each with a window. */
import type { Process } from "../../machine/index.ts";
import { Channel, type ExecResult } from "../../protocol/index.ts";
import type { Asked } from "../http/route.ts";
import { MAX_SIDE } from "./interactive.ts";
import { CLOSE, type Socket, type Talk } from "./talk.ts";

/** What may be under way on each stream: what the receiver has not granted, the sender keeps. */
export const WINDOW_BYTES = 256 * 1024;

/** Of one message with output: a client that reads slowly gets the beginning soon. */
const MAX_PIECE_BYTES = 64 * 1024;

/** Signals of Linux. */
const MAX_SIGNAL = 64;

type Outgoing = typeof Channel.stdout | typeof Channel.stderr;

export interface ProcessTalkOptions {
  /** Makes a process of the client's first message. @throws Refused when it is no description of one */
  readonly begin: (message: string) => Promise<Process>;
  /** Called once, when nothing of it is left; what still runs of the process has to end then. */
  readonly ended: () => void;
  /** What the client is told of an error. */
  readonly explain: Asked["explain"];
}

export class ProcessTalk implements Talk {
  readonly #options: ProcessTalkOptions;
  readonly #windows = { [Channel.stdout]: new Window(), [Channel.stderr]: new Window() };
  /** Undefined: it does not run yet. */
  #process: Process | undefined;
  #hasBegun = false;
  /** Bytes of standard input that the process has not taken. */
  #untaken = 0;
  #pouring: Promise<void> = Promise.resolve();
  #isInputOver = false;
  #isOver = false;
  #socket: Socket | undefined;

  constructor(options: ProcessTalkOptions) {
    this.#options = options;
  }

  open(socket: Socket): void {
    this.#socket = socket;
  }

  /** From the first message to the last one. */
  async #run(socket: Socket, message: string): Promise<void> {
    try {
      const process = await this.#options.begin(message);
      await process.started;
      this.#process = process;
      this.#say({ type: "started" });
      await Promise.all([
        this.#pass(socket, Channel.stdout, process.stdout),
        this.#pass(socket, Channel.stderr, process.stderr),
      ]);
      this.#say({ type: "exit", ...endOf(await process.result) });
      if (!this.#isOver) socket.close(CLOSE.normal);
    } catch (error) {
      this.#say({ type: "error", ...this.#options.explain(error) });
      if (!this.#isOver) socket.close(CLOSE.failed);
    }
    this.end();
  }

  async #pass(socket: Socket, channel: Outgoing, output: AsyncIterable<Uint8Array>): Promise<void> {
    const window = this.#windows[channel];
    for await (const bytes of output) {
      for (let at = 0; at < bytes.length; ) {
        const room = await window.room();
        if (this.#isOver) return;
        const piece = bytes.subarray(at, at + Math.min(room, MAX_PIECE_BYTES));
        socket.sendBinary(Buffer.concat([Uint8Array.of(channel), piece]));
        window.take(piece.length);
        at += piece.length;
      }
    }
  }

  message(socket: Socket, message: string | Uint8Array): void {
    if (this.#isOver || this.#take(socket, message)) return;
    socket.close(CLOSE.wrong, "no message of this conversation");
    this.end();
  }

  /** @returns false: the client has broken a rule */
  #take(socket: Socket, message: string | Uint8Array): boolean {
    const process = this.#process;
    if (process !== undefined)
      return typeof message === "string" ? this.#control(process, message) : this.#input(process, message);
    if (this.#hasBegun || typeof message !== "string") return false;
    this.#hasBegun = true;
    void this.#run(socket, message);
    return true;
  }

  #input(process: Process, message: Uint8Array): boolean {
    const size = message.length;
    this.#untaken += size;
    if (this.#isInputOver || this.#untaken > WINDOW_BYTES) return false;
    // The runtime may use its buffer again.
    const bytes = Buffer.from(message);
    this.#pour(async () => {
      await process.write(bytes);
      this.#untaken -= size;
      this.#say({ type: "taken", bytes: size });
    });
    return true;
  }

  /** Pieces of input reach the process one after the other; one that waits for room holds up those behind it. */
  #pour(step: () => void | Promise<void>): void {
    // When it fails, the end of the process tells why.
    this.#pouring = this.#pouring.then(step).catch(() => {});
  }

  #control(process: Process, message: string): boolean {
    const said = controlOf(message);
    switch (said?.type) {
      case "eof":
        if (!this.#isInputOver) this.#pour(() => process.end());
        this.#isInputOver = true;
        return true;
      case "signal":
        process.signal(said.signal);
        return true;
      case "resize":
        process.resize({ columns: said.cols, rows: said.rows });
        return true;
      case "kill":
        process.kill();
        return true;
      case "grant":
        return this.#windows[said.channel].grant(said.bytes);
      case undefined:
        return false;
    }
  }

  #say(what: object): void {
    if (!this.#isOver) this.#socket?.send(JSON.stringify(what));
  }

  drain(): void {}

  /** The server ends. */
  leave(): void {
    this.#socket?.close(CLOSE.ending, "the server ends");
    this.end();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const window of Object.values(this.#windows)) window.close();
    this.#options.ended();
  }
}

/** What a client has room for. */
class Window {
  #bytes = WINDOW_BYTES;
  #granted = Promise.withResolvers<void>();
  #isClosed = false;

  /** Resolves with more than nothing, or when it is closed. */
  async room(): Promise<number> {
    while (this.#bytes === 0 && !this.#isClosed) {
      this.#granted = Promise.withResolvers();
      await this.#granted.promise;
    }
    return this.#bytes;
  }

  take(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** @returns false: more than can have been read */
  grant(bytes: number): boolean {
    if (this.#bytes + bytes > WINDOW_BYTES) return false;
    this.#bytes += bytes;
    this.#granted.resolve();
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.#granted.resolve();
  }
}

function endOf(result: ExecResult): { exitCode: number } | { signal: number } {
  if ("halted" in result) return { exitCode: 0 };
  return "signal" in result ? { signal: result.signal } : { exitCode: result.exitCode };
}

type Control =
  | { readonly type: "eof" | "kill" }
  | { readonly type: "signal"; readonly signal: number }
  | { readonly type: "resize"; readonly cols: number; readonly rows: number }
  | { readonly type: "grant"; readonly channel: Outgoing; readonly bytes: number };

/** @returns undefined: it is none */
function controlOf(message: string): Control | undefined {
  let value: Record<string, unknown> | null;
  try {
    value = JSON.parse(message);
  } catch {
    return undefined;
  }
  const { type, signal, cols, rows, channel, bytes } = value ?? {};
  const isWithin = (given: unknown, most: number): given is number =>
    Number.isInteger(given) && (given as number) > 0 && (given as number) <= most;
  if (type === "eof" || type === "kill") return { type };
  if (type === "signal" && isWithin(signal, MAX_SIGNAL)) return { type, signal };
  if (type === "resize" && isWithin(cols, MAX_SIDE) && isWithin(rows, MAX_SIDE)) return { type, cols, rows };
  const isOutgoing = channel === Channel.stdout || channel === Channel.stderr;
  if (type === "grant" && isOutgoing && isWithin(bytes, WINDOW_BYTES)) return { type, channel, bytes };
  return undefined;
}
