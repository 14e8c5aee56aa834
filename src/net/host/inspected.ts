import { type DeniedFlow, INSPECTED_BYTES, type Inspection } from "../types.ts";
import type { HostStream } from "./stream.ts";

/**
 * A stream that lets nothing through before what comes first has been looked at. The connection to the far side exists
 * by then, but not one byte has gone there.
 */
export class InspectedStream implements HostStream {
  readonly #stream: HostStream;
  readonly #inspect: (bytes: Uint8Array, ended: boolean) => Inspection;
  readonly #onDenied: (decision: DeniedFlow) => void;
  /** What is held; undefined: nothing is held any more. Its first `#length` bytes have come. */
  #held: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(0);
  #length = 0;
  #over = false;

  constructor(
    stream: HostStream,
    inspect: (bytes: Uint8Array, ended: boolean) => Inspection,
    onDenied: (decision: DeniedFlow) => void,
  ) {
    this.#stream = stream;
    this.#inspect = inspect;
    this.#onDenied = onDenied;
  }

  write(bytes: Uint8Array<ArrayBuffer>): number {
    if (this.#over) return bytes.length;
    const held = this.#held;
    if (held === undefined) return this.#stream.write(bytes);
    const before = this.#length;
    const taken = Math.min(bytes.length, INSPECTED_BYTES - before);
    // As a rule all that is needed comes at once, and is not copied.
    const seen = before === 0 ? bytes.subarray(0, taken) : this.#hold(held, bytes.subarray(0, taken));
    const decision = this.#decide(seen, seen.length === INSPECTED_BYTES);
    if (this.#over) return bytes.length;
    if (decision === "more") {
      if (before === 0) this.#hold(held, seen);
      return taken;
    }
    if (before === 0) return this.#stream.write(bytes);
    this.#flush(seen);
    return taken === bytes.length ? taken : taken + this.#stream.write(bytes.subarray(taken));
  }

  /** Puts bytes behind those that are held. @returns all of them */
  #hold(held: Uint8Array<ArrayBuffer>, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const length = this.#length + bytes.length;
    let room = held;
    if (room.length < length) {
      room = new Uint8Array(Math.min(INSPECTED_BYTES, Math.max(512, 2 * length)));
      room.set(held.subarray(0, this.#length));
      this.#held = room;
    }
    room.set(bytes, this.#length);
    this.#length = length;
    return room.subarray(0, length);
  }

  #decide(bytes: Uint8Array, last: boolean): Inspection {
    const decision = this.#inspect(bytes, last);
    if (decision === "pass") this.#held = undefined;
    else if (decision !== "more") this.#deny(decision);
    else if (last) this.#deny({ allow: false, how: "refuse", rule: "undecided" });
    return decision;
  }

  /** The kernel takes 16 KiB of a new connection, always. */
  #flush(held: Uint8Array<ArrayBuffer>): void {
    if (this.#stream.write(held) < held.length)
      this.#deny({ allow: false, how: "refuse", rule: "undecided" });
  }

  #deny(decision: DeniedFlow): void {
    if (this.#over) return;
    this.#over = true;
    this.#onDenied(decision);
  }

  end(): void {
    const held = this.#held;
    if (held !== undefined && !this.#over) {
      const all = held.subarray(0, this.#length);
      if (this.#decide(all, true) !== "pass") return;
      if (all.length > 0) this.#flush(all);
    }
    if (!this.#over) this.#stream.end();
  }

  reset(): void {
    this.#over = true;
    this.#stream.reset();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }
}
