import type { Readable, Writable } from "node:stream";
import { MAX_QUEUED_BYTES, type Transport } from "./transport.ts";

/**
 * A transport of Node's streams: a socket, or the two pipes of a child or of a parent. Knows nothing of Bun, as the SDK
 * has it too.
 */
export class PipeTransport implements Transport {
  onData: Transport["onData"] = () => {};
  onDrain: Transport["onDrain"] = () => {};
  onClose: Transport["onClose"] = () => {};
  readonly #input: Readable;
  readonly #output: Writable;
  #closed = false;

  /** @param input must not have been read; the same object as `output` for a socket */
  constructor(input: Readable, output: Writable) {
    this.#input = input;
    this.#output = output;
    const end = (error?: Error) => this.#end(error ?? undefined);
    input.on("end", () => end());
    input.on("error", end);
    input.on("close", () => end());
    output.on("error", end);
    output.on("close", () => end());
    output.on("drain", () => {
      if (!this.#closed) this.onDrain();
    });
  }

  start(): void {
    this.#input.on("data", (bytes: Uint8Array) => {
      if (!this.#closed) this.onData(bytes);
    });
  }

  write(bytes: Uint8Array<ArrayBuffer>): boolean {
    if (this.#closed) return true;
    // Streams keep what they are given, and callers use their buffers again.
    const hasRoom = this.#output.write(bytes.slice());
    if (this.#output.writableLength > MAX_QUEUED_BYTES) this.#end(new Error("the other side does not read"));
    return hasRoom;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // What has been written before is still sent; what comes meanwhile is dropped.
    this.#output.end(() => this.#input.destroy());
    this.onClose(undefined);
  }

  #end(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#output.destroy();
    this.#input.destroy();
    this.onClose(error);
  }
}
