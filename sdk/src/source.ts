import type { Source } from "./types/index.ts";

/** The bytes of whatever a caller gives. */
export async function* bytesOf(source: Source): AsyncGenerator<Uint8Array, void, void> {
  if (typeof source === "string") yield new TextEncoder().encode(source);
  else if (source instanceof Uint8Array) yield source;
  else yield* source as AsyncIterable<Uint8Array>;
}

/** A stream of what is read; whoever cancels it reads no more. */
export function streamOf(bytes: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = bytes[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await reader.return?.();
    },
  });
}

/** Keeps so many bytes of what is added. */
export class Kept {
  truncated = false;
  readonly #parts: Uint8Array[] = [];
  readonly #limit: number;
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(chunk: Uint8Array): void {
    const part = chunk.subarray(0, Math.max(0, this.#limit - this.#length));
    if (part.length < chunk.length) this.truncated = true;
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#length += part.length;
  }

  bytes(): Uint8Array {
    const [only, second] = this.#parts;
    if (only !== undefined && second === undefined) return only;
    const all = new Uint8Array(this.#length);
    let offset = 0;
    for (const part of this.#parts) {
      all.set(part, offset);
      offset += part.length;
    }
    return all;
  }
}
