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
  #held: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(0);
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
    const taken = Math.min(bytes.length, INSPECTED_BYTES - held.length);
    // As a rule all that is needed comes at once, and is not copied.
    const seen =
      held.length === 0 ? bytes.subarray(0, taken) : Buffer.concat([held, bytes.subarray(0, taken)]);
    const decision = this.#decide(seen, seen.length === INSPECTED_BYTES);
    if (this.#over) return bytes.length;
    if (decision === "more") {
      this.#held = new Uint8Array(seen);
      return taken;
    }
    if (held.length === 0) return this.#stream.write(bytes);
    this.#flush(seen);
    return taken === bytes.length ? taken : taken + this.#stream.write(bytes.subarray(taken));
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
      if (this.#decide(held, true) !== "pass") return;
      if (held.length > 0) this.#flush(held);
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
