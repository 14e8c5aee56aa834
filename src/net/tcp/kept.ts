/** What a chunk costs beside its bytes: whoever sends single bytes would otherwise get a hundred times their memory. */
export const CHUNK_COST = 128;
/** Pieces below this share a chunk, however small each is. */
const CHUNK = 4096;

interface Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>;
  start: number;
  end: number;
}

/** Bytes that wait for the host to take them, in order. */
export class KeptBytes {
  #chunks: Chunk[] = [];
  #length = 0;
  #cost = 0;

  get length(): number {
    return this.#length;
  }

  /** Memory that they take. */
  get cost(): number {
    return this.#cost;
  }

  /** Most that `push` of so many bytes adds to the cost. */
  static cost(length: number): number {
    return Math.max(length, CHUNK) + CHUNK_COST;
  }

  /** @param borrowed the bytes are valid only until this returns */
  push(bytes: Uint8Array<ArrayBuffer>, borrowed: boolean): void {
    const last = this.#chunks.at(-1);
    this.#length += bytes.length;
    if (bytes.length < CHUNK && last !== undefined && last.bytes.length - last.end >= bytes.length) {
      last.bytes.set(bytes, last.end);
      last.end += bytes.length;
      return;
    }
    if (bytes.length < CHUNK) {
      const shared = new Uint8Array(CHUNK);
      shared.set(bytes);
      this.#add({ bytes: shared, start: 0, end: bytes.length });
    } else {
      this.#add({ bytes: borrowed ? new Uint8Array(bytes) : bytes, start: 0, end: bytes.length });
    }
  }

  #add(chunk: Chunk): void {
    this.#chunks.push(chunk);
    this.#cost += chunk.bytes.length + CHUNK_COST;
  }

  /** Gives them away until no more are taken. @param take says how many it has taken */
  drain(take: (bytes: Uint8Array<ArrayBuffer>) => number): void {
    let gone = 0;
    const chunks = this.#chunks;
    for (const chunk of chunks) {
      const taken = take(chunk.bytes.subarray(chunk.start, chunk.end));
      // Whoever took it has cleared all of them.
      if (this.#chunks !== chunks) return;
      this.#length -= taken;
      chunk.start += taken;
      if (chunk.start < chunk.end) break;
      this.#cost -= chunk.bytes.length + CHUNK_COST;
      gone++;
    }
    if (gone > 0) this.#chunks = this.#chunks.slice(gone);
  }

  clear(): void {
    this.#chunks = [];
    this.#length = 0;
    this.#cost = 0;
  }
}
