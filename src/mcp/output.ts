/** Output that is kept as far as a result may be long: its beginning and its end. */

/** Pieces that are kept one by one. */
const MAX_PIECES = 1024;

export class Bounded {
  /** Bytes that there were. */
  total = 0;
  readonly #limit: number;
  readonly #head: Buffer[] = [];
  #headLength = 0;
  #tail: Buffer[] = [];
  #tailLength = 0;

  /** @param limit bytes; half of them from the beginning, half from the end */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get isWhole(): boolean {
    return this.total <= this.#limit;
  }

  add(bytes: Uint8Array): void {
    this.total += bytes.length;
    const room = Math.ceil(this.#limit / 2) - this.#headLength;
    // What is passed in may be used again.
    const first = Buffer.from(bytes.subarray(0, room));
    if (first.length > 0) this.#head.push(first);
    this.#headLength += first.length;
    const rest = Buffer.from(bytes.subarray(first.length));
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#tailLength += rest.length;
    while (this.#tailLength - (this.#tail[0]?.length ?? 0) >= this.#limit)
      this.#tailLength -= this.#tail.shift()?.length ?? 0;
    // Single bytes cost more than what they are.
    if (this.#tail.length > MAX_PIECES) this.#tail = [Buffer.concat(this.#tail)];
  }

  /** All of it, as far as it is whole. */
  bytes(): Buffer {
    return Buffer.concat([...this.#head, ...this.#tail]);
  }

  /** @param limit bytes, not more than those that are kept */
  text(limit: number = this.#limit): string {
    if (this.total <= limit) return this.bytes().toString();
    const half = Math.floor(limit / 2);
    const head = Buffer.concat(this.#head).subarray(0, limit - half);
    const kept = this.bytes();
    const tail = kept.subarray(Math.max(kept.length - half, head.length));
    const left = this.total - head.length - tail.length;
    return `${head}\n[… ${left} bytes left out …]\n${tail}`;
  }
}

/** Of a process, each with a limit of its own, in bytes. */
export const boundedOutputs = (limit: number) => ({
  stdout: new Bounded(limit),
  stderr: new Bounded(limit),
});

/** How much of two outputs one result shows: each all of it, or as much as the other one leaves, at least half. */
export function shares(stdout: number, stderr: number, limit: number): { stdout: number; stderr: number } {
  const half = Math.floor(limit / 2);
  return { stdout: Math.max(half, limit - stderr), stderr: Math.max(limit - half, limit - stdout) };
}
