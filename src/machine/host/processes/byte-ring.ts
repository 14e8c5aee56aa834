/** Room that a ring begins with; most processes say little. */
const FIRST_BYTES = 4096;

/** The last bytes of a stream, addressed by their offsets in it. */
export class ByteRing {
  /** Offset of the first byte that is still here. */
  oldest = 0;
  /** How many bytes there have been: offset of the next one. */
  written = 0;
  readonly capacity: number;
  #bytes = new Uint8Array(0);

  /** @param capacity most bytes that are kept; memory is taken as it is needed */
  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get free(): number {
    return this.capacity - (this.written - this.oldest);
  }

  /** Adds a copy. There must be room. */
  append(bytes: Uint8Array): void {
    const needed = this.written - this.oldest + bytes.length;
    if (needed > this.#bytes.length)
      this.#resize(Math.min(this.capacity, Math.max(FIRST_BYTES, 2 * this.#bytes.length, needed)));
    const size = this.#bytes.length;
    const start = this.written % size;
    const first = Math.min(bytes.length, size - start);
    this.#bytes.set(bytes.subarray(0, first), start);
    this.#bytes.set(bytes.subarray(first), 0);
    this.written += bytes.length;
  }

  /** Forgets so many of the oldest bytes. */
  drop(count: number): void {
    this.oldest += count;
  }

  /** A copy of bytes that are here. */
  copy(offset: number, length: number): Uint8Array {
    const copy = new Uint8Array(length);
    if (length === 0) return copy;
    const start = offset % this.#bytes.length;
    const first = this.#bytes.subarray(start, start + length);
    copy.set(first);
    copy.set(this.#bytes.subarray(0, length - first.length), first.length);
    return copy;
  }

  /** Nothing will be added any more: gives back memory that is not needed. */
  trim(): void {
    this.#resize(this.written - this.oldest);
  }

  #resize(size: number): void {
    const kept = this.copy(this.oldest, this.written - this.oldest);
    this.#bytes = new Uint8Array(size);
    if (size === 0) return;
    const start = this.oldest % size;
    const first = kept.subarray(0, size - start);
    this.#bytes.set(first, start);
    this.#bytes.set(kept.subarray(first.length), 0);
  }
}
